r"""A prototypical network maps a class to the mean of the vectors of its examples, and a query to the nearest mean.

Learning a new task is one matrix product, without a gradient step: what is trained is the encoder alone, so that the
means of a few examples tell classes apart that it has never seen.

Source: Snell, Swersky and Zemel, *Prototypical networks for few-shot learning* (2017).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from course.arguments import require_whole
from course.data import Episode
from course.data.sets import described
from course.meta_learning.adaptation import Loss
from course.meta_learning.learner import MetaLearner
from course.meta_learning.ways import require_episode
from course.representation.cnn import Conv4
from course.training import modes_kept

Scores = Callable[[Tensor, Tensor], Tensor]  # queries [..., m, d] and prototypes [..., N, d] to scores [..., m, N]


@dataclass(frozen=True)
class PrototypicalConfig:
    """Settings of a prototypical network and of its training run; :meth:`quick` and :meth:`full` are two that work.

    Attributes:
        n_way, k_shot, n_query: classes, support and query examples of a *training* task; a test task may differ.
        outer_lr: step size of Adam.
        iterations: outer steps.
        filters: filters of each convolution of :func:`conv4_encoder`, the length of a vector of a 28 × 28 image.

    Raises:
        ValueError: if the rate is not positive, or a size is not a whole number in range.

    Example:
        >>> PrototypicalConfig.full().n_way, PrototypicalConfig(k_shot=5).k_shot
        (60, 5)
    """

    n_way: int = 60
    k_shot: int = 1
    n_query: int = 5
    outer_lr: float = 1e-3
    iterations: int = 10_000
    filters: int = 64

    def __post_init__(self):
        if not 0 < self.outer_lr < float("inf"):
            raise ValueError(f"outer_lr is a step size and must be positive and finite, got {self.outer_lr!r}")
        for name, least in {"n_way": 2, "k_shot": 1, "n_query": 1, "iterations": 1, "filters": 1}.items():
            require_whole(name, getattr(self, name), least)

    @classmethod
    def quick(cls) -> "PrototypicalConfig":
        """Ten seconds on a laptop's CPU: fewer filters and ways, a larger rate."""
        return cls(n_way=20, outer_lr=3e-3, iterations=150, filters=32)

    @classmethod
    def full(cls) -> "PrototypicalConfig":
        """The paper's setting for Omniglot: 60-way 1-shot episodes with 5 queries of each class."""
        return cls()


def conv4_encoder(
    channels: int = 1, filters: int = 64, size: int = 28, *, generator: torch.Generator | None = None
) -> Conv4:
    """The paper's encoder: a :class:`~course.representation.cnn.Conv4` that keeps averages and has no head.

    Images ``[n, channels, size, size]`` become vectors ``[n, filters * (size // 16) ** 2]``. The arguments are those of
    ``Conv4``.
    """
    network = Conv4(1, channels, filters, size, averages=True, generator=generator)
    network.head = nn.Identity()
    return network


def class_means(vectors: Tensor, labels: Tensor, n_way: int) -> Tensor:
    r"""The prototypes of all tasks by one matrix product, with a matrix that averages.

    .. math:: c_k = \frac1{|S_k|} \sum_{i:\ y_i = k} e(x_i)

    This is :eq:`prototypical-mean`.

    Args:
        vectors: the support vectors, ``[..., n, d]``.
        labels: their class numbers, ``[..., n]``, from 0 to ``n_way - 1``, in any order; a class may have any number of
            examples but 0, which is not checked here (:func:`require_classes` does).
        n_way: the number of classes N.

    Returns:
        ``[..., N, d]``, in float32 where the vectors have a shorter type.
    """
    vectors = at_least_float32(vectors)
    members = F.one_hot(labels, n_way).to(vectors.dtype)  # [..., n, N]
    return (members / members.sum(-2, keepdim=True)).mT @ vectors


