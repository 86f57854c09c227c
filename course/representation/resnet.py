r"""ResNet-12: the deeper backbone of few-shot learning. Each block adds what it computes to what it was given.

Twelve convolutions 3 × 3 in four blocks, a shortcut around each, and one vector an image at the end.

Sources: He et al., *Deep residual learning for image recognition* (2016); Oreshkin, Rodríguez López and Lacoste,
*TADAM* (2018) for the twelve layers; Lee et al., *Meta-learning with differentiable convex optimization* (2019) for
the widths 64, 160, 320 and 640. Their DropBlock is left out.
"""

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.cnn import ChannelsLast
from course.representation.initialisation import he_normal

WIDTHS = (64, 160, 320, 640)
SLOPE = 0.1  # of the leaky ReLU below zero


class ResidualBlock(nn.Module):
    r"""Three convolutions, and a shortcut around them: :eq:`cnn-residual`.

    .. math:: y = \operatorname{pool}\bigl(\phi(F(x) + P x)\bigr)

    F is convolution, normalisation, :math:`\phi`, twice, then convolution and normalisation; P a convolution 1 × 1 with
    normalisation, as the number of channels changes; :math:`\phi` the leaky ReLU. It is increasing, so it may
    come after the pooling 2 × 2, which leaves it a quarter of the work.

    Args:
        channels, filters: of the images in and out; ``[n, channels, h, w]`` become ``[n, filters, h // 2, w // 2]``.

    Example:
        >>> ResidualBlock(3, 8)(torch.rand(2, 3, 21, 21)).shape
        torch.Size([2, 8, 10, 10])
    """

    def __init__(self, channels: int, filters: int):
        super().__init__()
        self.residual = nn.Sequential(
            *convolution(channels, filters, 3), nn.LeakyReLU(SLOPE, inplace=True),
            *convolution(filters, filters, 3), nn.LeakyReLU(SLOPE, inplace=True),
            *convolution(filters, filters, 3),
        )  # fmt: skip
        self.shortcut = nn.Sequential(*convolution(channels, filters, 1))
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.pool(self.residual(x).add_(self.shortcut(x))))


def convolution(channels: int, filters: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    """A convolution that keeps the size, without a bias, which the normalisation behind it would take away."""
    return nn.Conv2d(channels, filters, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(filters)


class ResNet12(nn.Module):
    """Images ``[n, channels, size, size]`` to scores ``[n, classes]``, or to vectors of the last width.

    Args:
        classes: the length of a row of scores.
        channels: 3 for colour, 1 for drawings.
        widths: filters of the blocks: (64, 160, 320, 640) has 12.4 million weights without the head,
            (64, 128, 256, 512) has 8.0 million.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Each block halves the sides, so they must be at least 2 to the power of the number of blocks. The batch
    normalisation keeps averages for evaluation mode.

    Example:
        >>> network = ResNet12(classes=5, widths=(4, 8, 12, 16)).eval()
        >>> images = torch.rand(2, 3, 84, 84)
        >>> network(images).shape, network.embed(images).shape
        (torch.Size([2, 5]), torch.Size([2, 16]))
    """

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        widths: tuple[int, ...] = WIDTHS,
        *,
        generator: torch.Generator | None = None,
    ):
        for name, value in {"classes": classes, "channels": channels, "number of widths": len(widths)}.items():
            require_whole(name, value)
        super().__init__()
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.layout = ChannelsLast()
            pairs = zip((channels, *widths), widths, strict=False)
            self.blocks = nn.Sequential(*(ResidualBlock(*each) for each in pairs))
            self.head = nn.Linear(widths[-1], classes)
        he_normal(self, generator, slope=SLOPE)
        self.to(memory_format=torch.channels_last)  # weights laid out as the images are

    def embed(self, x: Tensor) -> Tensor:
        """The vector of each image, ``[n, widths[-1]]``: the mean over the places of the last block's output."""
        least = 2 ** len(self.blocks)
        if min(x.shape[-2:]) < least:
            raise ValueError(f"{len(self.blocks)} blocks halve the image so often: sides must be at least {least} "
                             f"pixels, got {list(x.shape)}")  # fmt: skip
        return self.blocks(self.layout(x)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))
