r"""Distillation: a network learns from the scores of a teacher, and not from the labels alone.

A teacher's scores say more than a label: which other classes an image resembles. A transformer that knows nothing of
images can inherit such knowledge from a convolutional network, which has it built in.

Sources: Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network* (2015); Touvron et al., *Training
data-efficient image transformers & distillation through attention* (2021).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def distillation_loss(scores: Tensor, labels: Tensor, taught: Tensor, share: float, temperature: float) -> Tensor:
    r"""The mean loss of a student: :eq:`vit-distillation`.

    .. math:: L = (1 - \lambda)\, \operatorname{CE}(y, z) + \lambda\, \tau^2\,
              \operatorname{KL}\bigl(\operatorname{softmax}(t / \tau) \,\|\, \operatorname{softmax}(z / \tau)\bigr)

    Args:
        scores: z of the student, ``[n, classes]``.
        labels: y, ``int64 [n]``.
        taught: scores t of the teacher, ``[n, classes]``.
        share: the weight :math:`\lambda` of the teacher, from 0 to 1.
        temperature: :math:`\tau > 0`. The factor :math:`\tau^2` keeps the gradient of the teacher's part at one
            size when the temperature is high.

    Raises:
        ValueError: if a shape or number is another one.
    """
    if not 0 <= share <= 1 or not temperature > 0:
        raise ValueError(f"share is from 0 to 1 and temperature above 0, got {share} and {temperature}")
    if scores.shape != taught.shape:
        raise ValueError(f"student and teacher must score the same classes, got {scores.shape} and {taught.shape}")
    soft, targets = (scores / temperature).log_softmax(1), (taught / temperature).log_softmax(1)
    divergence = F.kl_div(soft, targets, reduction="batchmean", log_target=True)
    return (1 - share) * F.cross_entropy(scores, labels) + share * temperature**2 * divergence


def taught_by(teacher: nn.Module, share: float = 0.7, temperature: float = 3.0) -> Callable[..., Tensor]:
    """The loss of a student of ``teacher``, for :func:`course.representation.classifier.train_classifier`.

    Args:
        teacher: images to scores; it reads every batch, and is not trained.
        share, temperature: as in :func:`distillation_loss`.

    Returns:
        A function of the student's scores, the images and their labels.
    """

    def loss(scores: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            taught = teacher(images)
        return distillation_loss(scores, labels, taught, share, temperature)

    return loss
