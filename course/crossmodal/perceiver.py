r"""A Perceiver-like fusion: a few latent vectors look at any number of tokens of any number of modalities.

Where every modality is one vector, attention among all tokens is cheap. Where one brings thousands (pixels, frames), a
fixed number L of latent vectors asks instead: L × N comparisons in place of N × N. The weights do not depend on N.

Source: Jaegle et al., *Perceiver: general perception with iterative attention* (2021).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.cnn import initialise
from course.representation.transformer import Encoder

HEADS = 4


class Perceiver(nn.Module):
    r"""Lists of tokens of any modalities to scores: :eq:`fusion-perceiver`.

    .. math:: Z = \operatorname{Encoder}\bigl(Q + \operatorname{Attention}(Q,\; T W_K,\; T W_V)\bigr), \qquad
              s = V\,\tfrac1L \textstyle\sum_l Z_l

    The queries Q are learned; T has a row for every token of every modality that is there.

    Args:
        sizes: length of the tokens of each modality, by name.
        classes: length of a row of scores.
        width: of the latent vectors, a multiple of 4.
        latents: how many, L.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Example:
        >>> model = Perceiver({"image": 3, "sound": 2, "text": 4}, classes=10, width=8)
        >>> model({"image": torch.rand(5, 49, 3), "text": torch.rand(5, 7, 4)}).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        classes: int,
        width: int,
        latents: int = 4,
        *,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        for name, size in {**sizes, "classes": classes, "width": width, "latents": latents}.items():
            require_whole(name, size)
        if not sizes or width % HEADS:
            raise ValueError(f"sizes must name a modality, and width be a multiple of {HEADS}; got {sizes}, {width}")
        self.sizes = dict(sizes)
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            own = (nn.Linear(size, width) for size in sizes.values())
            self.own = nn.ModuleDict(zip(sizes, own, strict=True))
            self.keys_and_values = nn.Linear(width, 2 * width)
            self.encoder = Encoder(1, width, HEADS, 2 * width, pre_norm=True)
            self.head = nn.Linear(width, classes)
        initialise(self, generator)
        self.queries = nn.Parameter(torch.randn(latents, width, generator=generator))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Scores ``[n, classes]``.

        Args:
            inputs: tokens ``[n, tokens, size]`` of each modality that is there; the numbers of tokens may differ.

        Raises:
            ValueError: if no modality is there, one is unknown, or its tokens have another length.
        """
        if not inputs or not inputs.keys() <= self.sizes.keys():
            raise ValueError(f"one or more of {', '.join(self.sizes)} are needed, got {', '.join(inputs) or 'none'}")
        for name, tokens in inputs.items():
            if tokens.dim() != 3 or tokens.shape[2] != self.sizes[name]:
                raise ValueError(
                    f"the tokens of {name} must be [n, tokens, {self.sizes[name]}], got {list(tokens.shape)}"
                )
        tokens = torch.cat([self.own[name](each) for name, each in inputs.items()], 1)
        keys, values = self.keys_and_values(tokens).unflatten(-1, (2, HEADS, -1)).permute(2, 0, 3, 1, 4)
        queries = self.queries.unflatten(-1, (HEADS, -1)).transpose(0, 1).expand(len(tokens), -1, -1, -1)
        looked = F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)
        return self.head(self.encoder(self.queries + looked).mean(1))
