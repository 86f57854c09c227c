r"""Fusion: vectors of several modalities, any of which may be missing, become the scores of one decision.

Every way to fuse is one small class with the same interface, so that they can be compared at the same size: they differ
in *where* the modalities meet. What is missing counts as the vector 0, the mean of standardised vectors, or is left out
of the sum, the gate or the attention.

Sources: Baltrušaitis, Ahuja and Morency, *Multimodal machine learning: a survey and taxonomy* (2019); Zadeh et al.,
*Tensor fusion network for multimodal sentiment analysis* (2017); Liu et al., *Efficient low-rank multimodal fusion with
modality-specific factors* (2018); Arevalo et al., *Gated multimodal units for information fusion* (2017).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.cnn import initialise
from course.representation.transformer import Encoder, key_mask

HEADS = 4  # of each attention; widths are multiples of it
Inputs = Mapping[str, Tensor | None]


class Fusion(nn.Module):
    """What all ways to fuse have in common; a subclass says in ``build`` what it is made of, and in ``fuse`` how.

    Args:
        sizes: the length of the vectors of each modality, by name.
        classes: length of a row of scores.
        width: of the hidden layers, a multiple of 4; :func:`widest` finds it from a number of weights.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Raises:
        ValueError: if there is no modality, or a number is out of its range.
    """

    def __init__(self, sizes: Mapping[str, int], classes: int, width: int, *, generator: torch.Generator | None = None):
        super().__init__()
        if not sizes:
            raise ValueError("there is nothing to fuse: sizes must name at least one modality, such as {'image': 64}")
        for name, size in {**sizes, "classes": classes, "width": width}.items():
            require_whole(name, size)
        if width % HEADS:
            raise ValueError(f"width must be a multiple of {HEADS}, got {width}")
        self.sizes, self.classes, self.width = dict(sizes), classes, width
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.build()
        initialise(self, generator)

    def build(self) -> None:
        """Make the layers, for ``self.sizes``, ``self.classes`` and ``self.width``."""
        raise NotImplementedError

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        """Scores ``[n, classes]`` from vectors ``[n, d_m]`` of each modality, 0 where missing, and ``bool [n, M]``."""
        raise NotImplementedError

    def forward(self, inputs: Inputs, present: Tensor | None = None) -> Tensor:
        """Scores ``[n, classes]``.

        Args:
            inputs: vectors ``[n, d]`` of each modality by name; ``None`` where it is missing in all rows.
            present: which modalities each row has, ``bool [n, M]``, in the order of ``sizes``; ``None``: all that are
                given. A row without any gets scores that are the same for all such rows. What stands in a vector that
                is not present, NaN included, has no influence.

        Raises:
            ValueError: if a modality is unknown or not mentioned, all are None, or a shape does not fit.
        """
        return self.fuse(*self.checked(inputs, present))

    def checked(self, inputs: Inputs, present: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """The vectors in the order of ``sizes``, 0 where they are missing, and which are present."""
        if inputs.keys() != self.sizes.keys():
            raise ValueError(
                f"the modalities are {', '.join(self.sizes)}, got {', '.join(inputs) or 'none'}: "
                "name each of them, with None where it is missing"
            )
        some = next((vectors for vectors in inputs.values() if vectors is not None), None)
        if some is None:
            raise ValueError("all modalities are None: give the vectors of at least one")
        for name, vectors in inputs.items():
            if vectors is not None and vectors.shape != (len(some), self.sizes[name]):
                expected = [len(some), self.sizes[name]]
                raise ValueError(f"the vectors of {name} must be {expected}, got {list(vectors.shape)}")
        given = torch.tensor([inputs[name] is not None for name in self.sizes], device=some.device)
        if present is None:
            present = given.expand(len(some), -1)
        elif present.shape != (len(some), len(self.sizes)) or present.dtype != torch.bool:
            expected = [len(some), len(self.sizes)]
            raise ValueError(f"present must be {expected} bool, got {list(present.shape)} {present.dtype}")
        present = present & given
        zeros = [some.new_zeros(len(some), size) for size in self.sizes.values()]
        filled = [
            zero if inputs[name] is None else torch.where(here[:, None], inputs[name], zero)
            for name, zero, here in zip(self.sizes, zeros, present.unbind(1), strict=True)
        ]
        return filled, present


def perceptron(inputs: int, *widths: int) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Early(Fusion):
    r"""One network reads all vectors as one: :eq:`fusion-early`.

    .. math:: s = f([x_1; \dots; x_M])

    Example:
        >>> fusion = Early({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": None}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.network = perceptron(sum(self.sizes.values()), self.width, self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return self.network(torch.cat(x, 1))


class Late(Fusion):
    r"""A network for each modality has its own scores; those of the present ones are added: :eq:`fusion-late`.

    .. math:: s = \sum_{m\ \text{present}} s_m(x_m)

    Example:
        >>> fusion = Late({"image": 3, "sound": 2}, classes=10, width=8)
        >>> image, sound = torch.rand(5, 3), torch.rand(5, 2)
        >>> both = fusion({"image": image, "sound": sound})
        >>> alone = fusion({"image": image, "sound": None}) + fusion({"image": None, "sound": sound})
        >>> torch.allclose(both, alone, atol=1e-6)
        True
    """

    def build(self) -> None:
        own = (perceptron(size, self.width, self.width, self.classes) for size in self.sizes.values())
        self.networks = nn.ModuleDict(zip(self.sizes, own, strict=True))

    def scores(self, x: list[Tensor]) -> Tensor:
        """The scores of each modality alone, ``[n, M, classes]``."""
        return torch.stack([network(each) for network, each in zip(self.networks.values(), x, strict=True)], 1)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return (self.scores(x) * present[..., None]).sum(1)


class Intermediate(Fusion):
    r"""A layer for each modality, then one network that reads all hidden vectors: :eq:`fusion-intermediate`.

    .. math:: s = f([h_1; \dots; h_M]), \qquad h_m = \operatorname{relu}(W_m x_m + b_m)

    Example:
        >>> fusion = Intermediate({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.own = nn.ModuleList(nn.Linear(size, self.width) for size in self.sizes.values())
        self.joint = perceptron(self.width * len(self.sizes), self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        hidden = [layer(each).relu() for layer, each in zip(self.own, x, strict=True)]
        return self.joint(torch.cat(hidden, 1))


class Hybrid(Late):
    r"""Late fusion, and early fusion as one more voice: :eq:`fusion-hybrid`.

    .. math:: s = \sum_{m\ \text{present}} s_m(x_m) + f([x_1; \dots; x_M])

    Example:
        >>> fusion = Hybrid({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        super().build()
        self.joint = perceptron(sum(self.sizes.values()), self.width, self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return super().fuse(x, present) + self.joint(torch.cat(x, 1))


def gates(logits: Tensor, present: Tensor) -> Tensor:
    """Shares of the present modalities: a softmax along the last axis but one, 0 for what is missing.

    Args:
        logits: ``[n, M, units]``.
        present: ``bool [n, M]``.

    Example:
        >>> gates(torch.zeros(1, 3, 1), torch.tensor([[True, False, True]])).flatten().tolist()
        [0.5, 0.0, 0.5]
    """
    lowest = torch.finfo(logits.dtype).min  # not -inf: where nothing is present the softmax would be NaN
    return logits.masked_fill(~present[..., None], lowest).softmax(-2) * present[..., None]


class GatedLate(Late):
    r"""Late fusion whose scores are weighed by a gate that reads all vectors: :eq:`fusion-gated-late`.

    .. math:: s = \sum_m g_m(x)\, s_m(x_m), \qquad g(x) = \operatorname{softmax}(f([x_1; \dots; x_M]))

    Example:
        >>> fusion = GatedLate({"image": 3, "sound": 2}, classes=10, width=8)
        >>> x = {"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}
        >>> fusion(x).shape, fusion.gate(*fusion.checked(x, None)).sum(1).flatten().round(decimals=4).tolist()
        (torch.Size([5, 10]), [1.0, 1.0, 1.0, 1.0, 1.0])
    """

    def build(self) -> None:
        super().build()
        self.judge = perceptron(sum(self.sizes.values()), self.width, len(self.sizes))

    def gate(self, x: list[Tensor], present: Tensor) -> Tensor:
        """How much each modality counts, ``[n, M, 1]``."""
        return gates(self.judge(torch.cat(x, 1))[..., None], present)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return (self.scores(x) * self.gate(x, present)).sum(1)


class GatedUnits(Fusion):
    r"""A gate for every hidden unit says from which modality it comes; then a linear layer: :eq:`fusion-gated-units`.

    .. math:: s = V \sum_m z_m(x) \odot \tanh(W_m x_m + b_m), \qquad z(x) = \operatorname{softmax}_m(U[x_1;\dots;x_M])

    Example:
        >>> fusion = GatedUnits({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.own = nn.ModuleList(nn.Linear(size, self.width) for size in self.sizes.values())
        self.judge = nn.Linear(sum(self.sizes.values()), len(self.sizes) * self.width)
        self.head = nn.Linear(self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        hidden = torch.stack([layer(each).tanh() for layer, each in zip(self.own, x, strict=True)], 1)
        logits = self.judge(torch.cat(x, 1)).unflatten(1, (len(x), self.width))
        return self.head((gates(logits, present) * hidden).sum(1))


class Attention(Fusion):
    r"""Each modality is a token; a class token looks at those that are present: :eq:`fusion-attention`.

    .. math:: s = V\operatorname{Encoder}\bigl([c;\; W_1 x_1 + b_1;\; \dots;\; W_M x_M + b_M]\bigr)_0

    Two blocks of :mod:`course.representation.transformer`. The biases :math:`b_m` say which modality a token is.

    Example:
        >>> fusion = Attention({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": None, "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.own = nn.ModuleList(nn.Linear(size, self.width) for size in self.sizes.values())
        self.token = nn.Parameter(torch.zeros(self.width))
        self.encoder = Encoder(2, self.width, HEADS, 2 * self.width, pre_norm=True)
        self.head = nn.Linear(self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        own = [layer(each) for layer, each in zip(self.own, x, strict=True)]
        tokens = torch.stack([self.token.expand(len(present), -1), *own], 1)
        seen = torch.cat([torch.ones_like(present[:, :1]), present], 1)  # the class token is always there
        return self.head(self.encoder.first(tokens, key_mask(seen)))


class Factors(Fusion):
    """What both fusions by products share: a short vector for each modality, with a one in front."""

    def build(self) -> None:
        self.short = self.width // HEADS
        self.own = nn.ModuleList(perceptron(size, self.width, self.short) for size in self.sizes.values())

    def factors(self, x: list[Tensor], present: Tensor) -> list[Tensor]:
        """The vectors ``[n, 1 + width / 4]`` of each modality; ``[1, 0, ..., 0]`` where it is missing."""
        short = [layer(each) for layer, each in zip(self.own, x, strict=True)]
        masked = [torch.where(here[:, None], h, 0) for h, here in zip(short, present.unbind(1), strict=True)]
        return [torch.cat([torch.ones_like(h[:, :1]), h], 1) for h in masked]


class TensorFusion(Factors):
    r"""A weight for every product of an entry of each modality: :eq:`fusion-tensor`.

    .. math:: s = \mathcal W \cdot (\tilde h_1 \otimes \dots \otimes \tilde h_M), \qquad \tilde h_m = [1; h_m(x_m)]

    The ones keep the products of fewer modalities, so that a missing one (:math:`h_m = 0`) leaves what the others say
    alone. The vectors :math:`h_m` have a quarter of the width.

    Example:
        >>> fusion = TensorFusion({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape, fusion.head.in_features
        (torch.Size([5, 10]), 9)
    """

    def build(self) -> None:
        super().build()
        self.head = nn.Linear((1 + self.short) ** len(self.sizes), self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        product, *others = self.factors(x, present)
        for factor in others:
            product = (product[:, :, None] * factor[:, None, :]).flatten(1)
        return self.head(product)


class LowRank(Factors):
    r"""The tensor of :class:`TensorFusion` as a sum of R products of vectors: :eq:`fusion-low-rank`.

    .. math:: s_k = b_k + \sum_{r=1}^R \prod_{m=1}^M \langle w_{m,r,k}, \tilde h_m \rangle, \qquad R = 4

    The tensor itself is never made: there are R (1 + d) weights for each class and modality, in place of
    :math:`(1+d)^M` for each class.

    Example:
        >>> fusion = LowRank({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape, fusion.tensor().shape
        (torch.Size([5, 10]), torch.Size([10, 3, 3]))
    """

    rank = 4

    def build(self) -> None:
        super().build()
        heads = (nn.Linear(1 + self.short, self.rank * self.classes, bias=False) for _ in self.sizes)
        self.heads = nn.ModuleList(heads)
        self.bias = nn.Parameter(torch.zeros(self.classes))

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        each = [head(factor) for head, factor in zip(self.heads, self.factors(x, present), strict=True)]
        product = torch.stack(each).prod(0)
        return product.unflatten(1, (self.rank, self.classes)).sum(1) + self.bias

    def tensor(self) -> Tensor:
        r"""The weights :math:`\mathcal W` that it stands for, ``[classes, 1 + d, ..., 1 + d]``."""
        product = torch.ones(self.rank, self.classes).to(self.bias)
        for number, head in enumerate(self.heads):
            factor = head.weight.unflatten(0, (self.rank, self.classes))
            product = product[..., None] * factor.view(self.rank, self.classes, *[1] * number, -1)
        return product.sum(0)


KINDS = {
    "early": Early,
    "intermediate": Intermediate,
    "late": Late,
    "hybrid": Hybrid,
    "gated late": GatedLate,
    "gated units": GatedUnits,
    "attention": Attention,
    "tensor": TensorFusion,
    "low rank": LowRank,
}


def weights_of(model: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def widest(
    kind: type[Fusion],
    sizes: Mapping[str, int],
    classes: int,
    weights: int,
    *,
    generator: torch.Generator | None = None,
) -> Fusion:
    """The fusion of a kind with the largest width that needs at most so many weights.

    Raises:
        ValueError: if not even the least width does.

    Example:
        >>> sizes = {"image": 32, "sound": 32}
        >>> [(model.width, weights_of(model)) for model in (widest(kind, sizes, 10, 9_000) for kind in (Early, Late))]
        [(68, 9802), (48, 8852)]
    """

    def needed(width: int) -> int:
        return weights_of(kind(sizes, classes, width, generator=torch.Generator()))

    width = 0
    while needed(width + HEADS) <= weights:
        width += HEADS
    if not width:
        least = needed(HEADS)
        raise ValueError(f"{kind.__name__} needs {least:,} weights at least, got {weights:,}")
    return kind(sizes, classes, width, generator=generator)
