r"""A language is a task: episodes whose support and query sets are in one language, and what is learned from them.

Two meta-learners on vectors that stay as they are: a linear *metric* in which class means are compared, and a *starting
head* from which a few gradient steps lead to that of a new language. In every language class number 0 means the same.
So the head can know the answer before it has seen the support set, and need not learn to learn.

Sources: Snell, Swersky and Zemel (2017); Finn, Abbeel and Levine (2017); Yin et al., *Meta-learning without
memorization* (2020); Nooralahzadeh et al., *Zero-shot cross-lingual transfer with meta learning* (2020).
"""

import numpy as np
import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.data import DataError, Episode
from course.meta_learning.maml import MAML, MAMLConfig
from course.meta_learning.prototypical import PrototypicalConfig, PrototypicalNetwork
from course.runtime import step_generator

SHOTS, QUERIES, TASKS = 5, 5, 4  # of a training episode
INNER_STEPS = 5


class LanguageEpisodes:
    """Endless episodes by number: each task draws a language, then examples of every class in it.

    Args:
        x, y, language: vectors ``[n, d]``, class numbers and numbers of languages ``int64 [n]``.
        n_way: number of classes; all of them are in every task.
        k_shot, n_query: support and query examples of a class.
        tasks: tasks of an episode.
        shuffled: draw the numbers of the classes anew for each task. Else class c has the number c in every task.
        seed: of the sequence.

    Raises:
        DataError: if no language has enough examples of every class; languages with too few are left out.

    Example:
        >>> y, language = torch.arange(2).repeat(8), torch.arange(2).repeat_interleave(8)
        >>> sampler = LanguageEpisodes(language[:, None].float(), y, language, 2, k_shot=1, n_query=2, tasks=3)
        >>> episode = sampler[0]
        >>> bool((episode.query_x == episode.support_x[:, :1]).all())  # a task has one language
        True
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        language: Tensor,
        n_way: int,
        *,
        k_shot: int = SHOTS,
        n_query: int = QUERIES,
        tasks: int = TASKS,
        shuffled: bool = False,
        seed: int = 0,
    ):
        for name, value in {"k_shot": k_shot, "n_query": n_query, "tasks": tasks}.items():
            require_whole(name, value)
        self.x, self.n_way, self.k_shot, self.tasks = x, n_way, k_shot, tasks
        self.shuffled, self.seed, self.count = shuffled, seed, k_shot + n_query
        labels, spoken = y.cpu().numpy(), language.cpu().numpy()
        members = [
            [np.flatnonzero((spoken == each) & (labels == c)) for c in range(n_way)] for each in np.unique(spoken)
        ]
        self.members = [of_class for of_class in members if min(map(len, of_class)) >= self.count]
        if not self.members:
            raise DataError(
                f"no language has {self.count} examples of each of {n_way} classes: lower k_shot or n_query"
            )

    def __getitem__(self, number: int) -> Episode:
        random = step_generator(self.seed, number)
        rows, numbers = [], []
        for _ in range(self.tasks):
            own = self.members[random.integers(len(self.members))]
            rows.append([random.choice(of_class, self.count, replace=False) for of_class in own])
            numbers.append(random.permutation(self.n_way) if self.shuffled else np.arange(self.n_way))
        chosen = torch.from_numpy(np.array(rows)).to(self.x.device)  # [T, N, count]
        label = torch.from_numpy(np.array(numbers)).to(self.x.device)[..., None].expand_as(chosen)
        x, k = self.x[chosen], self.k_shot
        support, query = x[:, :, :k].flatten(1, 2), x[:, :, k:].flatten(1, 2)
        return Episode(support, label[..., :k].flatten(1), query, label[..., k:].flatten(1))


def principal_directions(x: Tensor, dimension: int) -> Tensor:
    """The directions in which vectors ``[n, d]`` vary most, ``[dimension, d]``: where a metric begins."""
    return torch.linalg.eigh(torch.cov(x.T)).eigenvectors[:, -dimension:].T.contiguous()


def train_metric(
    x: Tensor, sampler: LanguageEpisodes, *, rate: float, scale: float, steps: int, dimension: int = 64
) -> PrototypicalNetwork:
    r"""A linear map A for prototypes, trained on episodes: :eq:`crosslingual-metric`.

    .. math:: p(c \mid x) \propto \exp(-\lVert Ax - Am_c\rVert^2)

    It begins with the principal directions, so with ``steps=0`` it is a prototypical classifier that nobody trained.

    Args:
        x: training vectors ``[n, d]``.
        sampler: of episodes of them.
        rate, steps: of Adam.
        scale: what the principal directions are multiplied by, which is how sure the softmax is at first.
        dimension: rows of A, at most d.
    """
    dimension = min(dimension, x.shape[1])
    metric = nn.Linear(x.shape[1], dimension, bias=False).to(x.device)
    metric.weight.data.copy_(scale * principal_directions(x, dimension))
    learner = PrototypicalNetwork(metric, PrototypicalConfig(outer_lr=rate))
    if steps:
        learner.train(sampler, steps=steps)
    return learner


def train_starting_head(sampler: LanguageEpisodes, *, inner_rate: float, rate: float, steps: int) -> MAML:
    """A linear head by MAML, from zeros: a few steps on the support set of a new language shall make it good.

    With 0 steps it is what it brought along, and the difference is what the support set was worth
    (:func:`course.meta_learning.memorisation.memory`).

    Args:
        sampler: of episodes of vectors.
        inner_rate: of the steps on the support set.
        rate, steps: of Adam.
    """
    head = nn.Linear(sampler.x.shape[1], sampler.n_way).to(sampler.x.device)
    for parameter in head.parameters():
        parameter.data.zero_()
    config = MAMLConfig(
        inner_lr=inner_rate, inner_steps=INNER_STEPS, test_steps=INNER_STEPS, outer_lr=rate, meta_batch=sampler.tasks
    )
    learner = MAML(head, config)
    learner.train(sampler, steps=steps)
    return learner
