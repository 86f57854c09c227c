"""Training a network to name what is on an image, and counting how often it is right."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Batches
from course.history import History
from course.representation.shifts import moved_at_random
from course.runtime import step_generator
from course.training import fit

AT_ONCE = 64  # images: what their layers hold stays in a processor's cache


def train_classifier(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    rate: float,
    batch_size: int = 64,
    move: int = 0,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    seed: int = 0,
    **options: Any,
) -> History:
    """Minimise the cross-entropy with Adam, whose rate falls to 0 along half a wave of the cosine.

    Args:
        model: images to scores ``[n, classes]``; trained in place, and left in evaluation mode.
        images: ``[n, channels, height, width]``.
        labels: class numbers, ``int64 [n]``.
        steps, rate: number of steps, and the rate of the first.
        batch_size: images a step; of fewer images all are taken.
        move: each image of a batch is moved by up to so many pixels at random.
        loss: of scores, images and labels of a batch, in place of the cross-entropy.
        seed: of the batches and the moves.
        options: further ones of :func:`course.training.fit`, such as ``validate``.

    Returns:
        The losses of the training.

    Example:
        >>> model, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), torch.eye(2).repeat(5, 8).view(10, 1, 4, 4)
        >>> labels = torch.arange(2).repeat(5)
        >>> history = train_classifier(model, images, labels, steps=20, rate=0.1)
        >>> len(history.train_loss), accuracy(model, images, labels)
        (20, 1.0)
    """
    batches = Batches(len(images), min(batch_size, len(images)), seed=seed, device=images.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def closure(step: int) -> Tensor:
        chosen = batches[step]
        x = images[chosen]
        if move:
            x = moved_at_random(x, move, step_generator(seed, step))
        if loss is not None:
            return loss(model(x), x, labels[chosen])
        return F.cross_entropy(model(x), labels[chosen])

    history = fit(model.train(), closure, optimizer, steps=steps, scheduler=schedule, **options)
    model.eval()
    return history


class NearestNeighbour(nn.Module):
    """Scores of classes: minus the distance to the nearest example of each, ``[n, classes]``; nothing is trained.

    Args:
        images: the examples, ``[examples, ...]``.
        labels: their classes, ``int64 [examples]``; every class has one example or more.
        encode: maps images to vectors, between which distances are taken; by default to their pixels.

    Example:
        >>> known = NearestNeighbour(torch.tensor([[[[0.0]]], [[[1.0]]], [[[5.0]]]]), torch.tensor([0, 0, 1]))
        >>> known(torch.tensor([[[[2.0]]]]))
        tensor([[-1., -3.]])
    """

    def __init__(self, images: Tensor, labels: Tensor, encode: nn.Module | None = None):
        super().__init__()
        self.encode = nn.Flatten() if encode is None else encode
        with torch.no_grad():
            self.register_buffer("known", self.encode(images))
        self.register_buffer("members", F.one_hot(labels).bool())  # [examples, classes]

    def forward(self, x: Tensor) -> Tensor:
        distances = torch.cdist(self.encode(x), self.known)
        return -torch.stack([distances[:, own].amin(1) for own in self.members.T], 1)


@torch.no_grad()
def scores_of(model: nn.Module, images: Tensor) -> Tensor:
    """What a model says of many images, some at a time: ``[n, classes]``."""
    return torch.cat([model(part) for part in images.split(AT_ONCE)])


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of the images that get the highest score for their class."""
    return (scores_of(model, images).argmax(1) == labels).double().mean().item()
