"""Networks that turn one kind of picture into another, and networks that look at patches and say what is real.

Sources: Johnson, Alahi and Fei-Fei, *Perceptual losses for real-time style transfer* (2016) for the translator; Isola
et al., *Image-to-image translation with conditional adversarial networks* (2017) for the critic of patches. Both are
smaller here than in the papers.
"""

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.receptive_field import Field, Window, receptive_fields

SLOPE = 0.2  # of a critic's leaky ReLU below zero


def small_normal(model: nn.Module, generator: torch.Generator | None) -> None:
    """Draw all weights from a normal distribution of standard deviation 0.02, as adversarial networks use to begin."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def convolution(channels: int, filters: int, kernel: int, *, stride: int = 1) -> list[nn.Module]:
    """Convolution, normalisation of each channel of each picture, ReLU."""
    padding = (kernel - 1) // 2
    layer = nn.Conv2d(channels, filters, kernel, stride=stride, padding=padding, bias=False)
    return [layer, nn.InstanceNorm2d(filters, affine=True), nn.ReLU(inplace=True)]


class Residual(nn.Module):
    r""":math:`x + F(x)` with two convolutions 3 × 3: at first nearly the identity. Same shape in and out."""

    def __init__(self, channels: int):
        super().__init__()
        self.residual = nn.Sequential(
            *convolution(channels, channels, 3),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


class Translator(nn.Sequential):
    """A generator whose input is a picture: down to half the side, some residual blocks, and up again.

    Pictures ``[n, channels, side, side]`` from 0 to 1 become pictures of the same shape. The normalisation looks at one
    picture at a time, so that an answer does not depend on its company. Nothing leads around the middle: an untrained
    translator is far from the identity.

    Args:
        channels: 1 for drawings, 3 for colour.
        width: filters of the first layer; twice as many in the middle.
        blocks: residual ones.
        generator: source of the random initial weights; ``None`` is torch's global one.

    The side must be even.

    Example:
        >>> translate = Translator(width=4, blocks=1, generator=torch.Generator().manual_seed(0))
        >>> made = translate(torch.rand(2, 1, 16, 16))
        >>> made.shape, bool((0 < made).all() and (made < 1).all())
        (torch.Size([2, 1, 16, 16]), True)
    """

    def __init__(
        self, channels: int = 1, width: int = 16, blocks: int = 2, *, generator: torch.Generator | None = None
    ):
        for name, value in {"channels": channels, "width": width}.items():
            require_whole(name, value)
        require_whole("blocks", blocks, 0)
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            super().__init__(
                *convolution(channels, width, 5),
                *convolution(width, 2 * width, 3, stride=2),
                *(Residual(2 * width) for _ in range(blocks)),
                nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
                nn.InstanceNorm2d(width, affine=True),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, channels, 5, padding=2),
                nn.Sigmoid(),
            )
        small_normal(self, generator)


class PatchCritic(nn.Sequential):
    """A critic that scores overlapping patches of a picture, each by itself.

    The loss is a mean over the scores of all patches (:eq:`cyclegan-patches`): a picture passes if all its patches
    could be real ones. What lies farther apart than a patch is never compared.

    Args:
        channels: of the pictures.
        width: filters of the first layer, twice as many in each further one.
        halvings: layers that halve the side; with one, two or three of them a score sees a square of 8, 18 or 38 pixels
            (``field``).
        generator: source of the random initial weights; ``None`` is torch's global one.

    Example:
        >>> critic = PatchCritic(width=4, generator=torch.Generator().manual_seed(0))
        >>> critic(torch.rand(2, 1, 16, 16)).shape, critic.field(16).size
        (torch.Size([2, 1, 4, 4]), 18)
    """

    def __init__(
        self, channels: int = 1, width: int = 16, halvings: int = 2, *, generator: torch.Generator | None = None
    ):
        for name, value in {"channels": channels, "width": width, "halvings": halvings}.items():
            require_whole(name, value)
        layers: list[nn.Module] = []
        inputs = channels
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            for number in range(halvings):
                filters = width * 2**number
                layers.append(nn.Conv2d(inputs, filters, 4, stride=2, padding=1, bias=not number))
                if number:  # the first layer sees contrast and brightness as they are
                    layers.append(nn.InstanceNorm2d(filters, affine=True))
                layers.append(nn.LeakyReLU(SLOPE, inplace=True))
                inputs = filters
            super().__init__(*layers, nn.Conv2d(inputs, 1, 3, padding=1))
        small_normal(self, generator)

    def field(self, side: int) -> Field:
        """Which pixels a score sees in pictures of this side, those in the padding included."""
        kernels = [layer for layer in self if isinstance(layer, nn.Conv2d)]
        windows = [Window(layer.kernel_size[0], layer.stride[0], layer.padding[0]) for layer in kernels]
        return receptive_fields(windows, side)[-1]
