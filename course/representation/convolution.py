r"""A convolution looks at every window of an image with one small set of weights.

Here it stands three times: entry by entry as it is defined, as one product of matrices (im2col), and as a product of
Fourier transforms. All three give the same numbers. Its gradients, which are convolutions again, follow.

Sources: LeCun et al., *Gradient-based learning applied to document recognition* (1998); Dumoulin and Visin, *A guide
to convolution arithmetic for deep learning* (2016); Mathieu, Henaff and LeCun, *Fast training of convolutional
networks through FFTs* (2014).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole

Pair = int | tuple[int, int]  # of the height and the width; one number stands for both


def output_size(size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    r"""How often a kernel fits along one side of an image: :eq:`cnn-output-size`.

    .. math:: o = \Bigl\lfloor\frac{n + 2p - d(k - 1) - 1}{s}\Bigr\rfloor + 1

    Args:
        size, kernel: n and k, in pixels.
        stride: s, from one window to the next.
        padding: p, zeros put on at either end.
        dilation: d, from one weight to the next; the kernel spans d (k - 1) + 1 pixels.

    Raises:
        ValueError: if the kernel spans more than the padded image.

    Example:
        >>> output_size(28, 3, stride=2, padding=1), output_size(28, 3, dilation=2)
        (14, 24)
    """
    least = {"size": 0, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1}
    given = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    for name, value in given.items():
        require_whole(name, value, least[name])
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    if free < 0:
        raise ValueError(
            f"a kernel of {kernel} with dilation {dilation} spans {dilation * (kernel - 1) + 1} pixels, the padded "
            f"image has {size + 2 * padding}: add padding, or take a smaller kernel"
        )
    return free // stride + 1


def conv2d_by_definition(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""The layer that is called a convolution, entry by entry: :eq:`cnn-conv2d`.

    .. math:: h_{b,o,i,j} = \beta_o + \sum_c\sum_{m,n} w_{o,c,m,n}\;x_{b,\,c,\;is + dm - p,\;js + dn - p}

    Args:
        x: images, ``[n, channels, height, width]``; zero outside.
        weight: kernels w, ``[filters, channels / groups, k, l]``.
        bias: :math:`\beta`, ``[filters]``.
        stride, padding, dilation: s, p and d as in :func:`output_size`; a pair is for height and width.
        groups: the channels, and the filters, are cut into so many parts, and each part of the filters sees one part of
            the channels.

    Returns:
        ``[n, filters, height', width']``.

    Raises:
        ValueError: if the shapes do not fit.
    """
    x, size, (stride, dilation) = prepared(x, weight, bias, stride, padding, dilation, groups)
    kernel, seen = weight.shape[2:], weight.shape[1]
    entries = []
    for image in x:
        for o, filter_weights in enumerate(weight):
            first = o // (len(weight) // groups) * seen  # the first channel of the filter's group
            for i in range(size[0]):
                for j in range(size[1]):
                    rows, columns = (
                        slice(place * stride[a], place * stride[a] + dilation[a] * (kernel[a] - 1) + 1, dilation[a])
                        for a, place in enumerate((i, j))
                    )
                    entries.append((image[first : first + seen, rows, columns] * filter_weights).sum())
    return plus(torch.stack(entries).view(len(x), len(weight), *size), bias)


