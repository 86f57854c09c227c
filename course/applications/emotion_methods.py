r"""Ways to name an emotion: each is trained on other people's recordings, then given what there is of a new speaker.

What there is: nothing, unlabelled recordings, or a few labelled ones. All ways see the same vectors, and each has four
trials in validation, no more and no fewer.

Sources: Finn, Abbeel and Levine (2017) for MAML; Triantafillou et al., *Meta-Dataset* (2020), for ProtoMAML.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from course import runtime
from course.applications.adapted_gaussian import AdaptedGaussian, prototypes
from course.data import Episode
from course.meta_learning.adaptation import Params, adapt
from course.meta_learning.maml import MAML, MAMLConfig
from course.meta_learning.prototypical import linear_classifier

STEPS, TASKS, HIDDEN = 60, 8, 64  # outer steps, speakers in each, and hidden units
RATE = 0.1  # of fine-tuning


@dataclass(frozen=True)
class Given:
    """What is known of a speaker before the questions: vectors without labels, and vectors with them.

    Attributes:
        unlabelled: ``[m, d]``, the questions among them.
        x, y: labelled, ``[k, d]`` and ``[k]``; k may be 0.

    Example:
        >>> given = Given(torch.zeros(5, 3), torch.ones(2, 3), torch.tensor([0, 1]))
        >>> given.unlabelled.shape, given.y.tolist()
        (torch.Size([5, 3]), [0, 1])
    """

    unlabelled: Tensor
    x: Tensor
    y: Tensor


Answer = Callable[[Tensor, Given], Tensor]  # questions [m, d], what is given -> scores [m, N]


@dataclass(frozen=True)
class Lesson:
    """What a way learns from.

    Attributes:
        x, y, speakers, halves: of the recordings of other people, ``[n, d]`` and ``[n]``.
        n_way: emotions.
        shots: labelled recordings of an emotion that a new speaker will give.
        seed: of all that is drawn.
    """

    x: Tensor
    y: Tensor
    speakers: Tensor
    halves: Tensor
    n_way: int
    shots: int
    seed: int


@dataclass(frozen=True)
class Way:
    """A way to learn, and what validation chooses from.

    Attributes:
        learn: from a lesson and an option to a function that answers.
        options: four of them.
        scale: whose zero and scale the vectors have: ``"everybody"``, ``"speaker"`` (all recordings of the speaker),
            ``"leaning"`` (these and a prior), ``"labelled"`` (those with labels and a prior), or
            ``"so far"`` (as they come).
    """

    learn: Callable[[Lesson, object], Answer]
    options: Sequence[object]
    scale: str = "speaker"


def logistic(lesson: Lesson, penalty: float) -> Answer:
    """Logistic regression with the constant C."""
    weight, bias = logistic_weights(lesson, penalty)
    return lambda query, given: query @ weight.T + bias


def logistic_weights(lesson: Lesson, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights ``[N, d]`` and biases ``[N]``, whatever N is."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=penalty, max_iter=500).fit(lesson.x.numpy(), lesson.y.numpy())
    weight, bias = (torch.from_numpy(each) for each in (fitted.coef_, fitted.intercept_))
    return (torch.cat([-weight, weight]), torch.cat([-bias, bias])) if len(weight) == 1 else (weight, bias)


def machine(lesson: Lesson, penalty: float) -> Answer:
    """A support vector machine with a Gaussian kernel."""
    from sklearn.svm import SVC

    fitted = SVC(C=penalty).fit(lesson.x.numpy(), lesson.y.numpy())
    return lambda query, given: F.one_hot(torch.from_numpy(fitted.predict(query.numpy())), lesson.n_way).double()


def most_frequent(lesson: Lesson, option: object) -> Answer:
    """The most frequent emotion of the training, whatever is heard."""
    counts = torch.bincount(lesson.y, minlength=lesson.n_way).double()
    return lambda query, given: counts.expand(len(query), -1)


def fine_tuned(lesson: Lesson, option: tuple[float, int]) -> Answer:
    """Logistic regression, then gradient descent on the speaker's labelled recordings."""
    penalty, steps = option
    weight, bias = logistic_weights(lesson, penalty)
    return lambda query, given: tuned(weight, bias, given, steps)(query)


