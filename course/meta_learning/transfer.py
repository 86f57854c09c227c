r"""Transfer or meta-learning? Every way to learn a new class from few examples, as one function of an episode.

A learner has two parts. Some *training* of a network on many classes, by ordinary classification or by episodes; and an
*adaptation* of the network to a task: a head by a formula, a head by gradient steps, or gradient steps on everything.
:data:`CONTENDERS` pairs them, so that they can be compared on the same network, data, tasks and budget.

Source: Chen et al., *A closer look at few-shot classification* (2019), which has Baseline, the linear probe of this
module, and Baseline++.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from course import runtime
from course.data import Episode, EpisodeSampler, LabelledSet
from course.history import History
from course.meta_learning.anil import ANIL
from course.meta_learning.baselines import fine_tuning, nearest_neighbour, pretrain, with_new_head
from course.meta_learning.evaluation import Predict
from course.meta_learning.heads import NORMALISATIONS, CosineHead, cosine_head, nearest_mean, ridge_head
from course.meta_learning.learner import MetaLearner
from course.meta_learning.maml import MAML, MAMLConfig
from course.meta_learning.prototypical import (
    PrototypicalConfig,
    PrototypicalNetwork,
    conv4_encoder,
    per_task,
    require_classes,
)
from course.meta_learning.ways import require_episode
from course.representation.classifier import scores_of
from course.representation.cnn import Conv4
from course.representation.shifts import BlurPool

STEPS = 10  # of gradient descent on a task, for whoever adapts a whole network by it
INNER_RATE = 0.4  # of an inner loop, in training and on a new task


def task_vectors(episode: Episode, embed: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The support vectors ``[T, n, d]`` and query vectors ``[T, m, d]`` of an episode, each image for itself."""
    require_episode(episode)
    images = torch.cat([episode.support_x.flatten(0, 1), episode.query_x.flatten(0, 1)])
    return per_task(scores_of(embed, images), episode)


def vectors_together(episode: Episode, network: nn.Module) -> tuple[Tensor, Tensor]:
    """The same, but every task is normalised by the statistics of its own images, the queries included.

    So the queries help one another: a learner that does this is *transductive*, as MAML with batch normalisation is.
    """
    embed, tasks = without_averages(network).embed, torch.cat([episode.support_x, episode.query_x], 1)
    with torch.no_grad():
        vectors = torch.stack([embed(images) for images in tasks])
    return vectors.split([episode.support_y.shape[1], episode.query_y.shape[1]], 1)


def without_averages(network: nn.Module) -> nn.Module:
    """A copy whose batch normalisations know no averages: they take the statistics of the batch at hand."""
    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    return network


# --- A contender is an adaptation with a network that was trained in some way


@dataclass(frozen=True)
class Contender:
    """A way to learn a task: how its network was trained, and what happens on a new task.

    Attributes:
        training: which network it starts from, a key of :data:`TRAININGS`.
        adapt: ``adapt(network, episode, option)`` has the scores of the queries, ``[T, m, N]``.
        options: values of what it has to choose, for validation to decide: three, or nine where there is no
            training with rates to choose from.
    """

    training: str
    adapt: Callable[[nn.Module, Episode, object], Tensor]
    options: tuple

    def on(self, network: nn.Module, option) -> Predict:
        """The contender as a function from an episode to scores ``[T, m, N]``."""
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
        return head(support, episode.support_y, query, require_classes(episode.support_y), **{name: option})

    return adapt


RIDGES, COSINE_RATES = (0.1, 1.0, 10.0), (0.01, 0.03, 0.1)
HEADS = (
    {how: partial(nearest_mean, how=how) for how in NORMALISATIONS}
    | {f"probe, {ridge}": partial(ridge_head, ridge=ridge) for ridge in RIDGES}
    | {f"cosine, {rate}": partial(cosine_head, rate=rate) for rate in COSINE_RATES}
)


def any_head(support: Tensor, support_y: Tensor, query: Tensor, n_way: int, *, which: str) -> Tensor:
    """One of :data:`HEADS`: an untrained network may choose among all that the trained ones have."""
    return HEADS[which](support, support_y, query, n_way)


def nearest_blurred(network: nn.Module, episode: Episode, option: int) -> Tensor:
    """The nearest neighbour of pixels behind a blur of ``option`` taps; no network is asked."""
    blur = BlurPool(option, stride=1).to(episode.support_x.device)
    return nearest_neighbour(episode, lambda x: blur(x).flatten(1))


def fine_tuned(network: nn.Module, episode: Episode, option: float) -> Tensor:
    """Gradient steps at the rate ``option`` on all weights, from a new head of zeros."""
    return fine_tuning(with_new_head(network, require_classes(episode.support_y)), lr=option, steps=STEPS)(episode)


def fine_tuned_together(network: nn.Module, episode: Episode, option: float) -> Tensor:
    """The same with the statistics of the batch at hand, as MAML has them: :func:`without_averages`."""
    return fine_tuned(without_averages(network), episode, option)


