r"""Maps between pictures and the descriptions of classes, so that a class needs no picture: only a text.

All of them take training pictures, each with the vector of its class's description, and return a map for either side.
Beside the maps of :mod:`course.crossmodal.frozen_pairs` stand ridge regression in the other direction and a method
without any map, which borrows the descriptions of the most similar training pictures.

Sources: Shigeto et al., *Ridge regression, hubness, and zero-shot learning* (2015); Norouzi et al., *Zero-shot learning
by convex combination of semantic embeddings* (2014).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.crossmodal.dual_encoder import Centred
from course.crossmodal.frozen_pairs import Map, Maps, ridge_maps
from course.data.sets import described


def similarity(maps: Maps, pictures: Tensor, texts: Tensor) -> Tensor:
    r"""The cosine of every picture with every class in the space where the two maps meet: :eq:`zeroshot-answer`.

    .. math:: s_{ic}=\frac{f(x_i)^\top g(t_c)}{\|f(x_i)\|\,\|g(t_c)\|}

    Args:
        maps: f and g, to vectors of one length.
        pictures, texts: ``[n, p]`` and ``[C, q]``.

    Returns:
        ``[n, C]``; the answer is the largest of a row.
    """
    return F.normalize(maps[0](pictures), dim=1) @ F.normalize(maps[1](texts), dim=1).T


def text_to_picture_ridge(x: Tensor, y: Tensor, penalty: float) -> Maps:
    r"""Predict a *picture's* vector from the description, and compare among pictures: :eq:`zeroshot-back`.

    .. math:: B=(Y^\top Y+n\lambda I)^{-1}Y^\top X

    Args:
        x, y: training pictures ``[n, p]`` and the descriptions of their classes ``[n, q]``; centred and scaled here.
        penalty: :math:`\lambda`, relative to a mean squared length of 1.
    """
    of_texts, of_pictures = ridge_maps(y, x, penalty)
    return of_pictures, of_texts


def neighbour_maps(x: Tensor, y: Tensor, neighbours: int, temperature: float) -> Maps:
    r"""The description of a picture is mixed from those of its most similar training pictures: :eq:`zeroshot-conse`.

    .. math:: f(x)=\sum_{i\in N(x)}w_i\,(y_i-\bar y),\qquad w=\mathrm{softmax}_{i\in N(x)}\frac{\cos(x,x_i)}\tau

    Args:
        x, y: training pictures ``[n, p]`` and the descriptions of their classes ``[n, q]``.
        neighbours: how many of them, or all that there are.
        temperature: :math:`\tau`.
    """
    require_whole("neighbours", neighbours)
    from_x, from_y = Centred(x), Centred(y)
    known, said = F.normalize(from_x(x), dim=1), from_y(y)

    def mixed(new: Tensor) -> Tensor:
        near = (F.normalize(from_x(new), dim=1) @ known.T).topk(min(neighbours, len(known)), dim=1)
        return torch.einsum("nk,nkd->nd", (near.values / temperature).softmax(1), said[near.indices])

    return mixed, from_y


def affine(of: Map, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    r"""The matrix ``[width, d]`` and the shift ``[d]`` of a map that is :math:`x\mapsto xW+b`, found by asking it.

    Args:
        of: the map.
        width: length of the vectors that it takes.
        like: a tensor whose dtype and device the questions have.

    Raises:
        ValueError: if the map is not affine.

    Example:
        >>> weights, shift = affine(lambda x: 3 * x + 1, 2, torch.zeros(()))
        >>> weights.tolist(), shift.tolist()
        ([[3.0, 0.0], [0.0, 3.0]], [1.0, 1.0])
    """
    shift = of(like.new_zeros(1, width))[0]
    weights = of(torch.eye(width, dtype=like.dtype, device=like.device)) - shift
    probe = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)[None]
    found, expected = probe @ weights + shift, of(probe)
    if not (found - expected).abs().max() <= 1e-3 * (1 + expected.abs().max()):
        raise ValueError("the map is not affine, so it is no matrix and shift")
    return weights, shift


def averaged(vectors: Tensor, owner: Sequence[int], count: int) -> Tensor:
    r"""One vector for each class from several descriptions, the mean of the unit vectors: :eq:`zeroshot-ensemble`.

    Args:
        vectors: of all descriptions, ``[m, q]``.
        owner: which class each describes, from 0 to ``count`` - 1.
        count: classes, C.

    Returns:
        ``[C, q]``.

    Raises:
        ValueError: if a class has no description.

    Example:
        >>> averaged(torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, 1.0]]), [0, 0, 1], 2).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """
    if len(owner) != len(vectors):
        raise ValueError(f"each description needs the number of its class, got {described(vectors)} and {len(owner)}")
    rows = torch.as_tensor(owner, device=vectors.device)
    counts = torch.bincount(rows, minlength=count)
    if len(counts) > count or (counts == 0).any():
        raise ValueError(f"classes are 0 to {count - 1}, each with a description; counted {counts.tolist()}")
    sums = vectors.new_zeros(count, vectors.shape[1]).index_add_(0, rows, F.normalize(vectors, dim=1))
    return sums / counts[:, None]
