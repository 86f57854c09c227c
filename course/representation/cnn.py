r"""A convolutional network maps an image to a vector: what it sees in one place it recognises in every place.

:class:`Conv4` is the small network of the few-shot literature: four blocks of convolution, batch normalisation,
max-pooling and ReLU, then a linear head. A deeper one is :class:`course.representation.resnet.ResNet12`.

Sources: Vinyals et al., *Matching networks for one shot learning* (2016) for the blocks; Finn, Abbeel and Levine,
*Model-agnostic meta-learning* (2017), section 5.2, for the sizes (on Omniglot
it has strides of 2 in place of the pooling).
"""

import torch
from torch import Tensor, nn


class ChannelsLast(nn.Module):
    """Lay the channels of an image side by side in memory; the values stay as they are.

    Convolution, batch normalisation and pooling on a CPU are faster on this layout, and each hands it on to the next.
    ``x.to(memory_format=torch.channels_last)`` leaves an image with *one* channel alone, because both layouts then hold
    the same bytes; the layers choose by the strides, so this module sets the strides too.

    Images ``[n, channels, height, width]`` in, the same images out; ValueError for any other number of axes.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise ValueError(
                f"images must be [n, channels, height, width], got {list(x.shape)}; "
                "a single image needs a first axis: x[None]"
            )
        _, channels, _, width = x.shape
        rows = x.permute(0, 2, 3, 1).flatten(2)  # [n, height, width * channels]
        return rows.unflatten(2, (width, channels)).permute(0, 3, 1, 2)


def block(channels: int, filters: int, *, averages: bool = False) -> nn.Sequential:
    r"""Convolution 3 × 3, batch normalisation, max-pooling 2 × 2, ReLU: :eq:`cnn-block`.

    Images ``[n, channels, h, w]`` become ``[n, filters, h // 2, w // 2]``.

    The papers apply ReLU before the pooling. ReLU is monotone, so :math:`\max_i \mathrm{relu}(x_i) =
    \mathrm{relu}(\max_i x_i)`: the order changes no value, and pooling first leaves ReLU a quarter of the work.
    The convolution has no bias because the normalisation would subtract it again. Normalisation uses the statistics
    of the batch at hand: running averages would mix the tasks of a meta-learner. With ``averages`` it keeps some for
    evaluation mode, so that there the result for an image does not depend on the others in the batch.
    """
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(filters, track_running_stats=averages),
        nn.MaxPool2d(2),
        nn.ReLU(),
    )


class Conv4(nn.Sequential):
    """The backbone of few-shot learning: images ``[n, channels, size, size]`` to scores ``[n, n_way]``.

    Four blocks halve the side each time (28, 14, 7, 3, 1), so that 28 × 28 images become vectors of length ``filters``.

    Args:
        n_way: number of classes, the length of a row of scores.
        channels: channels of the images: 1 for drawings, 3 for colour.
        filters: filters of each convolution; 64 in the paper.
        size: side of the square images in pixels, at least 16.
        averages: of the normalisation, for evaluation mode, as in :func:`block`.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Raises:
        ValueError: if the images are too small to be halved four times.

    Example:
        >>> network = Conv4(n_way=5, generator=torch.Generator().manual_seed(0))
        >>> images = torch.rand(10, 1, 28, 28)
        >>> network(images).shape, network.embed(images).shape
        (torch.Size([10, 5]), torch.Size([10, 64]))
    """

    def __init__(
        self,
        n_way: int,
        channels: int = 1,
        filters: int = 64,
        size: int = 28,
        *,
        averages: bool = False,
        generator: torch.Generator | None = None,
    ):
        side = size // 16
        if side < 1:
            raise ValueError(f"Conv4 halves the image four times: size must be at least 16 pixels, got {size}")
        super().__init__()
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.layout = ChannelsLast()
            self.block1 = block(channels, filters, averages=averages)
            self.block2 = block(filters, filters, averages=averages)
            self.block3 = block(filters, filters, averages=averages)
            self.block4 = block(filters, filters, averages=averages)
            self.flatten = nn.Flatten()
            self.head = nn.Linear(filters * side * side, n_way)
        initialise(self, generator)

    def embed(self, x: Tensor) -> Tensor:
        """The vector of each image, before the head.

        Images ``[n, channels, size, size]`` become vectors ``[n, filters * (size // 16) ** 2]``.
        """
        for layer in list(self)[:-1]:
            x = layer(x)
        return x


def initialise(model: nn.Module, generator: torch.Generator | None) -> None:
    r"""Draw the weights of linear and convolutional layers from torch's default, uniform on
    :math:`\pm 1/\sqrt{\text{inputs}}`, and set their biases to zero."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = layer.weight[0].numel() ** -0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
