"""Recipe ``mnist-cca``: two halves of one digit as two views, after Andrew et al. (2013), section 4.1.

The left 14 columns of an MNIST digit are one view, the right 14 the other. Whatever method maps both halves to 20
numbers is asked three questions about *test* digits: how strongly do the numbers correlate, does a classifier trained
on left halves work on right halves, and does a left half find its own right half among 1,000?
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.nonlinear_cca import DeepCCA, KernelCCA, network
from course.metrics import column_correlations, cross_view_accuracy, retrieval_at_1
from course.reproduce.runner import Recipe, saved_in

CORRELATION = "sum of correlations"
TRAIN_CORRELATION = "sum of correlations, training pairs"
ACCURACY = "accuracy, trained left, tested right"
CANDIDATES = 1_000
RETRIEVAL = f"retrieval at 1 of {CANDIDATES:,}"
MIDDLE = 14  # columns of the left half

Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # halves [n, 392], [n, 392] -> [n, k], [n, k]


@dataclass(frozen=True)
class MnistCCAConfig:
    """What is measured, and on how much data.

    Attributes:
        components: dimension of the shared space.
        pairs: training pairs drawn for each seed; the test pairs are always the 10,000 official ones.
        seeds: each draws its own training pairs, random features and initial networks.
        ridge: of linear CCA, added to the diagonals of both covariances (pixels lie in [0, 1]).
        random_features: for the kernel method.
        kernel_ridge: in feature space, where every half has norm one.
        hidden: widths of the hidden layers of each network of deep CCA.
        deep_epochs: passes over the training pairs for deep CCA.
        deep_batch: pairs in a batch of deep CCA.
    """

    components: int = 20
    pairs: int = 50_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    ridge: float = 1e-3
    random_features: int = 2_000
    kernel_ridge: float = 1e-5
    hidden: tuple[int, ...] = (512, 512)
    deep_epochs: int = 20
    deep_batch: int = 1_000

    @classmethod
    def quick(cls) -> "MnistCCAConfig":
        """Three seeds of 10,000 pairs: minutes on a laptop."""
        return cls(pairs=10_000, seeds=(0, 1, 2), random_features=1_000)

    @classmethod
    def full(cls) -> "MnistCCAConfig":
        """Five seeds of 50,000 pairs."""
        return cls()


def halves(images: Tensor) -> tuple[Tensor, Tensor]:
    """The left and the right half of images ``[n, 1, 28, 28]``: two views ``[n, 392]``."""
    left, right = images.split([MIDDLE, images.shape[-1] - MIDDLE], dim=-1)
    return left.flatten(1), right.flatten(1)


def principal_axes(view: Tensor, components: int) -> Callable[[Tensor], Tensor]:
    """The map to the first principal components of ``view [n, p]``: ``[m, p] -> [m, components]``."""
    mean = view.mean(0)
    axes = torch.linalg.eigh(torch.cov(view.T)).eigenvectors[:, -components:].flip(1)
    return lambda rows: (rows - mean) @ axes


class MnistCCA(Recipe):
    """Five maps of both halves to 20 numbers; the last is the control, linear CCA of pairs in random order."""

    name = "mnist-cca"
    presets = MnistCCAConfig
    methods = ("PCA of each half", "linear CCA", "kernel CCA", "deep CCA", "linear CCA, shuffled pairs")
    units: ClassVar = {TRAIN_CORRELATION: "", CORRELATION: "", ACCURACY: "%", RETRIEVAL: "%"}

    def load(self) -> None:
        """MNIST, as bytes; a half is cut where it is needed."""
        self.train, self.test = (data.load("mnist", split=split).to(self.device) for split in ("train", "test"))

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Fit one method to pairs that depend only on the seed, and ask it the three questions."""
        generator = runtime.generator(seed)
        chosen = torch.randperm(len(self.train), generator=generator)[: self.config.pairs].to(self.device)
        (x, y), labels = halves(self.train.examples(chosen)), self.train.y[chosen]
        if method == self.methods[-1]:
            y = y[torch.randperm(len(y), generator=runtime.generator(seed)).to(self.device)]
        transform = self.fitted(method, x, y, seed, folder)
        zx, zy = transform(x, y)
        test_zx, test_zy = transform(*halves(self.test.examples()))
        return {
            TRAIN_CORRELATION: column_correlations(zx, zy).sum().item(),
            CORRELATION: column_correlations(test_zx, test_zy).sum().item(),
            ACCURACY: 100 * cross_view_accuracy(zx, labels, test_zy, self.test.y),
            RETRIEVAL: 100 * retrieval_at_1(test_zx[:CANDIDATES], test_zy[:CANDIDATES]),
        }

    def fitted(self, method: str, x: Tensor, y: Tensor, seed: int, folder: Path) -> Transform:
        """The map that a method finds for the training pairs ``x, y [n, 392]``."""
        config, k = self.config, self.config.components
        if method == "PCA of each half":
            map_x, map_y = principal_axes(x, k), principal_axes(y, k)
            return lambda left, right: (map_x(left), map_y(right))
        if method == "kernel CCA":
            kernel = KernelCCA(k, config.kernel_ridge, random_features=config.random_features, seed=seed)
            return kernel.fit(x, y).transform
        if method == "deep CCA":
            model = DeepCCA(*(network(view.shape[1], config.hidden, k) for view in (x, y)), k).to(self.device)
            size = min(config.deep_batch, len(x))
            steps = config.deep_epochs * len(x) // size
            model.fit(x, y, steps=steps, batch_size=size, seed=seed, **saved_in(folder))
            return model.transform
        return CCA(k, config.ridge).fit(x, y).transform
