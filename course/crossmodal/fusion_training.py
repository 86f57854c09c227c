"""Training a fusion: one recipe for all kinds, modality dropout, and whose gradient is how long.

Sources: Neverova et al., *ModDrop: adaptive multi-modal gesture recognition* (2016), for the dropout; Wang, Tran and
Feiszli, *What makes training multi-modal classification networks hard?* (2020), for modalities that learn at different
speeds.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.crossmodal.fusion import Fusion, Inputs
from course.data import Batches
from course.history import History
from course.runtime import step_generator
from course.training import fit


def modality_dropout(n: int, modalities: int, share: float, step: int, *, seed: int = 0) -> Tensor:
    r"""Which modalities each of n rows keeps: :eq:`fusion-dropout`, ``bool [n, modalities]``.

    Each is dropped with the probability ``share``, independently; a row that would lose all of them keeps one, drawn
    evenly.

    Args:
        step, seed: the same numbers give the same rows.

    Raises:
        ValueError: if the share is not from 0 to below 1.

    Example:
        >>> modality_dropout(5, 2, 0.5, step=0).any(1).all().item()
        True
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share of dropped modalities must be from 0 to below 1, got {share!r}")
    generator = step_generator(seed, step)
    kept = torch.from_numpy(generator.random((n, modalities)) >= share)
    saved = torch.from_numpy(generator.integers(modalities, size=n))
    return kept | (F.one_hot(saved, modalities).bool() & ~kept.any(1, keepdim=True))


def train_fusion(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    labels: Tensor,
    *,
    steps: int,
    rate: float,
    batch_size: int = 128,
    dropout: float = 0.0,
    watch: Mapping[str, nn.Module] | None = None,
    seed: int = 0,
    **options: Any,
) -> History:
    """Minimise the cross-entropy with Adam, whose rate falls to 0 along half a wave of the cosine.

    Args:
        model: a :class:`~course.crossmodal.fusion.Fusion`, or what is called like one; trained in place, and left in
            evaluation mode.
        inputs: what the model reads of each modality, ``[n, ...]``.
        labels: class numbers, ``int64 [n]``.
        steps, rate, batch_size: number of steps, the rate of the first, and rows of each (of fewer rows all).
        dropout: the share of :func:`modality_dropout`.
        watch: parts of the model by name; the Euclidean norm of the gradient that each gets in a step is a curve of
            that name.
        seed: of the batches and of the dropout.
        options: further ones of :func:`course.training.fit`.

    Example:
        >>> from course.crossmodal.fusion import Early
        >>> x = torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([[0.0], [1.0], [0.0], [1.0]])
        >>> fusion = Early({"a": 1, "b": 1}, 2, width=16, generator=torch.Generator().manual_seed(0))
        >>> inputs, labels = dict(zip("ab", x)), torch.tensor([0, 1, 1, 0])
        >>> history = train_fusion(fusion, inputs, labels, steps=100, rate=0.05)
        >>> fusion_accuracy(fusion, inputs, labels)
        1.0
    """
    batches = Batches(len(labels), min(batch_size, len(labels)), seed=seed, device=labels.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def closure(step: int) -> Tensor | dict[str, Tensor]:
        chosen = batches[step]
        present = None
        if dropout:
            present = modality_dropout(len(chosen), len(inputs), dropout, step, seed=seed).to(labels.device)
        scores = model({name: each[chosen] for name, each in inputs.items()}, present)
        loss = F.cross_entropy(scores, labels[chosen])
        if watch is None:
            return loss
        loss.backward()
        return {"loss": loss.detach()} | {name: gradient_norm(part) for name, part in watch.items()}

    history = fit(model.train(), closure, optimizer, steps=steps, scheduler=schedule, **options)
    model.eval()
    return history


def gradient_norm(part: nn.Module) -> Tensor:
    """The Euclidean norm of the gradient of all weights of a module, as one vector."""
    return torch.stack([p.grad.norm() for p in part.parameters() if p.grad is not None]).norm()


@torch.no_grad()
def fused_scores(model: Fusion, inputs: Inputs, present: Tensor | None = None) -> Tensor:
    """What a fusion says of all rows, ``[n, classes]``, without gradients."""
    return model(inputs, present)


def fusion_accuracy(model: Fusion, inputs: Inputs, labels: Tensor) -> float:
    """The share of the rows that get the highest score for their class."""
    return (fused_scores(model, inputs).argmax(1) == labels).double().mean().item()
