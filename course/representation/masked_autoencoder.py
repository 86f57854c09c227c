r"""A masked autoencoder is BERT for pixels: hide most patches of an image, and let a transformer paint them.

The encoder reads only the patches that are left, so it costs little. A small decoder gets its vectors, one learned
vector in the place of every hidden patch, and positions; it predicts the pixels. Only the encoder is kept afterwards.

Source: He et al., *Masked autoencoders are scalable vision learners* (2022).
"""

import numpy as np
import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.data import Batches
from course.history import History
from course.representation.positions import sinusoidal_positions_2d
from course.representation.transformer import Encoder, initialise, warmed_up_adamw
from course.representation.vit import VisionTransformer, ViTConfig, join_patches, patches
from course.runtime import step_generator
from course.training import fit


class MaskedAutoencoder(nn.Module):
    r"""An encoder of the visible patches, and a decoder that paints the hidden ones.

    Args:
        config: of the encoder, a :class:`~course.representation.vit.VisionTransformer`; its ``classes`` are left out.
        share: of the patches that are hidden, 0.75 in the paper.
        decoder: width, layers and heads of the decoder; its hidden layers are twice as wide.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Raises:
        ValueError: for rotary positions (the encoder reads patches here and there), or a share that hides none or all.

    Example:
        >>> config = ViTConfig(28, 7, 1, width=16, layers=1, heads=2, hidden=32, pool="mean")
        >>> model, images = MaskedAutoencoder(config, decoder=(8, 1, 2)), torch.rand(3, 1, 28, 28)
        >>> visible = model.choose(3, step_generator(seed=0, step=0))
        >>> visible.shape, model(images, visible).shape  # 4 of 16 patches are seen
        (torch.Size([3, 4]), torch.Size([3, 16, 49]))
    """

    def __init__(
        self,
        config: ViTConfig,
        share: float = 0.75,
        decoder: tuple[int, int, int] = (48, 2, 4),
        *,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if config.positions == "rotary":
            raise ValueError("the encoder of a masked autoencoder adds positions: choose learned or sinusoidal ones")
        rows, columns = config.grid
        self.count = rows * columns
        self.seen = self.count - round(share * self.count)
        if not 0 < self.seen < self.count:
            raise ValueError(
                f"a share of {share} hides {self.count - self.seen} of {self.count} patches: some, not all"
            )
        width, layers, heads = decoder
        self.encoder = VisionTransformer(config, generator=generator)
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            self.narrow = nn.Linear(config.width, width)
            self.decoder = Encoder(layers, width, heads, 2 * width, pre_norm=True)
            self.paint = nn.Linear(width, config.channels * config.patch**2)
        self.hidden_patch = nn.Parameter(torch.zeros(width))
        self.register_buffer("where", sinusoidal_positions_2d(rows, columns, width), persistent=False)
        for layer in (self.narrow, self.decoder, self.paint):
            initialise(layer, generator, 0.02 * (768 / width) ** 0.5)

    def choose(self, n: int, rng: np.random.Generator) -> Tensor:
        """For n images the numbers of the visible patches in rising order, ``int64 [n, seen]``."""
        drawn = torch.from_numpy(rng.random((n, self.count))).argsort(1)[:, : self.seen]
        return drawn.sort(1).values.to(self.where.device)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """The patches as the decoder paints them, ``[n, patches, channels * P * P]``; a visible one is guessed, too.

        Args:
            x: images of the size of the configuration.
            visible: what :meth:`choose` returns.

        Raises:
            ValueError: if the images have another size.
        """
        if x.shape[2:] != (self.encoder.config.size,) * 2:
            raise ValueError(
                f"this autoencoder paints squares of {self.encoder.config.size} pixels: got {list(x.shape)}"
            )
        tokens, leading = self.encoder.patch_tokens(x), self.encoder.leading
        read = tokens.gather(1, visible[:, :, None].expand(-1, -1, tokens.shape[2]))
        known = self.narrow(self.encoder.encoder(self.encoder.with_class_token(read))[:, leading:])
        full = self.hidden_patch.to(known.dtype).expand(len(x), self.count, -1)
        full = full.scatter(1, visible[:, :, None].expand(-1, -1, known.shape[2]), known)
        return self.paint(self.decoder(full + self.where))

    def loss(self, x: Tensor, visible: Tensor) -> Tensor:
        r"""The mean squared error of the hidden patches: :eq:`vit-mae`.

        .. math:: L = \frac1{|M|} \sum_{i \in M} \frac{\lVert p_i - \hat p_i \rVert^2}{P^2 \cdot \text{channels}}
        """
        errors = (self(x, visible) - patches(x, self.encoder.config.patch)).square().mean(2)
        return errors.masked_fill(self.is_visible(visible), 0).sum() / (len(x) * (self.count - self.seen))

    def is_visible(self, visible: Tensor) -> Tensor:
        """True for the visible patches, ``bool [n, patches]``."""
        return torch.zeros(len(visible), self.count, dtype=torch.bool, device=visible.device).scatter(1, visible, True)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """What the encoder sees (hidden patches are grey, 0.5), and the whole image as painted: both like ``x``."""
        config, seen = self.encoder.config, self.is_visible(visible)[:, :, None]
        true = patches(x, config.patch)
        painted = torch.where(seen, true, self(x, visible).clamp(0, 1))
        return tuple(
            join_patches(each, config.grid, config.channels) for each in (torch.where(seen, true, 0.5), painted)
        )


def train_autoencoder(
    model: MaskedAutoencoder,
    x: Tensor,
    *,
    steps: int,
    batch_size: int = 64,
    rate: float = 2e-3,
    seed: int = 0,
    **options,
) -> History:
    """Train in place with AdamW, a short warm-up and a falling rate.

    Args:
        x: images as floats from 0 to 1, on the model's device.
        steps, batch_size, rate, seed: of the training; the seed draws batches and masks.
        options: further ones of :func:`course.training.fit`.
    """
    require_whole("steps", steps)
    batches = Batches(len(x), batch_size, seed=seed, device=x.device)
    optimizer, scheduler = warmed_up_adamw(model, steps, rate)

    def closure(step: int) -> Tensor:
        return model.loss(x[batches[step]], model.choose(batch_size, step_generator(seed, step)))

    return fit(model, closure, optimizer, steps=steps, scheduler=scheduler, **options)