def tuned(weight: Tensor, bias: Tensor, given: Given, steps: int) -> Callable[[Tensor], Tensor]:
    r"""A linear classifier after some steps of gradient descent on labelled vectors: :eq:`emotion-tuning`.

    .. math:: (W, b) \leftarrow (W, b) - \alpha\,\nabla\mathcal L_S(W, b)
    """
    model = nn.Linear(weight.shape[1], len(weight), dtype=weight.dtype)
    start = {"weight": weight, "bias": bias}
    new = adapt(model, start, given.x, given.y, loss=F.cross_entropy, lr=RATE, steps=steps)
    return lambda query: functional_call(model, new, (query,)).detach()


def gaussian(lesson: Lesson, shrinkage: float) -> Answer:
    """Linear discriminant analysis with a shrunk covariance."""
    fitted = AdaptedGaussian.fit(lesson.x, lesson.y, lesson.n_way, shrinkage).within()
    return lambda query, given: fitted.scores(query)


def moved(lesson: Lesson, option: tuple[float, float], steps: int = 0) -> Answer:
    """The same, whose means move to the speaker's labelled recordings, and with EM to the unlabelled ones."""
    shrinkage, weight = option
    fitted = AdaptedGaussian.fit(lesson.x, lesson.y, lesson.n_way, shrinkage).within()

    def answer(query: Tensor, given: Given) -> Tensor:
        labelled = (given.x, given.y) if len(given.x) else None
        return fitted.with_unlabelled(given.unlabelled, weight, steps, labelled).scores(query)

    return answer


def own_means(lesson: Lesson, shrinkage: float) -> Answer:
    """Prototypes: the means of the speaker's labelled recordings alone; other people only give the covariance."""
    fitted = AdaptedGaussian.fit(lesson.x, lesson.y, lesson.n_way, shrinkage)
    w = fitted.whitening
    return lambda query, given: prototypes(given.x @ w, given.y, lesson.n_way, query @ w)


class SpeakerTasks:
    """Endless episodes by number, whose tasks are speakers: an emotion has the same number in all of them.

    The support set is drawn from one half of a speaker's recordings (with replacement where an emotion has too few),
    the query set from the other half; an emotion without any there is replaced by whatever there is.
    """

    def __init__(self, lesson: Lesson, tasks: int = TASKS):
        self.lesson, self.tasks, self.pools = lesson, tasks, {}
        y, speakers, halves = (each.numpy() for each in (lesson.y, lesson.speakers, lesson.halves))
        self.names = np.unique(speakers)
        for speaker in self.names:
            for half in (0, 1):
                own = (speakers == speaker) & (halves == half)
                pools = [np.flatnonzero(own & (y == label)) for label in range(lesson.n_way)]
                self.pools[int(speaker), half] = [pool if len(pool) else np.flatnonzero(own) for pool in pools]
        self.names = [name for name in self.names if all(len(self.pools[int(name), half][0]) for half in (0, 1))]
        self.x = lesson.x.float()

    def __getitem__(self, number: int) -> Episode:
        generator, rows = runtime.step_generator(self.lesson.seed, number), []
        for speaker in generator.choice(self.names, self.tasks):
            first = int(generator.integers(2))
            for half in (first, 1 - first):
                for pool in self.pools[int(speaker), half]:
                    rows.append(generator.choice(pool, self.lesson.shots, replace=len(pool) < self.lesson.shots))
        chosen = torch.from_numpy(np.stack(rows)).reshape(self.tasks, 2, -1)  # [tasks, 2, N * shots]
        x, y = self.x[chosen], self.lesson.y[chosen]
        return Episode(x[:, 0], y[:, 0], x[:, 1], y[:, 1])


def network(lesson: Lesson, out: int) -> nn.Sequential:
    """Two linear layers with a ReLU between, from the lesson's seed."""
    torch.manual_seed(lesson.seed)
    return nn.Sequential(nn.Linear(lesson.x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, out))


def maml(lesson: Lesson, option: tuple[float, float], steps: int = STEPS) -> Answer:
    """MAML on a small network; ``steps=0`` is its untrained start."""
    inner, outer = option
    config = MAMLConfig(inner_lr=inner, inner_steps=1, test_steps=3, outer_lr=outer, meta_batch=TASKS)
    learner = MAML(network(lesson, lesson.n_way), config)
    if steps:
        learner.train(SpeakerTasks(lesson), steps=steps)
    return lambda query, given: learner.adapt(given.x.float(), given.y)(query.float()).double()


