r"""A vision transformer reads an image like a sentence: it is cut into patches, and each patch is a token.

One linear map turns the pixels of a patch into a vector, a position says where the patch lay, and the blocks of
:mod:`course.representation.transformer`, the same that read words in :mod:`course.representation.bert`, do the rest.

Source: Dosovitskiy et al., *An image is worth 16x16 words* (2021).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.positions import (
    interpolate_positions,
    require_four,
    rotary_angles_2d,
    sinusoidal_positions_2d,
)
from course.representation.transformer import Encoder, Trace, initialise

POOLS = ("class", "mean")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


def patches(x: Tensor, size: int) -> Tensor:
    """The patches of images, row by row from the top left: :eq:`vit-patches`.

    Args:
        x: images, ``[n, channels, height, width]``.
        size: side P of a square patch in pixels.

    Returns:
        ``[n, (height / P) * (width / P), channels * P * P]``; the pixels of a patch are in the order channel, row,
        column, as in a kernel of ``conv2d``.

    Raises:
        ValueError: if x has not four axes, or the patches do not fill the image.

    Example:
        >>> patches(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1]
        tensor([2., 3., 6., 7.])
    """
    require_whole("size", size)
    if x.dim() != 4 or not x.numel():
        raise ValueError(f"images must be [n, channels, height, width], got {list(x.shape)}")
    if x.shape[2] % size or x.shape[3] % size:
        raise ValueError(f"patches of {size} pixels do not fill {x.shape[2]} × {x.shape[3]}: crop or resize the images")
    cut = x.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # [n, channels, row of patches, row, column, column]
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def join_patches(cut: Tensor, grid: tuple[int, int], channels: int = 1) -> Tensor:
    """The images that :func:`patches` were cut from.

    Args:
        cut: ``[n, rows * columns, channels * P * P]``.
        grid: rows and columns of patches.
        channels: of the images.

    Returns:
        ``[n, channels, rows * P, columns * P]``.

    Raises:
        ValueError: if there is another number of patches, or they are not square.
    """
    rows, columns = grid
    size = round((cut.shape[-1] / channels) ** 0.5)
    if cut.dim() != 3 or cut.shape[1:] != (rows * columns, channels * size**2):
        expected = f"[n, {rows * columns}, {channels} * P * P]"
        raise ValueError(f"patches of a grid of {rows} × {columns} must be {expected}, got {list(cut.shape)}")
    parts = cut.unflatten(1, grid).unflatten(3, (channels, size, size))
    return parts.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def shuffle_patches(x: Tensor, size: int, order: Tensor) -> Tensor:
    """Images with their patches in another order: patch i of the result is patch ``order[i]``.

    Args:
        x: ``[n, channels, height, width]``.
        size: side of a patch.
        order: a permutation of the numbers of the patches, ``int64 [patches]``.

    Raises:
        ValueError: if the patches do not fill the image, or the order is no permutation of them.
    """
    cut = patches(x, size)
    if order.shape != cut.shape[1:2] or not order.sort().values.equal(torch.arange(len(order), device=order.device)):
        raise ValueError(f"order must have each number from 0 to {cut.shape[1] - 1} once, got {order.tolist()}")
    return join_patches(cut[:, order], (x.shape[2] // size, x.shape[3] // size), x.shape[1])


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of a vision transformer. Without arguments: the paper's base model, ViT-B/16.

    Attributes:
        size: side of the square images in pixels, a multiple of ``patch``; others may be read, see
            :meth:`VisionTransformer.forward`.
        patch: side of a patch in pixels.
        channels: of the images.
        width, layers, heads, hidden: as in :class:`~course.representation.transformer.Encoder`.
        classes: length of a row of scores; 0: no head.
        pool: what stands for the image: the vector of a ``"class"`` token that is read first, or the ``"mean"`` of the
            patches, without such a token.
        positions: ``"learned"``, fixed waves along rows and columns (``"sinusoidal"``), ``"rotary"`` (queries and keys
            are turned, see :mod:`course.representation.positions`), or ``"none"``.
        pooler: whether there is a layer with tanh over the class token, as some checkpoints have.
        dropout, eps: as in :class:`~course.representation.transformer.EncoderBlock`.

    Example:
        >>> ViTConfig.full().grid, ViTConfig.quick(classes=10).width
        ((14, 14), 64)
    """

    size: int = 224
    patch: int = 16
    channels: int = 3
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    classes: int = 0
    pool: str = "class"
    positions: str = "learned"
    pooler: bool = False
    dropout: float = 0.0
    eps: float = 1e-12

    def __post_init__(self):
        for name in ("size", "patch", "channels", "width", "layers", "heads", "hidden"):
            require_whole(name, getattr(self, name))
        require_whole("classes", self.classes, 0)
        for name, known in (("pool", POOLS), ("positions", POSITIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(known)}")
        if self.size % self.patch:
            raise ValueError(f"patches of {self.patch} pixels do not fill {self.size}: let size be a multiple of patch")
        if self.pooler and self.pool != "class":
            raise ValueError("the pooler reads the class token: leave it out, or set pool='class'")
        if self.positions == "sinusoidal":
            require_four(self.width, "width")
        if self.positions == "rotary":
            require_four(self.width // self.heads, "width / heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1, got {self.dropout}")

    @classmethod
    def quick(cls, classes: int = 0) -> "ViTConfig":
        """Four narrow layers for drawings of 28 × 28 pixels: learns in seconds on a laptop."""
        return cls(28, 4, 1, width=64, layers=4, heads=4, hidden=128, classes=classes, pool="mean")

    @classmethod
    def full(cls, classes: int = 0) -> "ViTConfig":
        """ViT-B/16: 86 million numbers."""
        return cls(classes=classes, dropout=0.1)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (self.size // self.patch,) * 2

    @property
    def initial_scale(self) -> float:
        """The standard deviation of the initial weights: 0.02 at a width of 768."""
        return 0.02 * (768 / self.width) ** 0.5


class VisionTransformer(nn.Module):
    r"""Images ``[n, channels, height, width]`` to scores ``[n, classes]``: :eq:`vit-embedding`.

    .. math:: X = [\,c + \pi_0;\; E p_1 + b + \pi_1;\; \dots;\; E p_N + b + \pi_N\,], \qquad
              \text{scores} = W_h\, \operatorname{Encoder}(X)_0 + b_h

    Args:
        config: the sizes.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Example:
        >>> model = VisionTransformer(ViTConfig.quick(classes=10), generator=torch.Generator().manual_seed(0))
        >>> images = torch.rand(3, 1, 28, 28)
        >>> model(images).shape, model.embed(images).shape, model.hidden(images).shape
        (torch.Size([3, 10]), torch.Size([3, 64]), torch.Size([3, 49, 64]))
        >>> model.embed(torch.rand(3, 1, 20, 36)).shape  # another size: positions are interpolated
        torch.Size([3, 64])
    """

    def __init__(self, config: ViTConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        rows, columns = config.grid
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.patch = nn.Linear(config.channels * config.patch**2, config.width)
            self.encoder = Encoder(
                config.layers, config.width, config.heads, config.hidden,
                pre_norm=True, dropout=config.dropout, eps=config.eps,
            )  # fmt: skip
            self.pooler = nn.Linear(config.width, config.width) if config.pooler else None
            self.head = nn.Linear(config.width, config.classes) if config.classes else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.leading = int(config.pool == "class")  # tokens before those of the patches
        self.class_token = nn.Parameter(torch.zeros(config.width)) if self.leading else None
        self.positions = None
        if config.positions == "learned":
            self.positions = nn.Parameter(torch.zeros(self.leading + rows * columns, config.width))
        initialise(self, generator, config.initial_scale)
        for table in (self.class_token, self.positions):
            if table is not None:
                nn.init.normal_(table, std=config.initial_scale, generator=generator)

    def tokens(self, x: Tensor) -> Tensor:
        """The input of the first block, ``[n, leading + patches, width]``, positions added: :eq:`vit-embedding`."""
        return self.dropout(self.with_class_token(self.patch_tokens(x)))

    def with_class_token(self, read: Tensor) -> Tensor:
        """Tokens of patches, the class token (if there is one) before them."""
        if not self.leading:
            return read
        first = self.class_token if self.positions is None else self.class_token + self.positions[0]
        return torch.cat([first.expand(len(read), 1, -1), read], 1)

    def patch_tokens(self, x: Tensor) -> Tensor:
        """The tokens of the patches alone, ``[n, patches, width]``, with their positions."""
        config = self.config
        if x.dim() != 4 or x.shape[1] != config.channels or not x.is_floating_point():
            raise ValueError(
                f"images must be floats [n, {config.channels}, height, width], got {x.dtype} {list(x.shape)}"
            )
        read, grid = self.patch(patches(x, config.patch)), self.grid_of(x)
        if self.positions is not None:
            read = read + interpolate_positions(self.positions[self.leading :], config.grid, grid)
        elif config.positions == "sinusoidal":
            read = read + sinusoidal_positions_2d(*grid, config.width).to(read)
        return read

    def grid_of(self, x: Tensor) -> tuple[int, int]:
        """Rows and columns of patches in images ``x``."""
        return x.shape[2] // self.config.patch, x.shape[3] // self.config.patch

    def angles(self, grid: tuple[int, int], like: Tensor) -> Tensor | None:
        """The rotary positions of all tokens, ``[leading + patches, width / heads / 2]``, in the type of ``like``."""
        if self.config.positions != "rotary":
            return None
        angles = rotary_angles_2d(*grid, self.config.width // self.config.heads).to(like)
        return torch.cat([angles.new_zeros(self.leading, angles.shape[1]), angles])

    def hidden(self, x: Tensor) -> Tensor:
        """All tokens after the last block, ``[n, leading + patches, width]``."""
        tokens = self.tokens(x)
        return self.encoder(tokens, angles=self.angles(self.grid_of(x), tokens))

    def trace(self, x: Tensor) -> Trace:
        """The hidden states and attention weights of all layers, by explicit attention."""
        tokens = self.tokens(x)
        return self.encoder.trace(tokens, angles=self.angles(self.grid_of(x), tokens))

    def embed(self, x: Tensor) -> Tensor:
        """The vector of each image before the head, ``[n, width]``: of the class token, or the mean of the patches."""
        if not self.leading:
            return self.hidden(x).mean(1)
        tokens = self.tokens(x)
        return self.encoder.first(tokens, angles=self.angles(self.grid_of(x), tokens))

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[n, classes]``; without a head what :meth:`embed` returns.

        Args:
            x: images, floats ``[n, channels, height, width]``; height and width are multiples of the patch, and learned
                positions are interpolated if they are not those of the configuration.

        Raises:
            ValueError: if a shape or type is another one.
        """
        return self.head(self.embed(x))

    def pooled(self, hidden: Tensor) -> Tensor:
        """The class token through the pooler, ``[n, width]``, from what :meth:`hidden` returns.

        Raises:
            ValueError: if there is no pooler.
        """
        if self.pooler is None:
            raise ValueError("this vision transformer has no pooler: build it from ViTConfig(pooler=True)")
        return self.pooler(hidden[:, 0]).tanh()
