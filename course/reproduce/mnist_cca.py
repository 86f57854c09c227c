"""Recipe ``mnist-cca``: two halves of one digit as two views, after Andrew et al. (2013), section 4.1.

The left 14 columns of an MNIST digit are one view, the right 14 the other. Whatever method maps both halves to 20
numbers is asked three questions about *test* digits: how strongly do the numbers correlate, does a classifier trained
on left halves work on right halves, and does a left half find its own right half among 1,000?
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.nonlinear_cca import DeepCCA, KernelCCA, network
from course.metrics import column_correlations, cross_view_accuracy, retrieval_at_1
from course.reproduce.results import measured_on, metric_over_seeds, save_result, settings_of

CORRELATION = "sum of correlations"
TRAIN_CORRELATION = "sum of correlations, training pairs"
ACCURACY = "accuracy, trained left, tested right"
CANDIDATES = 1_000
RETRIEVAL = f"retrieval at 1 of {CANDIDATES:,}"
UNITS = {TRAIN_CORRELATION: "", CORRELATION: "", ACCURACY: "%", RETRIEVAL: "%"}
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
    """The left and the right half of ``uint8 [n, 1, 28, 28]`` images: two views ``[n, 392]`` from 0 to 1."""
    left, right = (images.float() / 255).split([MIDDLE, images.shape[-1] - MIDDLE], dim=-1)
    return left.flatten(1), right.flatten(1)


def principal_axes(view: Tensor, components: int) -> Callable[[Tensor], Tensor]:
    """The map to the first principal components of ``view [n, p]``: ``[m, p] -> [m, components]``."""
    mean = view.mean(0)
    axes = torch.linalg.eigh(torch.cov(view.T)).eigenvectors[:, -components:].flip(1)
    return lambda rows: (rows - mean) @ axes


def fitted(x: Tensor, y: Tensor, config: MnistCCAConfig, seed: int) -> Iterator[tuple[str, Transform, Tensor]]:
    """Each method fitted to the training pairs ``x, y [n, 392]``: its name, its map, and the ``y`` that it was given.

    The last is the control: its right halves are in random order, so that there is nothing to be found.
    """
    k = config.components
    map_x, map_y = principal_axes(x, k), principal_axes(y, k)
    yield "PCA of each half", lambda left, right: (map_x(left), map_y(right)), y
    yield "linear CCA", CCA(k, config.ridge).fit(x, y).transform, y
    kernel = KernelCCA(k, config.kernel_ridge, random_features=config.random_features, seed=seed)
    yield "kernel CCA", kernel.fit(x, y).transform, y
    yield "deep CCA", deep_cca(x, y, config, seed).transform, y
    shuffled = y[torch.randperm(len(y), generator=runtime.generator(seed)).to(y.device)]
    yield "linear CCA, shuffled pairs", CCA(k, config.ridge).fit(x, shuffled).transform, shuffled


def deep_cca(x: Tensor, y: Tensor, config: MnistCCAConfig, seed: int) -> DeepCCA:
    """Deep CCA of the training pairs, with initial weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPU's for good
        networks = [network(view.shape[1], config.hidden, config.components) for view in (x, y)]
    model = DeepCCA(*networks, config.components).to(x.device)
    batch_size = min(config.deep_batch, len(x))
    steps = config.deep_epochs * len(x) // batch_size
    model.fit(x, y, steps=steps, batch_size=batch_size, seed=seed, label=f"deep CCA, seed {seed}")
    return model


def answers(transform: Transform, train: tuple[Tensor, ...], test: tuple[Tensor, ...]) -> dict[str, float]:
    """What one method answers to each question; ``train`` and ``test`` are left halves, right halves and digits."""
    (x, y, labels), (test_x, test_y, test_labels) = train, test
    zx, zy = transform(x, y)
    test_zx, test_zy = transform(test_x, test_y)
    return {
        TRAIN_CORRELATION: column_correlations(zx, zy).sum().item(),
        CORRELATION: column_correlations(test_zx, test_zy).sum().item(),
        ACCURACY: 100 * cross_view_accuracy(zx, labels, test_zy, test_labels),
        RETRIEVAL: 100 * retrieval_at_1(test_zx[:CANDIDATES], test_zy[:CANDIDATES]),
    }


def run(preset: str, *, folder: Path | None = None, device: torch.device | str | None = None) -> Path:
    """Measure every method with every seed and write the result file, whose path is returned.

    Args:
        preset: ``"quick"`` or ``"full"``.
        folder: of the result file; None for the book's results.
        device: None for the fastest that is there.

    Raises:
        DataError: if MNIST is not to be had; the message says how to get it.
    """
    config = settings_of(MnistCCAConfig, preset)
    device = runtime.device(device)
    begin = time.perf_counter()
    digits, test_digits = (data.load("mnist", split=split).to(device) for split in ("train", "test"))
    test = (*halves(test_digits.x), test_digits.y)
    found: dict[str, dict[str, list[float]]] = {measure: {} for measure in UNITS}
    for seed in runtime.progress(config.seeds, desc="mnist-cca, seeds"):
        chosen = torch.randperm(len(digits), generator=runtime.generator(seed))[: config.pairs].to(device)
        (x, y), labels = halves(digits.x[chosen]), digits.y[chosen]
        for method, transform, partners in fitted(x, y, config, seed):
            for measure, value in answers(transform, (x, partners, labels), test).items():
                found[measure].setdefault(method, []).append(value)
    metrics = [
        metric_over_seeds(f"{method}: {measure}", values, unit=UNITS[measure])
        for measure, methods in found.items()
        for method, values in methods.items()
    ]
    return save_result(
        "mnist-cca",
        preset,
        metrics,
        config=asdict(config),
        seeds=list(config.seeds),
        seconds=time.perf_counter() - begin,
        environment=measured_on(device),
        folder=folder,
    )