def inner_steps(learner: Callable[..., MetaLearner]) -> Callable[[nn.Module, Episode, object], Tensor]:
    """The adaptation of a learner with an inner loop of ``option`` steps."""

    def adapt(network: nn.Module, episode: Episode, option: int) -> Tensor:
        return learner(network, MAMLConfig(inner_lr=INNER_RATE)).predictions(episode, steps=option)

    return adapt


CONTENDERS = {
    "nearest neighbour": Contender("untrained", nearest_blurred, tuple(range(1, 18, 2))),
    "untrained start": Contender("untrained", by_head(any_head, "which"), tuple(HEADS)),
    "from scratch": Contender("untrained", fine_tuned_together, (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)),
    "linear probe": Contender("classifier", by_head(ridge_head, "ridge"), RIDGES),
    "frozen prototypes": Contender("classifier", by_head(nearest_mean, "how"), NORMALISATIONS),
    "fine-tuning": Contender("classifier", fine_tuned, (0.01, 0.03, 0.1)),
    "Baseline++": Contender("cosine classifier", by_head(cosine_head, "rate"), COSINE_RATES),
    "ProtoNet": Contender("ProtoNet", by_head(nearest_mean, "how"), NORMALISATIONS),
    "ProtoNet, 20 ways": Contender("ProtoNet, 20 ways", by_head(nearest_mean, "how"), NORMALISATIONS),
    "fine-tuning, by batch": Contender("classifier", fine_tuned_together, (0.03, 0.1, 0.3)),
    "frozen prototypes, by batch": Contender("classifier", by_head(nearest_mean, "how", together=True), NORMALISATIONS),
    "linear probe, by batch": Contender("classifier", by_head(ridge_head, "ridge", together=True), RIDGES),
    "ProtoNet, by batch": Contender("ProtoNet", by_head(nearest_mean, "how", together=True), NORMALISATIONS),
    "untrained start, by batch": Contender("untrained", by_head(any_head, "which", together=True), tuple(HEADS)),
    "MAML": Contender("MAML", inner_steps(MAML), (1, 5, 20)),
    "ANIL": Contender("ANIL", inner_steps(ANIL), (1, 5, 20)),
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

    def __init__(self, data: LabelledSet, *, seed: int, n_way: int = 5, n_query: int = 5, tasks: int = 2, shots=(1, 5)):
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

    Whoever may be used frozen keeps averages for evaluation; an inner loop normalises by the batch at hand. Those of an
    untrained network come from :func:`course.meta_learning.embedding.settle_averages`.

    Args:
        training: a key of :data:`TRAININGS`, or ``"untrained"``.
        classes: scores of the head; a prototypical network has none.
    """
    generator = runtime.generator(seed)
    if training.startswith("ProtoNet"):
        return conv4_encoder(filters=filters, generator=generator)
    network = Conv4(classes, filters=filters, averages=training not in EPISODIC, generator=generator)
    if training == "cosine classifier":
        network.head = CosineHead(network.head.in_features, classes, generator=generator)
    return network


def train_classifier(
    network: nn.Module, data: LabelledSet, *, images: int, rate: float, seed: int, **options
) -> History:
    """Ordinary classification of all classes at once."""
    return pretrain(network, data, steps=images // BATCH, batch_size=BATCH, lr=rate, seed=seed, **options)


def train_prototypes(
    network: nn.Module,
    data: LabelledSet,
    *,
    images: int,
    rate: float,
    seed: int,
    ways: int = 5,
    tasks: int = 2,
    **options,
) -> History:
    """Episodes for the vectors of an encoder; of fewer classes than ``ways`` all are in every task."""
    episodes = Shots(data, seed=seed, n_way=min(ways, len(data.classes)), tasks=tasks)
    learner = PrototypicalNetwork(network, PrototypicalConfig(outer_lr=rate))
    return learner.train(episodes, steps=episodes.steps(images), **options)


def by_inner_loop(learner: Callable[..., MetaLearner]) -> Callable[..., History]:
    """Episodes for a learner whose inner loop is differentiated through."""

    def train(network: nn.Module, data: LabelledSet, *, images: int, rate: float, seed: int, **options) -> History:
        episodes, config = Shots(data, seed=seed), MAMLConfig(inner_lr=INNER_RATE, inner_steps=1, outer_lr=rate)
        return learner(network, config).train(episodes, steps=episodes.steps(images), **options)

    return train


TRAININGS = {
    "classifier": train_classifier,
    "cosine classifier": train_classifier,
    "ProtoNet": train_prototypes,
    "ProtoNet, 20 ways": partial(train_prototypes, ways=20, tasks=1),
    "MAML": by_inner_loop(MAML),
    "ANIL": by_inner_loop(ANIL),
}
EPISODIC = ("MAML", "ANIL")  # their head has as many classes as a task
