r"""Transfer or meta-learning? Every way to learn a new class from few examples, as one function of an episode.

A learner has two parts. Some *training* of a network on many classes, by ordinary classification or by episodes; and an
*adaptation* of the network to a task: a head by a formula, a head by gradient steps, or gradient steps on everything.
:data:`CONTENDERS` pairs them, so that they can be compared on the same network, data, tasks and budget.

Sources: Chen et al., *A closer look at few-shot classification* (2019) for Baseline and Baseline++; Wang et al.,
*SimpleShot* (2019) for normalised nearest means; Bertinetto et al., *Meta-learning with differentiable closed-form
solvers* (2019) for ridge regression as a head.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Episode, EpisodeSampler, LabelledSet
from course.history import History
from course.meta_learning.anil import ANIL
from course.meta_learning.baselines import fine_tuning, nearest_neighbour, pretrain, with_new_head
from course.meta_learning.evaluation import Predict
from course.meta_learning.learner import MetaLearner
from course.meta_learning.maml import MAML, MAMLConfig
from course.meta_learning.prototypical import (
    PrototypicalConfig,
    PrototypicalNetwork,
    class_means,
    negative_squared_distances,
    per_task,
)
from course.meta_learning.ways import require_episode
from course.representation.cnn import Conv4
from course.representation.shifts import BlurPool

Embed = Callable[[Tensor], Tensor]  # examples [n, ...] to vectors [n, d]
SCALE = 10.0  # of a cosine, so that a softmax of it can be sure
STEPS = 10  # of gradient descent on a task, for whoever adapts a whole network by it
HEAD_STEPS = 100  # of gradient descent on a head alone, as in Chen et al.


def task_vectors(episode: Episode, embed: Embed) -> tuple[Tensor, Tensor]:
    """The support vectors ``[T, n, d]`` and query vectors ``[T, m, d]`` of an episode, embedded as one batch."""
    require_episode(episode)
    images = torch.cat([episode.support_x.flatten(0, 1), episode.query_x.flatten(0, 1)])
    with torch.no_grad():
        return per_task(embed(images), episode)


def vectors_together(episode: Episode, network: nn.Module) -> tuple[Tensor, Tensor]:
    """The same, but every task is normalised by the statistics of its own images, the queries included.

    So the queries help one another: a learner that does this is *transductive*, as MAML with batch normalisation is.
    """
    network = copy.deepcopy(network).train()  # a copy: its averages would move
    tasks = torch.cat([episode.support_x, episode.query_x], 1)
    with torch.no_grad():
        vectors = torch.stack([network.embed(images) for images in tasks])
    return vectors.split([episode.support_y.shape[1], episode.query_y.shape[1]], 1)


def ways(episode: Episode) -> int:
    """The number of classes N of each task."""
    return int(episode.support_y.max()) + 1


# --- Heads on vectors that stay as they are


def ridge_head(support: Tensor, support_y: Tensor, query: Tensor, n_way: int, *, ridge: float) -> Tensor:
    r"""A linear probe by a formula: ridge regression on one-hot targets, :eq:`transfer-ridge`.

    .. math:: W = \bigl(\tilde X^\top \tilde X + \lambda\,\tfrac{\operatorname{tr}\tilde X^\top\tilde X}{d}\, I\bigr)^{-1}
        \tilde X^\top \tilde Y

    with the support vectors :math:`\tilde X` and targets :math:`\tilde Y` centred. The trace makes λ a number without a
    unit: it does not depend on the length of the vectors.

    Args:
        support, support_y: vectors ``[T, n, d]`` and class numbers ``[T, n]``.
        query: vectors ``[T, m, d]``.
        n_way: number of classes N.
        ridge: λ, above 0.

    Returns:
        The scores ``[T, m, N]``.

    Raises:
        ValueError: if λ is not positive.
    """
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}: with few examples the system has no unique solution")
    centre = support.mean(-2, keepdim=True)
    x, y = support - centre, F.one_hot(support_y, n_way).to(support.dtype)
    share = y.mean(-2, keepdim=True)
    gram = x.mT @ x  # [T, d, d]
    weight = ridge * gram.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(torch.finfo(x.dtype).tiny)
    system = gram + weight[..., None, None] * torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return (query - centre) @ torch.linalg.solve(system, x.mT @ (y - share)) + share


NORMALISATIONS = ("none", "length 1", "centred, length 1")


def normalised(support: Tensor, query: Tensor, how: str) -> tuple[Tensor, Tensor]:
    """Vectors before they are compared: as they are; at length 1; or first minus the mean of the task's support.

    Raises:
        ValueError: if ``how`` is none of :data:`NORMALISATIONS`.
    """
    if how not in NORMALISATIONS:
        raise ValueError(f"choose one of {', '.join(map(repr, NORMALISATIONS))}, got {how!r}")
    if how.startswith("centred"):
        centre = support.mean(-2, keepdim=True)
        support, query = support - centre, query - centre
    return (support, query) if how == "none" else (F.normalize(support, dim=-1), F.normalize(query, dim=-1))


def nearest_mean(support: Tensor, support_y: Tensor, query: Tensor, n_way: int, *, how: str = "none") -> Tensor:
    """The prototypes of vectors that nobody trained for it: scores ``[T, m, N]`` by the distance to the class means."""
    support, query = normalised(support, query, how)
    return negative_squared_distances(query, class_means(support, support_y, n_way))


class CosineHead(nn.Module):
    r"""A last layer that compares directions: :math:`s_c(x) = \tau \cos(w_c, x)`, :eq:`transfer-cosine`.

    Vectors ``[n, d]`` in, scores ``[n, classes]`` out.

    Args:
        d, classes: length of a vector, and number of classes.
        scale: τ.
        generator: of the first weights; ``None`` is torch's global one.
    """

    def __init__(self, d: int, classes: int, *, scale: float = SCALE, generator: torch.Generator | None = None):
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(torch.randn(classes, d, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.normalize(x, dim=-1) @ F.normalize(self.weight, dim=-1).mT


def cosine_head(
    support: Tensor,
    support_y: Tensor,
    query: Tensor,
    n_way: int,
    *,
    rate: float,
    steps: int = HEAD_STEPS,
    scale: float = SCALE,
) -> Tensor:
    """The adaptation of Baseline++: a cosine classifier on fixed vectors, trained on the support set.

    It starts from the means of the classes and takes steps of gradient descent on the cross-entropy of each task; the
    tasks run side by side. With 0 steps it is the nearest mean by cosine.

    Args:
        support, support_y, query, n_way: as for :func:`ridge_head`.
        rate, steps: of the descent.
        scale: τ of :class:`CosineHead`.

    Returns:
        The scores ``[T, m, N]``.
    """
    support = F.normalize(support, dim=-1)
    weight = F.normalize(class_means(support, support_y, n_way), dim=-1)
    for _ in range(steps):
        with torch.enable_grad():
            weight = weight.detach().requires_grad_()
            scores = scale * support @ F.normalize(weight, dim=-1).mT
            loss = F.cross_entropy(scores.flatten(0, 1), support_y.flatten(), reduction="sum") / support_y.shape[1]
            weight = weight - rate * torch.autograd.grad(loss, weight)[0]
    return scale * F.normalize(query, dim=-1) @ F.normalize(weight.detach(), dim=-1).mT


# --- A contender is an adaptation with a network that was trained in some way


@dataclass(frozen=True)
class Contender:
    """A way to learn a task: how its network was trained, and what happens on a new task.

    Attributes:
        training: which network it starts from, a key of :data:`TRAININGS`.
        adapt: ``adapt(network, episode, option)`` has the scores of the queries, ``[T, m, N]``.
        options: three values of what it has to choose, for validation to decide.
    """

    training: str
    adapt: Callable[[nn.Module, Episode, object], Tensor]
    options: tuple

    def on(self, network: nn.Module, option) -> Predict:
        """The contender as a function from an episode to scores, for :func:`course.meta_learning.evaluation.evaluate`."""
        return partial(self.adapt, network, option=option)


def by_head(
    head: Callable[..., Tensor], name: str, *, together: bool = False
) -> Callable[[nn.Module, Episode, object], Tensor]:
    """An adaptation that embeds the episode and asks ``head``, whose choice is called ``name``.

    Args:
        together: normalise by the images of the task, :func:`vectors_together`.
    """

    def adapt(network: nn.Module, episode: Episode, option) -> Tensor:
        support, query = vectors_together(episode, network) if together else task_vectors(episode, network.embed)
        return head(support, episode.support_y, query, ways(episode), **{name: option})

    return adapt


def nearest_blurred(network: nn.Module, episode: Episode, option: int) -> Tensor:
    """The nearest neighbour of pixels behind a blur of ``option`` taps; no network is asked."""
    blur = BlurPool(option, stride=1).to(episode.support_x.device)
    return nearest_neighbour(episode, lambda x: blur(x).flatten(1))


def fine_tuned(network: nn.Module, episode: Episode, option: float) -> Tensor:
    """Gradient steps at the rate ``option`` on all weights, from a new head of zeros."""
    return fine_tuning(with_new_head(network, ways(episode)), lr=option, steps=STEPS)(episode)


def inner_steps(learner: Callable[..., MetaLearner]) -> Callable[[nn.Module, Episode, object], Tensor]:
    """The adaptation of a learner with an inner loop of ``option`` steps."""

    def adapt(network: nn.Module, episode: Episode, option: int) -> Tensor:
        return learner(network, MAMLConfig.quick()).predictions(episode, steps=option)

    return adapt


CONTENDERS = {
    "nearest neighbour": Contender("untrained", nearest_blurred, (1, 5, 9)),
    "untrained start": Contender("untrained", by_head(nearest_mean, "how"), NORMALISATIONS),
    "from scratch": Contender("untrained", fine_tuned, (0.03, 0.1, 0.3)),
    "linear probe": Contender("classifier", by_head(ridge_head, "ridge"), (0.1, 1.0, 10.0)),
    "frozen prototypes": Contender("classifier", by_head(nearest_mean, "how"), NORMALISATIONS),
    "fine-tuning": Contender("classifier", fine_tuned, (0.01, 0.03, 0.1)),
    "Baseline++": Contender("cosine classifier", by_head(cosine_head, "rate"), (0.01, 0.03, 0.1)),
    "ProtoNet": Contender("ProtoNet", by_head(nearest_mean, "how"), NORMALISATIONS),
    "frozen prototypes, by batch": Contender("classifier", by_head(nearest_mean, "how", together=True), NORMALISATIONS),
    "ProtoNet, by batch": Contender("ProtoNet", by_head(nearest_mean, "how", together=True), NORMALISATIONS),
    "MAML": Contender("MAML", inner_steps(MAML), (1, 3, 10)),
    "ANIL": Contender("ANIL", inner_steps(ANIL), (1, 3, 10)),
}


# --- The trainings


class Shots:
    """Episodes of 1 and of 5 shots in turn, so that a learner is prepared for few and for more.

    Args:
        data: the labelled set.
        seed: of the episodes.
        n_way, n_query, tasks: as for :class:`course.data.EpisodeSampler`.
        shots: the numbers of shots.
    """

    def __init__(
        self, data: LabelledSet, *, seed: int, n_way: int = 5, n_query: int = 5, tasks: int = 2, shots=(1, 5)
    ):
        self.samplers = [EpisodeSampler(data, n_way, k, n_query, tasks, seed=seed) for k in shots]
        self.images = sum(n_way * tasks * (k + n_query) for k in shots)  # in one round

    def __getitem__(self, number: int) -> Episode:
        turn, which = divmod(number, len(self.samplers))
        return self.samplers[which][turn]

    def steps(self, images: int) -> int:
        """The number of episodes that show about so many images."""
        return max(1, images * len(self.samplers) // self.images)


BATCH = 64  # images a step of the ordinary training
RATES = (1e-3, 3e-3, 1e-2)  # of Adam, the same three for every training


def new_network(training: str, classes: int, filters: int = 32, seed: int = 0) -> nn.Module:
    """The backbone before any training: a :class:`~course.representation.cnn.Conv4` with the head that a training asks.

    Whoever has to use it frozen keeps averages for evaluation; an inner loop normalises by the batch at hand.

    Args:
        training: a key of :data:`TRAININGS`, or ``"untrained"``.
        classes: scores of the head.
    """
    generator = torch.Generator().manual_seed(seed)
    network = Conv4(
        classes, filters=filters, averages=training in ("classifier", "cosine classifier", "ProtoNet"), generator=generator
    )
    if training == "cosine classifier":
        network.head = CosineHead(network.head.in_features, classes, generator=generator)
    return network


def train_classifier(network: nn.Module, data: LabelledSet, *, images: int, rate: float, seed: int, **options) -> History:
    """Ordinary classification of all classes at once."""
    return pretrain(network, data, steps=images // BATCH, batch_size=BATCH, lr=rate, seed=seed, **options)


def train_prototypes(network: nn.Module, data: LabelledSet, *, images: int, rate: float, seed: int, **options) -> History:
    """Episodes for the vectors of ``network``; its head stays as it is."""
    episodes = Shots(data, seed=seed)
    encoder = nn.Sequential(*list(network)[:-1])
    learner = PrototypicalNetwork(encoder, PrototypicalConfig(outer_lr=rate))
    return learner.train(episodes, steps=episodes.steps(images), **options)


def by_inner_loop(learner: Callable[..., MetaLearner]) -> Callable[..., History]:
    """Episodes for a learner whose inner loop is differentiated through."""

    def train(network: nn.Module, data: LabelledSet, *, images: int, rate: float, seed: int, **options) -> History:
        episodes, config = Shots(data, seed=seed), MAMLConfig(inner_lr=0.4, inner_steps=1, outer_lr=rate)
        return learner(network, config).train(episodes, steps=episodes.steps(images), **options)

    return train


TRAININGS = {
    "classifier": train_classifier,
    "cosine classifier": train_classifier,
    "ProtoNet": train_prototypes,
    "MAML": by_inner_loop(MAML),
    "ANIL": by_inner_loop(ANIL),
}
EPISODIC = ("MAML", "ANIL")  # their head has as many classes as a task
