r"""What else the vectors of a support set allow: neighbours that vote, ellipses, queries that help, several means.

Each rule maps the vectors of one task to scores (:data:`course.meta_learning.embedding.Rule`), so that all stand on the
same encoder and in the same table: support ``[n, d]``, class numbers ``[n]``, query ``[m, d]``, N to ``[m, N]``.

Sources: Vinyals et al., *Matching networks for one shot learning* (2016); Bateni et al., *Improved few-shot visual
classification* (2020), for the ellipses; Ren et al., *Meta-learning for semi-supervised few-shot classification*
(2018), for means that queries correct; Allen et al., *Infinite mixture prototypes* (2019), for several means a class.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.meta_learning.baselines import by_class
from course.meta_learning.prototypical import class_means, cosine_scores, negative_squared_distances


def by_prototypes(support: Tensor, labels: Tensor, query: Tensor, n_way: int) -> Tensor:
    """The prototypical network's own rule."""
    return negative_squared_distances(query, class_means(support, labels, n_way))


def by_cosine(support: Tensor, labels: Tensor, query: Tensor, n_way: int) -> Tensor:
    """The same means, compared by direction."""
    return cosine_scores(query, class_means(support, labels, n_way))


def by_nearest(support: Tensor, labels: Tensor, query: Tensor, n_way: int) -> Tensor:
    """The nearest support example of each class by squared distance, without any mean.

    With one shot this is :func:`by_prototypes`.
    """
    return by_class(negative_squared_distances(query, support), labels, n_way).amax(-1)


def by_matching(support: Tensor, labels: Tensor, query: Tensor, n_way: int, *, scale: float = 10.0) -> Tensor:
    r"""Matching networks: every support example votes for its class, with a weight by its cosine to the query.

    .. math:: p(y = k \mid x) = \sum_{i:\ y_i = k} a(x, x_i), \qquad a(x, \cdot) = \mathrm{softmax}_i\ s\cos(x, x_i)

    This is :eq:`prototypical-matching`; returned is :math:`\ln p`.
    """
    attention = cosine_scores(query, support, scale).log_softmax(-1)
    return by_class(attention, labels, n_way).logsumexp(-1)


def by_ellipses(support: Tensor, labels: Tensor, query: Tensor, n_way: int, *, floor: float = 1.0) -> Tensor:
    r"""Simple CNAPS: Mahalanobis distances, with a covariance of each class that leans on that of the whole task.

    .. math:: s_k(x) = -\tfrac12 (x - c_k)^\top Q_k^{-1} (x - c_k), \qquad
              Q_k = \lambda_k \Sigma_k + (1 - \lambda_k) \Sigma + \beta I, \qquad \lambda_k = \frac{n_k}{n_k + 1}

    This is :eq:`prototypical-ellipses`, with the covariances :math:`\Sigma_k` of the class and :math:`\Sigma` of all
    support vectors (0 for a single one), and β = ``floor``, which must be positive.
    """
    if not floor > 0:
        raise ValueError(f"floor must be positive, as few vectors have a singular covariance; got {floor!r}")
    eye = torch.eye(support.shape[1], dtype=support.dtype, device=support.device)
    whole, scores = covariance(support), []
    for label in range(n_way):
        own = support[labels == label]
        share = len(own) / (len(own) + 1)
        q = share * covariance(own) + (1 - share) * whole + floor * eye
        away = query - own.mean(0)
        scores.append(-0.5 * (away * torch.linalg.solve(q, away.T).T).sum(1))
    return torch.stack(scores, 1)


def covariance(vectors: Tensor) -> Tensor:
    """The sample covariance ``[d, d]`` of vectors ``[n, d]``; zeros for a single one."""
    away = vectors - vectors.mean(0)
    return away.T @ away / max(len(vectors) - 1, 1)