def negative_squared_distances(x: Tensor, prototypes: Tensor) -> Tensor:
    r"""The score of each query for each class, by one matrix product instead of all differences.

    .. math:: -\|x - c\|^2 = 2\, x^\top c - \|c\|^2 - \|x\|^2

    This is what :eq:`prototypical-softmax` takes. A common shift changes no distance, so the prototypes are centred
    first: without it, vectors far from the origin would lose in rounding what they differ by.

    Args:
        x: vectors ``[..., m, d]``.
        prototypes: ``[..., N, d]``.

    Returns:
        ``[..., m, N]``, at most 0; in float32 where the vectors have a shorter type, also under autocast.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, prototypes = at_least_float32(x), at_least_float32(prototypes)
        centre = prototypes.detach().mean(-2, keepdim=True)  # the result does not depend on it, nor its derivative
        x, prototypes = x - centre, prototypes - centre
        lengths = x.square().sum(-1, keepdim=True) + prototypes.square().sum(-1).unsqueeze(-2)
        return (2 * x @ prototypes.mT - lengths).clamp_max(0)


def cosine_scores(x: Tensor, prototypes: Tensor, scale: float = 10.0) -> Tensor:
    """``scale`` times the cosine of each query ``[..., m, d]`` with each prototype ``[..., N, d]``: ``[..., m, N]``."""
    return scale * F.normalize(x, dim=-1) @ F.normalize(prototypes, dim=-1).mT


def linear_classifier(prototypes: Tensor) -> tuple[Tensor, Tensor]:
    r"""Weights ``[..., N, d]`` and biases ``[..., N]`` of the linear layer that a set of prototypes *is*.

    .. math:: W_k = 2 c_k, \qquad b_k = -\|c_k\|^2

    This is :eq:`prototypical-linear`. Its scores differ from the negative squared distances by :math:`\|x\|^2`, the
    same for all classes, which leaves the softmax as it is.

    Example:
        >>> weight, bias = linear_classifier(torch.tensor([[1.0, 2.0], [2.0, 0.0]]))
        >>> weight.tolist(), bias.tolist()
        ([[2.0, 4.0], [4.0, 0.0]], [-5.0, -4.0])
    """
    return 2 * prototypes, -prototypes.square().sum(-1)


def prototypical_loss(
    support: Tensor,
    support_y: Tensor,
    query: Tensor,
    query_y: Tensor,
    n_way: int,
    *,
    scores: Scores = negative_squared_distances,
    loss: Loss = F.cross_entropy,
) -> Tensor:
    r"""The loss of T tasks, a scalar: the mean over all queries of the surprise at their class.

    .. math:: J = -\frac1{|Q|} \sum_{(x, y) \in Q} \ln \frac{\exp(-\|e(x) - c_y\|^2)}{\sum_k \exp(-\|e(x) - c_k\|^2)}

    This is :eq:`prototypical-loss`.

    Args:
        support, support_y: vectors ``[..., n, d]`` and class numbers ``[..., n]``, see :func:`class_means`.
        query, query_y: vectors ``[..., m, d]`` and class numbers ``[..., m]``.
        n_way: the number of classes.
        scores: how near a query is to a prototype.
        loss: maps scores ``[queries, N]`` and class numbers ``[queries]`` to a mean.
    """
    found = scores(query, class_means(support, support_y, n_way))
    return loss(found.flatten(0, -2), query_y.flatten())


class PrototypicalNetwork(MetaLearner):
    """Learn an encoder; a new task is learned by taking the means of its classes.

    The tasks of an episode pass the encoder as one batch, so that a batch normalisation in training mode sees support
    and query sets of all of them. To use what was learned, :meth:`adapt` and :meth:`predictions` put the encoder into
    evaluation mode meanwhile: the prediction for one query depends on the support set and on nothing else.

    Args:
        model: the encoder, from examples ``[n, ...]`` of any modality to vectors ``[n, d]``.
        config: :class:`PrototypicalConfig`, or anything with ``iterations`` and ``outer_lr``.
        scores: how near a query is to a prototype, :func:`negative_squared_distances` or :func:`cosine_scores`.
        loss: maps scores and class numbers to a mean.

    Raises:
        ValueError: if a batch normalisation of the encoder keeps no averages.

    Example:
        >>> network = PrototypicalNetwork(nn.Linear(4, 2), PrototypicalConfig.quick())
        >>> classify = network.adapt(torch.rand(6, 4), torch.tensor([0, 0, 0, 1, 2, 2]))  # 3, 1 and 2 shots
        >>> classify(torch.rand(5, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self, model: nn.Module, config, *, scores: Scores = negative_squared_distances, loss: Loss = F.cross_entropy
    ):
        super().__init__(model, config, loss=loss)
        self.scores = scores
        for name, layer in model.named_modules():
            if isinstance(layer, _BatchNorm) and not layer.track_running_stats:
                raise ValueError(
                    f"layer {name!r} ({type(layer).__name__}) keeps no running averages, so that a prediction would "
                    "depend on the other queries: build the encoder with track_running_stats=True (averages=True in "
                    "the networks of the course)"
                )

    def adapt(self, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The classifier by the prototypes of one support set, from examples ``[m, ...]`` to scores ``[m, N]``.

        Args:
            x, y: examples ``[n, ...]`` and class numbers ``[n]`` from 0 to N - 1, each with one example or more.

        Raises:
            ValueError: if a class is empty, there is only one, or a vector is not finite.
        """
        means = class_means(self.embed(x), y, require_classes(y))
        return lambda new_x: self.scores(self.embed(new_x), means)

    def embed(self, x: Tensor) -> Tensor:
        """The vectors ``[n, d]`` of examples ``[n, ...]`` in evaluation mode.

        Raises:
            ValueError: if the encoder returns something else, or a vector that is not finite.
        """
        with modes_kept(self.model):
            self.model.eval()
            vectors = self.model(x)
        require_vectors(vectors, len(x))
        if not vectors.isfinite().all():
            rows = (~vectors.isfinite().all(1)).nonzero().flatten().tolist()
            raise ValueError(
                f"the vectors of {len(rows)} of {len(x)} examples are not finite, the first is number {rows[0]}: "
                "look for NaN or huge values in the examples, or for a training that diverged"
            )
        return vectors

    def episode_loss(self, episode: Episode) -> Tensor:
        """The loss of an outer step, :func:`prototypical_loss` of the whole episode with the encoder in its mode.

        This is :eq:`prototypical-objective`, an unbiased estimate for independent tasks.
        """
        require_episode(episode)
        n_way = require_classes(episode.support_y, episode.query_y)
        examples = torch.cat([episode.support_x.flatten(0, 1), episode.query_x.flatten(0, 1)])
        vectors = self.model(examples)
        require_vectors(vectors, len(examples))
        support, query = per_task(vectors, episode)
        return prototypical_loss(
            support, episode.support_y, query, episode.query_y, n_way, scores=self.scores, loss=self.loss
        )

    @torch.no_grad()
    def predictions(self, episode: Episode) -> Tensor:
        """The scores ``[T, queries, N]`` of all tasks at once: those of :meth:`adapt`, task by task."""
        require_episode(episode)
        n_way = require_classes(episode.support_y)
        vectors = self.embed(torch.cat([episode.support_x.flatten(0, 1), episode.query_x.flatten(0, 1)]))
        support, query = per_task(vectors, episode)
        return self.scores(query, class_means(support, episode.support_y, n_way))


def per_task(vectors: Tensor, episode: Episode) -> tuple[Tensor, Tensor]:
    """Support ``[T, n, d]`` and query vectors ``[T, m, d]`` from the rows of all supports, then of all queries."""
    split = episode.support_y.numel()
    return vectors[:split].unflatten(0, episode.support_y.shape), vectors[split:].unflatten(0, episode.query_y.shape)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32: the differences of distances are too fine for it."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def require_classes(support_y: Tensor, query_y: Tensor | None = None) -> int:
    """The number of classes N of labels ``[..., n]``, which every task must have from 0 to N - 1.

    On an accelerator this waits for the labels, once.

    Raises:
        ValueError: if labels are no whole numbers or negative, if there are fewer than two classes, if a class has no
            support example in some task, or if a query belongs to none.
    """
    queries = support_y if query_y is None else query_y
    for each in (support_y, queries):
        if each.dtype != torch.int64 or not each.numel():
            raise ValueError(f"class numbers must be int64, one or more of them, got {described(each)}")
    lowest, highest, least, most = torch.stack([*support_y.aminmax(), *queries.aminmax()]).tolist()
    n_way = highest + 1
    if lowest < 0 or n_way < 2:
        raise ValueError(f"a task needs two classes or more, numbered from 0 on; got labels {lowest} to {highest}")
    counts = F.one_hot(support_y, n_way).sum(-2).flatten(0, -2) if support_y.dim() > 1 else support_y.bincount()[None]
    if not counts.all():
        task, label = (counts == 0).nonzero()[0].tolist()
        raise ValueError(
            f"class {label} of task {task} has no support example, so it has no mean: "
            f"number the classes from 0 to {n_way - 1} without a gap, and give each an example"
        )
    if least < 0 or most > highest:
        raise ValueError(f"queries have labels from {least} to {most}, the support set has classes 0 to {highest}")
    return n_way


def require_vectors(vectors: Tensor, n: int) -> None:
    """Raise ValueError unless an encoder returned ``[n, d]`` of floating point numbers."""
    if vectors.shape[:1] != (n,) or vectors.dim() != 2 or not vectors.is_floating_point():
        raise ValueError(
            f"the encoder must map {n} examples to vectors [{n}, d], got {described(vectors)}: end it with nn.Flatten()"
        )
