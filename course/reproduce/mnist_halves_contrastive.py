"""Recipe ``mnist-halves-contrastive``: correlation or contrast, between the halves of one digit.

The views, the training pairs and two of the three questions are those of ``mnist-cca``. What differs is the
loss: the correlations of a batch, or each left half among the right halves of its batch. Each method that is fitted has
three trials, judged by retrieval among validation digits, and each that is trained sees the same batches.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.dual_encoder import DualEncoder, train_pairs
from course.crossmodal.nonlinear_cca import DeepCCA, network
from course.metrics import retrieval_at_1
from course.reproduce.mnist_cca import ACCURACY, CANDIDATES, RETRIEVAL, MnistCCA, MnistCCAConfig, Transform, halves
from course.reproduce.runner import saved_in

LINEAR, DEEP, CONTRAST, LINEAR_CONTRAST, UNTRAINED, SHUFFLED = (
    "linear CCA", "deep CCA", "contrastive networks", "contrastive linear maps", "untrained networks",
    "contrastive networks, shuffled pairs",
)  # fmt: skip
RATES, LINEAR_RATES = (1e-3, 3e-3, 1e-2), (3e-3, 1e-2, 3e-2)  # of networks, of linear maps
RIDGES = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class MnistHalvesConfig(MnistCCAConfig):
    """As :class:`~course.reproduce.mnist_cca.MnistCCAConfig`; ``deep_epochs`` and ``deep_batch`` count for all.

    Attributes:
        temperature: where the learned temperature begins.
        validation: training digits, the last ones, that are kept for the choice of a rate or a ridge.
    """

    temperature: float = 0.1
    validation: int = 1_000

    @classmethod
    def quick(cls) -> "MnistHalvesConfig":
        """Three seeds of 10,000 pairs, narrower networks and 500 steps: with 100, contrast is far from its end."""
        return cls(pairs=10_000, seeds=(3, 4, 5), hidden=(256, 256), deep_epochs=50)


class MnistHalvesContrastive(MnistCCA):
    """The same networks with two losses, linear maps with both, and two controls."""

    name = "mnist-halves-contrastive"
    presets = MnistHalvesConfig
    methods = (LINEAR, LINEAR_CONTRAST, DEEP, CONTRAST, UNTRAINED, SHUFFLED)
    units: ClassVar = {ACCURACY: "%", RETRIEVAL: "%"}
    differences = ((LINEAR_CONTRAST, LINEAR), (CONTRAST, DEEP), (CONTRAST, LINEAR))

    def load(self) -> None:
        """MNIST, the last training digits kept for validation."""
        kept = {"validation": self.config.validation}
        self.train, self.validation, self.test = (
            data.load("mnist", split=split, **kept).to(self.device) for split in ("train", "validation", "test")
        )

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The questions of ``mnist-cca`` about classes and retrieval."""
        found = super().measure(seed, setting, method, folder)
        return {quantity: found[quantity] for quantity in self.units}

    def fitted(self, method: str, x: Tensor, y: Tensor, seed: int, folder: Path) -> Transform:
        """The map with the best retrieval in validation, of three."""
        if method == SHUFFLED:
            y = y[torch.randperm(len(y), generator=runtime.generator(seed)).to(self.device)]
        if method == UNTRAINED:
            return self.contrastive(x, y, None, seed, folder)
        if method == LINEAR:
            found = [CCA(self.config.components, ridge).fit(x, y).transform for ridge in RIDGES]
        else:
            train = self.deep if method == DEEP else self.contrastive
            linear, rates = ({"hidden": ()}, LINEAR_RATES) if method == LINEAR_CONTRAST else ({}, RATES)
            found = [train(x, y, rate, seed, folder / f"rate {rate}", **linear) for rate in rates]
        seen = halves(self.validation.examples())
        scores = [retrieval_at_1(*(z[:CANDIDATES] for z in transform(*seen))) for transform in found]
        return found[scores.index(max(scores))]

    def networks(self, x: Tensor, seed: int, hidden: tuple[int, ...] | None = None) -> tuple[nn.Module, nn.Module]:
        """Two networks; those of a seed begin alike."""
        torch.manual_seed(seed)
        shape = x.shape[1], self.config.hidden if hidden is None else hidden, self.config.components
        return network(*shape).to(self.device), network(*shape).to(self.device)

    def batches(self, x: Tensor) -> dict[str, int]:
        """How many steps, and of what size."""
        size = min(self.config.deep_batch, len(x))
        return {"steps": self.config.deep_epochs * len(x) // size, "batch_size": size}

    def deep(self, x: Tensor, y: Tensor, rate: float, seed: int, folder: Path) -> Transform:
        """The loss of correlations."""
        model = DeepCCA(*self.networks(x, seed), self.config.components).to(self.device)
        model.fit(x, y, lr=rate, seed=seed, **self.batches(x), **saved_in(folder))
        return model.transform

    def contrastive(
        self, x: Tensor, y: Tensor, rate: float | None, seed: int, folder: Path, hidden: tuple[int, ...] | None = None
    ) -> Transform:
        """The contrastive loss; without a rate nothing is trained."""
        model = DualEncoder(*self.networks(x, seed, hidden), temperature=self.config.temperature).to(self.device)
        if rate is not None:
            train_pairs(model, x, y, rate=rate, weight_decay=1e-4, seed=seed, **self.batches(x), **saved_in(folder))
        model.requires_grad_(False).eval()
        return model
