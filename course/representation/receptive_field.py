r"""Which pixels can an output see? An arithmetic over the layers, and its check by gradients.

Sources: Araujo, Norris and Sim, *Computing receptive fields of convolutional neural networks* (2019); Luo et al.,
*Understanding the effective receptive field in deep convolutional neural networks* (2016).
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course.representation.convolution import output_size


class Window(NamedTuple):
    """A convolution or pooling along one axis: kernel k, stride s, padding p and dilation d, in the layer's pixels."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


class Field(NamedTuple):
    """What the outputs of a layer see of the input image, along one axis.

    Attributes:
        size: pixels that one output can see.
        jump: pixels between what two neighbours see.
        start: the middle of what output 0 sees, in pixels; pixel 0 is at 0.
        outputs: how many outputs there are.
    """

    size: int
    jump: int
    start: float
    outputs: int

    def pixels(self, output: int) -> range:
        """The pixels that an output sees, those in the padding included."""
        first = round(self.start + output * self.jump - (self.size - 1) / 2)
        return range(first, first + self.size)


def receptive_fields(layers: Iterable[Window], image: int) -> list[Field]:
    r"""The field after each layer, that of the image first: :eq:`cnn-receptive-field`.

    .. math:: r_\ell = r_{\ell-1} + d_\ell(k_\ell - 1)\,j_{\ell-1}, \qquad j_\ell = s_\ell\,j_{\ell-1}, \qquad
              a_\ell = a_{\ell-1} + \bigl(\tfrac{d_\ell(k_\ell - 1)}2 - p_\ell\bigr)\,j_{\ell-1}

    from :math:`r_0 = j_0 = 1` and :math:`a_0 = 0`: size, jump and start of a :class:`Field`.

    Args:
        layers: the windows, from the image on.
        image: the side of the image in pixels.

    Raises:
        ValueError: if a window does not fit into what is left of the image.

    Example:
        >>> [field.size for field in receptive_fields([Window(3, padding=1), Window(2, stride=2)] * 4, image=28)]
        [1, 3, 4, 8, 10, 18, 22, 38, 46]
    """
    field = Field(size=1, jump=1, start=0.0, outputs=image)
    fields = [field]
    for layer in layers:
        k, s, p, d = layer
        field = Field(
            size=field.size + d * (k - 1) * field.jump,
            jump=field.jump * s,
            start=field.start + (d * (k - 1) / 2 - p) * field.jump,
            outputs=output_size(field.outputs, k, stride=s, padding=p, dilation=d),
        )
        fields.append(field)
    return fields


def windows_of(model: nn.Module) -> list[Window]:
    """The windows of a model whose layers follow one another, in the order in which they were made.

    Raises:
        ValueError: if a window is not square, or a pooling is adaptive: it has no window of its own.
    """
    found = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            options = (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
            sides = {each if isinstance(each, tuple) else (each, each) for each in options}
            if any(high != wide for high, wide in sides):
                raise ValueError(f"{name} has a window that is not square: {layer}. Write its Window down by hand")
            found.append(Window(*(each[0] if isinstance(each, tuple) else each for each in options)))
        elif isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            raise ValueError(f"{name} is adaptive, so that its window depends on the image: {layer}")
    return found


def gradient_map(model: nn.Module, images: Tensor, output: tuple[int, int]) -> Tensor:
    r"""How much each pixel moves one place of the output: the mean of :math:`|\partial h_{o,i,j}/\partial x_{c,u,v}|`
    over images and channels.

    A pixel outside the receptive field has exactly 0. A model with batch normalisation must be in evaluation mode and
    keep averages: the statistics of a batch let every output see every pixel of it.

    Args:
        model: images ``[n, channels, height, width]`` to ``[n, filters, height', width']``.
        images: some random ones; through ReLU and max-pooling a single image shows only a part of the field.
        output: the place (i, j) of the output.

    Returns:
        ``[height, width]``.
    """
    images = images.detach().requires_grad_()
    i, j = output
    with torch.enable_grad():
        one_place = model(images)[:, :, i, j]
        # random signs, so that the slopes of several filters do not cancel in their sum
        signs = torch.randn(one_place.shape, generator=torch.Generator().manual_seed(0)).to(one_place)
        [slopes] = torch.autograd.grad((signs * one_place).sum(), images)
    return slopes.abs().mean((0, 1))
