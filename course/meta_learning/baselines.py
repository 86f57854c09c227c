r"""What a meta-learner has to beat: nearest neighbour, and a network that was pretrained without episodes.

Each competitor is a function from an episode to predictions, which
:func:`course.meta_learning.evaluation.evaluate` scores on the same tasks as any meta-learner.

Source: Chen et al., *A closer look at few-shot classification* (2019); Tian et al., *Rethinking few-shot image
classification* (2020).
"""

import copy
from collections.abc import Callable, Iterable
from functools import partial
from math import isfinite

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Batches, Episode, LabelledSet
from course.history import History
from course.meta_learning.adaptation import Loss
from course.meta_learning.evaluation import Predict, evaluate
from course.meta_learning.ways import adapted_predictions
from course.training import fit


@torch.no_grad()
def nearest_neighbour(episode: Episode, embed: Callable[[Tensor], Tensor]) -> Tensor:
    r"""Score a class by the one of its support examples that is most similar to the query, by cosine.

    .. math:: s_c(x') = \max_{i:\ y_i = c} \cos\bigl(e(x'), e(x_i)\bigr)

    Args:
        episode: T tasks of N classes.
        embed: the map e from examples ``[n, ...]`` to vectors ``[n, d]``. The support and the query set of a task are
            embedded as one batch, so that a normalisation by the statistics of the batch treats them alike.

    Returns:
        The scores ``[T, queries, N]``, from -1 to 1.
    """
    n_way, scores = int(episode.support_y.max()) + 1, []
    for x, y, query_x in zip(episode.support_x, episode.support_y, episode.query_x, strict=True):
        vectors = F.normalize(embed(torch.cat([x, query_x])), dim=1)
        similarity = vectors[len(x) :] @ vectors[: len(x)].T  # [queries, n]
        scores.append(by_class(similarity, y, n_way).amax(-1))
    return torch.stack(scores)


def by_class(scores: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """Scores ``[m, n]`` of n examples, once for each class: ``[m, N, n]``, where examples of others have -inf."""
    of_others = labels != torch.arange(n_way, device=labels.device)[:, None]  # [N, n]
    return scores[:, None].masked_fill(of_others, -torch.inf)


def pretrain(
    network: nn.Module, data: LabelledSet, *, steps: int, batch_size: int = 64, lr=3e-3, seed: int = 0, **options
) -> History:
    """Train a network to tell all classes of a data set apart, in the ordinary way: no episodes, one large last layer.

    Args:
        network: maps examples ``[n, ...]`` to scores ``[n, len(data.classes)]``; it is trained in place.
        data: the labelled set, on the device of the network.
        steps, batch_size: gradient steps, and examples in each.
        lr: step size of Adam.
        seed: of the order of the examples.
        options: passed to :func:`course.training.fit`; ``optimizer`` replaces Adam.
    """
    batches = Batches(len(data), batch_size, seed=seed, device=data.x.device)

    def closure(step: int) -> Tensor:
        batch = batches[step]
        return F.cross_entropy(network(data.examples(batch)), data.y[batch])

    options.setdefault("optimizer", torch.optim.Adam(network.parameters(), lr=lr))
    return fit(network, closure, steps=steps, **options)


def with_new_head(network: nn.Module, n_way: int, head: str = "head") -> nn.Module:
    """A copy of ``network`` whose last layer is new: zeros, so that it gives ``n_way`` classes the same score.

    Args:
        head: the name of the last layer, an ``nn.Linear``.

    Raises:
        ValueError: if the layer of that name is of another kind.
    """
    network = copy.deepcopy(network)
    layer = network.get_submodule(head)
    if not isinstance(layer, nn.Linear):
        raise ValueError(f"{head!r} is a {type(layer).__name__}: name the last layer of the network, an nn.Linear")
    layer.out_features = n_way
    for name, old in list(layer.named_parameters()):
        setattr(layer, name, nn.Parameter(old.new_zeros(n_way, *old.shape[1:])))
    return network


def fine_tuning(
    network: nn.Module, *, lr: float, steps: int, loss: Loss = F.cross_entropy, tasks: str = "auto"
) -> Predict:
    """The learner that begins every task with the weights of ``network`` and takes gradient steps on the support set.

    The arguments are those of :func:`course.meta_learning.ways.adapted_predictions`.

    Returns:
        A function from an episode to predictions ``[T, queries, ...]``; ``network`` stays as it is.
    """
    start = {name: value.detach() for name, value in network.named_parameters() if value.requires_grad}
    return partial(adapted_predictions, network, start, loss=loss, lr=lr, steps=steps, tasks=tasks)


def best_rate(
    rates: Iterable[float], learner: Callable[[float], Predict], sampler, tasks: int, *, loss: Loss = F.cross_entropy
) -> float:
    """The rate whose learner has the highest accuracy, or the lowest loss, on validation tasks.

    Args:
        rates: the candidates; of equally good ones the first is taken.
        learner: maps a rate to a function from an episode to predictions.
        sampler, tasks, loss: as for :func:`course.meta_learning.evaluation.evaluate`.

    Raises:
        ValueError: if no rate leads to a finite score.
    """
    found = {rate: evaluate(learner(rate), sampler, tasks, loss=loss) for rate in rates}
    scores = {rate: each.mean if each.metric == "accuracy" else -each.mean for rate, each in found.items()}
    finite = [rate for rate, score in scores.items() if isfinite(score)]
    if not finite:
        raise ValueError(f"no rate among {list(scores)} leads to a finite score: try smaller ones")
    return max(finite, key=scores.get)