def im2col(x: Tensor, kernel: Pair, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """Every window of an image as a column: ``[n, channels · k · l, windows]``, as torch's ``unfold`` orders them.

    Args:
        x: images, ``[n, channels, height, width]``.
        kernel, stride, padding, dilation: as in :func:`conv2d_by_definition`.
    """
    k, down, right, d = pair(kernel), *pair(padding), pair(dilation)
    return windows(F.pad(x, (right, right, down, down)), k, pair(stride), d).flatten(4).flatten(1, 3)


def windows(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """All windows of ``x [n, c, height, width]``, a view of it: ``[n, c, k, l, height', width']``."""
    for axis in (0, 1):
        x = x.unfold(2 + axis, dilation[axis] * (kernel[axis] - 1) + 1, stride[axis])
    return x[..., :: dilation[0], :: dilation[1]].permute(0, 1, 4, 5, 2, 3)


def conv2d_by_im2col(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""The same as a product of matrices: :eq:`cnn-im2col`.

    .. math:: H = W X_\text{col}, \qquad W \in \mathbb R^{O\times Ckl},\ X_\text{col} \in \mathbb R^{Ckl\times h'w'}

    Each column of :math:`X_\text{col}` is one window. It holds every pixel up to k · l times; what it buys is one large
    product, which a machine does at full speed. Arguments, result and errors as :func:`conv2d_by_definition`.
    """
    x, size, (stride, dilation) = prepared(x, weight, bias, stride, padding, dilation, groups)
    columns = windows(x, tuple(weight.shape[2:]), stride, dilation)
    columns = columns.reshape(len(x), groups, weight[0].numel(), size[0] * size[1])
    out = weight.reshape(groups, -1, weight[0].numel()) @ columns  # [n, groups, filters / groups, windows]
    return plus(out.view(len(x), len(weight), *size), bias)


def conv2d_by_fft(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""The same as a product of Fourier transforms: :eq:`cnn-theorem`.

    .. math:: \widehat{w\star x} = \overline{\hat w}\,\hat x

    The conjugate makes it a cross-correlation; without it the kernel would be turned around. The transform is cyclic,
    but no window that lies within the padded image is reached from its other end. All windows are computed,
    whatever the stride: it drops the others. Arguments, result and errors as :func:`conv2d_by_definition`.
    """
    from scipy.fft import next_fast_len

    x, size, (stride, dilation) = prepared(x, weight, bias, stride, padding, dilation, groups)
    lengths = [next_fast_len(side, real=True) for side in x.shape[2:]]
    images = torch.fft.rfft2(x, lengths).unflatten(1, (groups, -1))
    kernels = torch.fft.rfft2(spread(weight, dilation), lengths).unflatten(0, (groups, -1))
    out = torch.einsum("ngchw,gochw->ngohw", images, kernels.conj()).flatten(1, 2)
    steps = [slice(0, (count - 1) * step + 1, step) for count, step in zip(size, stride, strict=True)]
    return plus(torch.fft.irfft2(out, lengths)[..., steps[0], steps[1]], bias)


def conv2d_input_gradient(
    slope: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""The gradient with respect to the images: the slopes, convolved with the kernels: :eq:`cnn-input-gradient`.

    .. math:: \frac{\partial L}{\partial x_{c,u,v}} = \sum_o\sum_{m,n} w_{o,c,m,n}\;g_{o,\,(u+p-dm)/s,\,(v+p-dn)/s}

    where only whole numbers count. In code: s - 1 zeros between the slopes, and the kernels turned by half a turn.

    Args:
        slope: :math:`g = \partial L/\partial h`, ``[n, filters, height', width']``.
        weight: ``[filters, channels / groups, k, l]``.
        size: height and width of the images.
        stride, padding, dilation, groups: as in :func:`conv2d_by_definition`.

    Returns:
        ``[n, channels, height, width]``.
    """
    padding, dilation = pair(padding), pair(dilation)
    slope = spread(slope, pair(stride))
    margins = []
    for axis in (1, 0):  # F.pad begins with the last axis
        before = dilation[axis] * (weight.shape[2 + axis] - 1) - padding[axis]
        margins += [before, size[axis] - slope.shape[2 + axis] + padding[axis]]
    turned = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(2, 3)
    return F.conv2d(F.pad(slope, margins), turned, dilation=dilation, groups=groups)


def conv2d_weight_gradient(
    x: Tensor, slope: Tensor, kernel: Pair, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    r"""The gradient with respect to the kernels: the images, correlated with the slopes: :eq:`cnn-weight-gradient`.

    .. math:: \frac{\partial L}{\partial w_{o,c,m,n}}
              = \sum_b\sum_{i,j} g_{b,o,i,j}\;x_{b,\,c,\;is + dm - p,\;js + dn - p}

    Stride and dilation have changed places: the slopes are the kernel, and its weights lie s apart.

    Args:
        x: ``[n, channels, height, width]``.
        slope: ``[n, filters, height', width']``.
        kernel: its height and width.
        stride, padding, dilation, groups: as in :func:`conv2d_by_definition`.

    Returns:
        ``[filters, channels / groups, k, l]``.
    """
    height, width = pair(kernel)
    images = x.unflatten(1, (groups, -1)).permute(2, 1, 0, 3, 4).flatten(1, 2)  # [channels / groups, groups · n, ...]
    options = {"padding": pair(padding), "stride": pair(dilation), "dilation": pair(stride), "groups": groups}
    return F.conv2d(images, slope.transpose(0, 1), **options).transpose(0, 1)[..., :height, :width]


def spread(x: Tensor, step: tuple[int, int]) -> Tensor:
    """``x [..., height, width]`` with ``step - 1`` zeros between neighbours along each axis."""
    if step == (1, 1):
        return x
    sizes = [(side - 1) * each + 1 for side, each in zip(x.shape[-2:], step, strict=True)]
    out = x.new_zeros(*x.shape[:-2], *sizes)
    out[..., :: step[0], :: step[1]] = x
    return out


def plus(out: Tensor, bias: Tensor | None) -> Tensor:
    """The bias of each filter added to ``out [n, filters, height, width]``."""
    return out if bias is None else out + bias.view(-1, 1, 1)


def pair(value: Pair) -> tuple[int, int]:
    """Height and width: a number stands for both."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def prepared(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> tuple[Tensor, tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]:
    """The padded images, the size of the output, and stride and dilation as pairs, once everything fits."""
    shapes = f"images {list(x.shape)} and weights {list(weight.shape)}"
    if x.dim() != 4 or weight.dim() != 4 or not len(x) or not len(weight):
        raise ValueError(
            "images must be [n, channels, height, width] and weights [filters, channels / groups, k, l], at least one "
            f"of each; got {shapes}"
        )
    require_whole("groups", groups)
    if x.shape[1] != weight.shape[1] * groups or len(weight) % groups:
        raise ValueError(
            f"{shapes} in {groups} groups do not fit: channels must be weight.shape[1] · groups, and the filters a "
            "multiple of the groups"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{len(weight)}], one number a filter, got {list(bias.shape)}")
    stride, dilation, padding = pair(stride), pair(dilation), pair(padding)
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    size = tuple(output_size(n, k, stride=s, padding=p, dilation=d) for n, k, s, p, d in sides)
    down, right = padding
    return F.pad(x, (right, right, down, down)), size, (stride, dilation)
