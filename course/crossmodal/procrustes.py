r"""Orthogonal Procrustes: the rotation that brings one set of points nearest to another.

It keeps all lengths and angles, so that what is near in one space stays near in the other. This is all that two
trainings of one model, or two languages, may need to meet.

Source: Schönemann, *A generalized solution of the orthogonal Procrustes problem* (1966); Xing et al., *Normalized word
embedding and orthogonal transform for bilingual word translation* (2015).
"""

import torch
from torch import Tensor


def procrustes(x: Tensor, y: Tensor) -> Tensor:
    r"""The orthogonal Q that minimises :math:`\lVert XQ - Y \rVert_F`: :eq:`w2v-procrustes`.

    .. math::
        X^\top Y = U \Sigma V^\top, \qquad Q = U V^\top

    Args:
        x, y: ``[n, d]``; row i of both should coincide. Reflections are allowed.

    Returns:
        Q, ``[d, d]``.

    Raises:
        ValueError: if the shapes differ, or a number is not finite.
    """
    if x.dim() != 2 or x.shape != y.shape:
        raise ValueError(f"expected two matrices of one shape, got {list(x.shape)} and {list(y.shape)}")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("the points contain NaN or infinite values: remove them")
    u, _, vt = torch.linalg.svd(x.T @ y)
    return u @ vt