def rectified(support: Tensor, labels: Tensor, query: Tensor, n_way: int, *, steps: int = 1) -> Tensor:
    r"""Prototypes that the queries correct: each joins every class as far as it seems to belong there.

    .. math:: c_k \leftarrow \frac{\sum_{i:\ y_i = k} x_i + \sum_j p_{jk}\, x'_j}{n_k + \sum_j p_{jk}}, \qquad
              p_j = \mathrm{softmax}_k\bigl(-\|x'_j - c_k\|^2\bigr)

    This is :eq:`prototypical-rectified`. The score of a query now depends on the other queries (*transduction*).
    """
    require_whole("steps", steps, 0)
    members = F.one_hot(labels, n_way).to(support.dtype)  # [n, N]
    means = class_means(support, labels, n_way)
    for _ in range(steps):
        weights = torch.cat([members, negative_squared_distances(query, means).softmax(-1)])  # [n + m, N]
        means = (weights / weights.sum(0)).T @ torch.cat([support, query])
    return negative_squared_distances(query, means)


def by_mixtures(
    support: Tensor, labels: Tensor, query: Tensor, n_way: int, *, modes: int = 2, steps: int = 10
) -> Tensor:
    r"""Several means for each class, found by k-means within it.

    .. math:: s_k(x) = \ln \sum_{j=1}^{J} \pi_{kj} \exp\bigl(-\|x - c_{kj}\|^2\bigr)

    This is :eq:`prototypical-mixture`: the joint density of class k as a mixture of Gaussians, each with the weight
    :math:`\pi_{kj}` of its share of the class's examples. ``modes=1`` is :func:`by_prototypes`. A class with fewer
    examples than modes has one mean for each.
    """
    require_whole("modes", modes)
    scores = []
    for label in range(n_way):
        own = support[labels == label]
        centres, shares = clusters(own, min(modes, len(own)), steps)
        scores.append((negative_squared_distances(query, centres) + shares.log()).logsumexp(-1))
    return torch.stack(scores, -1)


def clusters(x: Tensor, count: int, steps: int = 10) -> tuple[Tensor, Tensor]:
    """k-means, without chance: the first centres are the point farthest from the mean and, in turn, from all centres.

    Returns the centres ``[count, d]`` and the share of the points of each, ``[count]``.
    """
    chosen = [negative_squared_distances(x, x.mean(0, keepdim=True))[:, 0].argmin()]
    while len(chosen) < count:
        nearest = negative_squared_distances(x, x[torch.stack(chosen)]).amax(1)
        nearest[torch.stack(chosen)] = torch.inf  # two equal points are not chosen twice before the others
        chosen.append(nearest.argmin())
    centres = x[torch.stack(chosen)]
    for _ in range(steps):
        members = F.one_hot(negative_squared_distances(x, centres).argmax(1), count).to(x.dtype)
        sizes = members.sum(0)
        means = members.T @ x / sizes.clamp(min=1)[:, None]
        centres = torch.where(sizes[:, None] > 0, means, centres)
    members = F.one_hot(negative_squared_distances(x, centres).argmax(1), count).to(x.dtype)
    return centres, members.mean(0)


def with_prior(support: Tensor, labels: Tensor, side: Tensor, weight: float) -> Tensor:
    r"""Prototypes from examples and from side information, such as the vector of a class's name.

    .. math:: c_k = \frac{\kappa\, g_k + \sum_{i:\ y_i = k} x_i}{\kappa + n_k}

    This is :eq:`prototypical-prior`: the mean of the posterior when :math:`g_k` is the mean of a Gaussian prior that
    counts as much as κ examples. A class without examples has the prototype :math:`g_k`: zero-shot.

    Args:
        support, labels: ``[n, d]`` and ``[n]``, from 0 to N - 1; n may be 0.
        side: one vector for each class, ``[N, d]``.
        weight: κ, positive.
    """
    if not weight > 0:
        raise ValueError(f"weight counts examples and must be positive, got {weight!r}")
    members = F.one_hot(labels, len(side)).to(side.dtype)
    return (weight * side + members.T @ support) / (weight + members.sum(0))[:, None]
