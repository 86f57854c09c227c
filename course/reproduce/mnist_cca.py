"""Recipe ``mnist-cca``: two halves of one digit as two views, after Andrew et al. (2013), section 4.1.

The left 14 columns of an MNIST digit are one view, the right 14 the other. Whatever method maps both halves to 20
numbers is asked three questions about *test* digits: how strongly do the numbers correlate, does a classifier trained
on left halves work on right halves, and does a left half find its own right half among 1,000?
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.nonlinear_cca import DeepCCA, KernelCCA
from course.reproduce.results import Metric, metric_over_seeds, save_result

CORRELATION = "sum of correlations"
TRAIN_CORRELATION = "sum of correlations, training pairs"
ACCURACY = "accuracy, trained left, tested right"
RETRIEVAL = "retrieval at 1 of 1,000"


@dataclass(frozen=True)
class MnistCCAConfig:
    """What is measured, and on how much data.

    Attributes:
        components: dimension of the shared space.
        pairs: training pairs drawn for each seed; the test pairs are always the 10,000 official ones.
        candidates: right halves that a left half chooses from.
        seeds: each draws its own training pairs, random features and initial networks.
        ridge: added to the diagonals of both covariances (pixels lie in [0, 1]).
        random_features: for the kernel method.
        deep_epochs: passes over the training pairs for deep CCA.
    """

    components: int = 20
    pairs: int = 50_000
    candidates: int = 1_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    ridge: float = 1e-3
    random_features: int = 2_000
    deep_epochs: int = 10

    @classmethod
    def quick(cls) -> "MnistCCAConfig":
        """Three seeds of 10,000 pairs: minutes on a laptop."""
        return cls(pairs=10_000, seeds=(0, 1, 2), random_features=1_000)

    @classmethod
    def full(cls) -> "MnistCCAConfig":
        """Five seeds of 50,000 pairs."""
        return cls()


def sum_of_correlations(zx: Tensor, zy: Tensor) -> float:
    r"""The sum over components of the Pearson correlation of column :math:`i` of ``zx`` and ``zy``, both ``[n, k]``."""
    zx, zy = zx - zx.mean(0), zy - zy.mean(0)
    return float(((zx * zy).sum(0) / (zx.norm(dim=0) * zy.norm(dim=0))).sum())


def cross_half_accuracy(zx: Tensor, labels: Tensor, zy: Tensor, test_labels: Tensor) -> float:
    """Percent of right halves ``zy [m, k]`` that a logistic regression fitted to left halves ``zx [n, k]`` names rightly."""
    from sklearn.linear_model import LogisticRegression

    scale = zx.std(0)  # regularisation acts alike on all components
    classifier = LogisticRegression(max_iter=1000).fit((zx / scale).cpu().numpy(), labels.cpu().numpy())
    return 100 * classifier.score((zy / scale).cpu().numpy(), test_labels.cpu().numpy())


def retrieval_at_1(zx: Tensor, zy: Tensor) -> float:
    """Percent of the rows of ``zx [n, k]`` whose most cosine-similar row of ``zy [n, k]`` is their own partner."""
    similarity = torch.nn.functional.normalize(zx, dim=1) @ torch.nn.functional.normalize(zy, dim=1).T
    own = torch.arange(len(zx), device=zx.device)
    return 100 * (similarity.argmax(1) == own).double().mean().item()
