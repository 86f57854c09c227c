r"""Fusion: vectors of several modalities, any of which may be missing, become the scores of one decision.

Every way to fuse is one small class with the same interface; they differ in *where* the modalities meet. Here are
early, late, intermediate and hybrid fusion; those that weigh the modalities are in
:mod:`course.crossmodal.fusion_weights`, those that multiply them in :mod:`course.crossmodal.fusion_products`. What is
missing counts as the vector 0, the mean of standardised vectors, or is left out of the sum, the gate or the attention.

Source: Baltrušaitis, Ahuja and Morency, *Multimodal machine learning: a survey and taxonomy* (2019).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.crossmodal.nonlinear_cca import network
from course.representation.cnn import initialise

HEADS = 4  # of an attention; widths are multiples of it
Inputs = Mapping[str, Tensor | None]


class Fusion(nn.Module):
    """What all ways to fuse have in common; a subclass says in ``build`` what it is made of, and in ``fuse`` how.

    Args:
        sizes: the length of the vectors of each modality, by name.
        classes: length of a row of scores.
        width: of the hidden layers, a multiple of 4; :func:`course.crossmodal.fusion_kinds.widest` finds it from a
            number of weights.
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


class Early(Fusion):
    r"""One network reads all vectors as one: :eq:`fusion-early`.

    .. math:: s = f([x_1; \dots; x_M])

    Example:
        >>> fusion = Early({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": None}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.network = network(sum(self.sizes.values()), (self.width, self.width), self.classes)

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
        own = (network(size, (self.width, self.width), self.classes) for size in self.sizes.values())
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
        self.joint = network(self.width * len(self.sizes), (self.width,), self.classes)

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
        self.joint = network(sum(self.sizes.values()), (self.width, self.width), self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return super().fuse(x, present) + self.joint(torch.cat(x, 1))
