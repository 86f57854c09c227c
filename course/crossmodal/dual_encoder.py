"""Two towers, one for each modality, whose outputs meet on one sphere: the model that a contrastive loss trains.

What comes out can be compared across modalities: a picture finds a text, and a class that is described by texts needs
no pictures at all (*zero-shot*).

Source: Radford et al., *Learning transferable visual models from natural language supervision* (2021).
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole
from course.crossmodal.contrastive import (
    cosine_scores,
    require_temperature,
    sigmoid_loss,
    symmetric_loss,
    tiled_loss,
    without_twins,
)
from course.data import Batches
from course.history import History
from course.processes import Processes
from course.representation.transformer import warmed_up_adamw
from course.training import fit

SHARPEST = 100.0  # the largest scale 1 / τ that is learned, as in CLIP


class DualEncoder(nn.Module):
    """Things of two modalities to unit vectors ``[n, d]`` of one space.

    Args:
        x_tower, y_tower: networks from things of each modality to vectors ``[n, d]``.
        temperature: where the learned temperature begins.
        learned: whether it is learned at all.
        bias: ``None`` for the softmax loss; a number makes the loss SigLIP's, and is where its bias begins.

    Raises:
        ValueError: if the temperature is not positive and finite, or a learned one is below 1 / 100.

    Example:
        >>> model = DualEncoder(nn.Linear(8, 3), nn.Linear(5, 3))
        >>> pictures, words = model(torch.rand(4, 8), torch.rand(4, 5))
        >>> pictures.shape, round(pictures[0].norm().item(), 4), round(model.temperature.item(), 4)
        (torch.Size([4, 3]), 1.0, 0.07)
    """

    def __init__(
        self,
        x_tower: nn.Module,
        y_tower: nn.Module,
        *,
        temperature: float = 0.07,
        learned: bool = True,
        bias: float | None = None,
    ):
        super().__init__()
        require_temperature(temperature)
        if learned and temperature < 1 / SHARPEST:
            raise ValueError(f"a learned temperature is at least {1 / SHARPEST}, got {temperature}: set learned=False")
        self.x_tower, self.y_tower = x_tower, y_tower
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learned)
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    @property
    def temperature(self) -> Tensor:
        """τ, a scalar on the device of the model."""
        scale = self.log_scale.clamp(max=math.log(SHARPEST)) if self.log_scale.requires_grad else self.log_scale
        return (-scale).exp()

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The unit vectors of things of both modalities, ``[n, d]`` and ``[m, d]``."""
        return F.normalize(self.x_tower(x), dim=1), F.normalize(self.y_tower(y), dim=1)

    def vector_loss(self, zx: Tensor, zy: Tensor, groups: Tensor | None = None) -> Tensor:
        """The loss of vectors ``[n, d]`` whose rows belong together; those of one group are no negatives."""
        scores = cosine_scores(zx, zy, self.temperature)
        if groups is not None:
            scores = without_twins(scores, groups)
        return symmetric_loss(scores) if self.bias is None else sigmoid_loss(scores, self.bias)

    def loss(self, x: Tensor, y: Tensor, groups: Tensor | None = None) -> Tensor:
        """The loss of n pairs; ``groups`` as in :func:`~course.crossmodal.contrastive.without_twins`."""
        return self.vector_loss(*self(x, y), groups)


def train_pairs(
    model: DualEncoder,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    batch_size: int,
    rate: float = 1e-3,
    weight_decay: float = 0.01,
    groups: Tensor | None = None,
    validation: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
    accelerator=None,
    **options,
) -> History:
    """Train both towers by AdamW; the rate rises for a tenth of the steps and then falls to 0.

    Args:
        x, y: n pairs, ``[n, ...]`` each, on the device of the model.
        steps, batch_size, rate, weight_decay: of the training; a pair's negatives are the others of its batch.
        groups: ``int64 [n]``; pairs of one group are no negatives of each other. ``None``: all others are.
        validation: pairs on which the loss is measured every ``validate_every`` steps (see ``options``), all at once.
        seed: of the batches.
        accelerator: an ``accelerate.Accelerator``; its processes draw batches of their own, and the pairs of all of
            them are negatives of each other, by :func:`~course.crossmodal.contrastive.tiled_loss`.
        options: handed to :func:`course.training.fit`.

    Raises:
        ValueError: if x and y differ in length, or several processes are to leave out twins or to use SigLIP's loss.
    """
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} things and y {len(y)}: row i of both must belong together")
    processes = Processes(accelerator)
    if processes.count > 1 and (groups is not None or model.bias is not None):
        raise ValueError("several processes exchange negatives for the softmax loss without groups only: use one")
    batches = Batches(len(x), batch_size, seed=seed, device=x.device)

    def closure(step: int) -> Tensor:
        rows = batches[step]
        if processes.count > 1:
            return tiled_loss(*model(x[rows], y[rows]), model.temperature, processes=processes)
        return model.loss(x[rows], y[rows], None if groups is None else groups[rows])

    @torch.no_grad()
    def validate() -> dict[str, float]:
        model.eval()
        return {"loss": float(model.loss(*validation))}

    optimizer, scheduler = warmed_up_adamw(model, steps, rate, weight_decay)
    options = {"label": "contrastive"} | options
    return fit(
        model, closure, optimizer, steps=steps, scheduler=scheduler, validate=validate if validation else None,
        accelerator=accelerator, **options,
    )  # fmt: skip