def proto_maml(lesson: Lesson, option: tuple[float, float], steps: int = STEPS) -> Answer:
    """A network whose last layer begins as the classifier of the speaker's own prototypes, then learns: ProtoMAML."""
    inner, outer = option
    body, head = network(lesson, 32), nn.Linear(32, lesson.n_way)
    whole = nn.Sequential(body, head)

    def scores(params: Params, x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        members = (y[:, None] == torch.arange(lesson.n_way)).to(x.dtype)
        vectors = functional_call(body, params, (x,))
        means = members.T @ vectors / members.sum(0).clamp(min=1)[:, None]
        weight, bias = linear_classifier(means)
        start = {f"0.{name}": each for name, each in params.items()} | {"1.weight": weight, "1.bias": bias}
        new = adapt(whole, start, x, y, loss=F.cross_entropy, lr=inner, steps=1)
        return functional_call(whole, new, (query,))

    optimizer, tasks = torch.optim.Adam(body.parameters(), lr=outer), SpeakerTasks(lesson)
    for step in range(steps):
        episode, params = tasks[step], dict(body.named_parameters())
        each = vmap(partial(scores, params))(episode.support_x, episode.support_y, episode.query_x)
        optimizer.zero_grad()
        F.cross_entropy(each.flatten(0, 1), episode.query_y.flatten()).backward()
        optimizer.step()
    params = {name: each.detach() for name, each in body.named_parameters()}
    return lambda query, given: scores(params, given.x.float(), given.y, query.float()).detach().double()


HEIGHT, WIDTH = 16, 24  # bands, and parts in time, of a picture of a recording


def convolutional(lesson: Lesson, rate: float, steps: int = 80) -> Answer:
    """A small convolutional network on log-mel pictures ``[n, 16 * 24]``; ``steps=0`` is its untrained start."""
    torch.manual_seed(lesson.seed)
    layers, channels = [nn.Unflatten(1, (1, HEIGHT, WIDTH))], 1
    for width in (8, 16, 32):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 2 * 3, lesson.n_way))
    x, optimizer = lesson.x.float(), torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    for step in range(steps):
        rows = torch.from_numpy(
            runtime.step_generator(lesson.seed, step).choice(len(x), min(48, len(x)), replace=False)
        )
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), lesson.y[rows]).backward()
        optimizer.step()
    model.eval().requires_grad_(False)
    return lambda query, given: model(query.float()).double()


PENALTIES, BOXES, SHRINKAGES = (0.003, 0.01, 0.03, 0.1), (0.3, 1.0, 3.0, 10.0), (0.1, 0.2, 0.4, 0.6)
MOVES = ((0.3, 3.0), (0.3, 10.0), (0.5, 3.0), (0.5, 10.0))  # shrinkage, and what a training mean counts as
TUNINGS = ((0.01, 3), (0.01, 20), (0.03, 3), (0.03, 20))  # constant C, and steps
RATES = ((0.03, 3e-3), (0.03, 1e-2), (0.1, 3e-3), (0.1, 1e-2))  # inner and outer

CNN_RATES = (3e-4, 1e-3, 3e-3, 1e-2)

ANYBODY: dict[str, Way] = {
    "most frequent emotion": Way(most_frequent, (0, 1, 2, 3), "everybody"),
    "logistic regression": Way(logistic, PENALTIES, "everybody"),
    "support vectors": Way(machine, BOXES, "everybody"),
    "Gaussian": Way(gaussian, SHRINKAGES, "everybody"),
    "logistic regression, speaker's scale": Way(logistic, PENALTIES),
    "support vectors, speaker's scale": Way(machine, BOXES),
    "Gaussian, speaker's scale": Way(gaussian, SHRINKAGES),
    "Gaussian, scale so far": Way(gaussian, SHRINKAGES, "so far"),
    "Gaussian with EM, speaker's scale": Way(partial(moved, steps=3), MOVES),
}
LABELLED: dict[str, Way] = {
    "prototypes": Way(own_means, SHRINKAGES, "everybody"),
    "fine-tuning": Way(fine_tuned, TUNINGS, "everybody"),
    "Gaussian, scale of the labelled": Way(gaussian, SHRINKAGES, "labelled"),
    "prototypes, speaker's scale": Way(own_means, SHRINKAGES),
    "fine-tuning, speaker's scale": Way(fine_tuned, TUNINGS),
    "MAML as it begins": Way(partial(maml, steps=0), RATES),
    "MAML, speaker's scale": Way(maml, RATES),
    "ProtoMAML, speaker's scale": Way(proto_maml, RATES),
    "moved means, speaker's scale": Way(moved, MOVES),
    "moved means with EM, speaker's scale": Way(partial(moved, steps=3), MOVES),
}
PICTURED: dict[str, Way] = {
    "CNN as it begins": Way(partial(convolutional, steps=0), CNN_RATES),
    "CNN on log-mel, speaker's scale": Way(convolutional, CNN_RATES),
}
