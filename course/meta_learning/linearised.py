r"""A network near its start is a linear model of its weights, and what it learns there is a kernel regression.

.. math:: f_{\text{lin}}(x; \delta) = f(x; \theta_0) + J(x)\,\delta, \qquad \delta = \theta - \theta_0

The kernel of this model, :math:`K(x, x') = J(x) J(x')^\top`, is the neural tangent kernel at the start. So the question
why a start transfers to a task becomes one about a matrix: do its large directions agree with the labels?

Sources: Jacot, Gabriel and Hongler, *Neural tangent kernel* (2018); Lee et al., *Wide neural networks of any depth
evolve as linear models under gradient descent* (2019); Cristianini et al., *On kernel-target alignment* (2001).
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from course.arguments import require_whole
from course.meta_learning.adaptation import Params


def linearised(model: nn.Module, params: Params, shift: Params, x: Tensor) -> Tensor:
    """The predictions of the first-order model, by one forward-mode product (:eq:`transfer-linearised`).

    Args:
        model: a module without state of its own, such as one in evaluation mode.
        params: the start θ₀, by name.
        shift: δ, by the same names.
        x: examples ``[n, ...]``.

    Returns:
        ``[n, ...]``, what ``model`` would return if it were linear in its weights.

    Raises:
        ValueError: if ``shift`` has other names than ``params``.
    """
    if shift.keys() != params.keys():
        raise ValueError(f"shift names {sorted(shift)}, params {sorted(params)}: give a shift for each, zeros included")

    def outputs(weights: Params) -> Tensor:
        return functional_call(model, weights, (x,))

    start, change = jvp(outputs, (params,), (shift,))
    return start + change


def tangent_kernel(model: nn.Module, params: Params, x: Tensor, other: Tensor) -> Tensor:
    r"""The neural tangent kernel between two lists of examples, ``[n, C, m, C]`` (:eq:`transfer-ntk`).

    .. math:: K_{ic,jd} = \sum_p \frac{\partial f_c(x_i)}{\partial\theta_p}\,\frac{\partial f_d(x'_j)}{\partial\theta_p}

    Args:
        model, params: as for :func:`linearised`; only the parameters that ``params`` names count.
        x, other: examples ``[n, ...]`` and ``[m, ...]``; each is sent through the model alone.
    """

    def jacobian(examples: Tensor) -> Params:
        def outputs(weights: Params, one: Tensor) -> Tensor:
            return functional_call(model, weights, (one[None],))[0]

        return vmap(jacrev(outputs), (None, 0))(params, examples)  # each [n, C, *parameter]

    pairs = zip(jacobian(x).values(), jacobian(other).values(), strict=True)
    return sum(torch.einsum("icp,jdp->icjd", a.flatten(2), b.flatten(2)) for a, b in pairs)


def kernel_descent(kernel: Tensor, cross: Tensor, residual: Tensor, *, rate: float, steps: int) -> Tensor:
    r"""What gradient descent on a squared loss adds to the predictions of a linear model, without doing a step.

    .. math:: f_k(x') - f_0(x') = K(x', X)\, K^{-1} \bigl(I - (I - \eta K)^k\bigr)\,(Y - f_0(X))

    This is :eq:`transfer-descent`, in the eigenvectors of K, so that K need not be invertible. The loss is
    :math:`\frac12 \lVert f(X) - Y \rVert^2`, a sum over examples and outputs.

    Args:
        kernel: K(X, X), symmetric, ``[n, n]``.
        cross: K(x', X), ``[m, n]``.
        residual: Y - f₀(X), ``[n]`` or ``[n, c]``.
        rate, steps: η and k.

    Returns:
        ``[m]`` or ``[m, c]``.

    Raises:
        ValueError: if the rate is so large that the descent would diverge: it must be below 2 over the largest
            eigenvalue.
    """
    require_whole("steps", steps, 0)
    values, vectors = torch.linalg.eigh(kernel)
    largest = values[-1].item()
    if not 0 < rate * largest < 2:
        raise ValueError(f"rate {rate} times the largest eigenvalue {largest:.4g} must lie between 0 and 2")
    values = values.clamp_min(0)
    tiny = values <= torch.finfo(values.dtype).eps * len(values) * largest
    factor = torch.where(tiny, rate * steps, (1 - (1 - rate * values) ** steps) / values.where(~tiny, 1))
    return cross @ (vectors @ (factor.view(-1, *[1] * (residual.dim() - 1)) * (vectors.T @ residual)))


def alignment(kernel: Tensor, labels: Tensor) -> float:
    r"""How well a kernel agrees with the labels, from -1 to 1 (:eq:`transfer-alignment`).

    .. math:: A = \frac{\langle \tilde K, \tilde Y \tilde Y^\top \rangle}{\lVert \tilde K \rVert\,
        \lVert \tilde Y \tilde Y^\top \rVert}

    Both matrices are centred. 1 means that two examples are alike exactly if their labels are.

    Args:
        kernel: ``[n, n]``, one number for two examples, such as the mean over the outputs of
            :func:`tangent_kernel`.
        labels: class numbers ``[n]``.
    """
    same = (labels[:, None] == labels).to(kernel.dtype)
    k, y = (each - each.mean(0) - each.mean(1, keepdim=True) + each.mean() for each in (kernel, same))
    return ((k * y).sum() / (k.norm() * y.norm())).item()