def accumulate(model: DualEncoder, x: Tensor, y: Tensor, chunk: int) -> Tensor:
    r"""The loss of a batch whose activations do not fit into memory, and its gradients: :eq:`contrastive-two-passes`.

    First all vectors are computed without a graph, in chunks. The loss gives the gradient of each vector. Then each
    chunk is computed again with its graph, and the gradient goes on from its vectors. Plain accumulation of smaller
    batches would do something else: a pair's negatives would be those of its chunk.

    The towers must compute the same twice, so without dropout, and a batch normalisation would see chunks.

    Args:
        x, y: n pairs.
        chunk: how many pass a tower at a time.

    Returns:
        The loss without a graph, as a closure of :func:`course.training.fit` returns it; the gradients are left in the
        parameters.

    Source: Gao et al., *Scaling deep contrastive learning batch size under memory limited setup* (2021).
    """
    require_whole("chunk", chunk)
    towers = (model.x_tower, x), (model.y_tower, y)
    with torch.no_grad():
        vectors = [torch.cat([tower(part) for part in things.split(chunk)]) for tower, things in towers]
    leaves = [each.requires_grad_() for each in vectors]
    loss = model.vector_loss(*leaves)
    loss.backward()
    for (tower, things), leaf in zip(towers, leaves, strict=True):
        for part, slope in zip(things.split(chunk), leaf.grad.split(chunk), strict=True):
            tower(part).backward(slope)
    return loss.detach()


def class_vectors(
    encode: Callable[[list[str]], Tensor], names: Sequence[str], templates: Sequence[str] = ("{}",)
) -> Tensor:
    r"""A prototype of each class, made of text: :eq:`contrastive-prompts`.

    .. math:: w_k = \frac{\bar w_k}{\|\bar w_k\|}, \qquad
        \bar w_k = \frac1T\sum_{t=1}^{T}\frac{e(\text{template}_t(\text{name}_k))}{\|e(\dots)\|}

    They stand for the classes in :eq:`contrastive-zero-shot`.

    Args:
        encode: texts to vectors ``[n, d]``.
        names: of the classes.
        templates: each with one ``{}``, where the name goes.

    Returns:
        Vectors of length one, ``[classes, d]``.

    Raises:
        ValueError: if a template has no place for the name, or there are no names or templates.

    Example:
        >>> def by_length(texts):
        ...     return torch.tensor([[float(len(text)), 1.0] for text in texts])
        >>> class_vectors(by_length, ["cat", "horse"], ["{}", "a picture of a {}"]).shape
        torch.Size([2, 2])
    """
    if not names or not templates or isinstance(templates, str):
        raise ValueError(f"names and templates must be lists of one or more, got {names!r:.40} and {templates!r:.40}")
    if without := [template for template in templates if template.count("{}") != 1]:
        raise ValueError(f"a template needs one {{}} for the name, got {without[0]!r}")
    vectors = encode([template.replace("{}", name) for template in templates for name in names])
    return F.normalize(F.normalize(vectors, dim=1).view(len(templates), len(names), -1).mean(0), dim=1)


def linear_heads(
    x: Tensor, y: Tensor, dimension: int, *, dropout: float = 0.0, generator: torch.Generator | None = None
) -> tuple[nn.Sequential, nn.Sequential]:
    """Two linear towers for frozen vectors ``[n, p]`` and ``[n, q]``, which centre and scale what they are given.

    The weights begin small: cosines do not see their size, and the first steps forget the random directions.

    Args:
        x, y: training vectors, from which the mean is taken, and one scale for all columns.
        dimension: d, of the shared space.
        dropout: share of the numbers that are set to 0 in training mode.
        generator: of the first weights.
    """
    return tuple(linear_head(view, dimension, dropout, generator) for view in (x, y))


def linear_head(view: Tensor, dimension: int, dropout: float, generator: torch.Generator | None) -> nn.Sequential:
    """One of :func:`linear_heads`."""
    head = nn.Linear(view.shape[1], dimension, bias=False, device=view.device)
    nn.init.normal_(head.weight, std=0.1 * view.shape[1] ** -0.5, generator=generator)
    return nn.Sequential(Centred(view), nn.Dropout(dropout), head)


class Centred(nn.Module):
    """Vectors less the mean of training vectors ``[n, p]``, divided by the root of their mean squared length."""

    def __init__(self, view: Tensor):
        super().__init__()
        self.register_buffer("centre", view.mean(0))
        self.register_buffer("scale", (view - self.centre).square().sum(1).mean().sqrt())

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.scale


@torch.no_grad()
def in_chunks(tower: nn.Module, things: Tensor, chunk: int = 256) -> Tensor:
    """The vectors of many things, without a graph, ``chunk`` at a time; the tower in evaluation mode."""
    tower.eval()
    return torch.cat([tower(part) for part in things.split(chunk)])
