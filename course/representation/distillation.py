r"""A network learns to name the classes of images: from their labels, and, if there is one, from a teacher.

A teacher's scores say more than a label: which other classes an image resembles. A transformer that knows nothing of
images can inherit such knowledge from a convolutional network, which has it built in.

Sources: Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network* (2015); Touvron et al., *Training
data-efficient image transformers & distillation through attention* (2021).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Batches
from course.history import History
from course.representation.transformer import warmed_up_adamw
from course.training import fit


def distillation_loss(scores: Tensor, labels: Tensor, taught: Tensor, share: float, temperature: float) -> Tensor:
    r"""The mean loss of a student: :eq:`vit-distillation`.

    .. math:: L = (1 - \lambda)\, \operatorname{CE}(y, z) + \lambda\, \tau^2\,
              \operatorname{KL}\bigl(\operatorname{softmax}(t / \tau) \,\|\, \operatorname{softmax}(z / \tau)\bigr)

    Args:
        scores: z of the student, ``[n, classes]``.
        labels: y, ``int64 [n]``.
        taught: scores t of the teacher, ``[n, classes]``.
        share: the weight :math:`\lambda` of the teacher, from 0 to 1.
        temperature: :math:`\tau > 0`. The factor :math:`\tau^2` keeps the gradient of the teacher's part at one size.

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


def train_classifier(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    rate: float,
    batch_size: int = 64,
    seed: int = 0,
    teacher: nn.Module | None = None,
    share: float = 0.7,
    temperature: float = 3.0,
    **options,
) -> History:
    """Train in place with :func:`~course.representation.transformer.warmed_up_adamw`.

    Args:
        model: images to scores.
        x: images as floats, ``[n, channels, height, width]``, on the model's device.
        y: their classes, ``int64 [n]``.
        steps, rate, batch_size, seed: of the training; the seed draws the batches.
        teacher: another map from images to scores; it reads each batch, and is not trained.
        share, temperature: as in :func:`distillation_loss`; of no use without a teacher.
        options: further ones of :func:`course.training.fit`.
    """
    batches = Batches(len(x), min(batch_size, len(x)), seed=seed, device=x.device)
    optimizer, scheduler = warmed_up_adamw(model, steps, rate)

    def closure(step: int) -> Tensor:
        images, labels = x[batches[step]], y[batches[step]]
        if teacher is None:
            return F.cross_entropy(model(images), labels)
        with torch.no_grad():
            taught = teacher(images)
        return distillation_loss(model(images), labels, taught, share, temperature)

    return fit(model, closure, optimizer, steps=steps, scheduler=scheduler, **options)


@torch.no_grad()
def predictions(model: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The class with the highest score of each image, ``int64 [n]``; so many images are read at once."""
    return torch.cat([model(some).argmax(1) for some in x.split(batch_size)])
