r"""Looking into a network: what a layer computes, and which places spoke for a class.

Source: Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization* (2017).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@contextmanager
def outputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect in a list what a layer computes while the context lasts."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda layer, inputs, output: found.append(output))
    try:
        yield found
    finally:
        handle.remove()


def activations(model: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer computes of images ``[n, channels, height, width]``: ``[n, filters, height', width']``.

    Raises:
        ValueError: if the model does not call the layer exactly once.
    """
    with torch.no_grad(), outputs_of(layer) as found:
        model(x)
    return the_one(found)


def grad_cam(model: nn.Module, layer: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    r"""Which places of a layer spoke for a class: :eq:`cnn-grad-cam`.

    .. math:: \alpha_f = \frac1{h'w'}\sum_{i,j}\frac{\partial s_c}{\partial a_{f,i,j}}, \qquad
              M_{i,j} = \max\Bigl(0, \sum_f\alpha_f\,a_{f,i,j}\Bigr)

    Args:
        model: images to scores ``[n, classes]``. The score of an image must not depend on the others in the batch:
            with batch normalisation, evaluation mode and kept averages.
        layer: one of its layers; it computes the maps a, ``[n, filters, h', w']``.
        x: the images, ``[n, channels, height, width]``.
        classes: the class c asked about, one for each image, ``int64 [n]``.

    Returns:
        ``[n, height, width]``, at least 0, interpolated to the size of the images.

    Raises:
        ValueError: if the model does not call the layer exactly once, or the score does not depend on it.
    """
    with torch.enable_grad(), outputs_of(layer) as found:
        # frozen weights leave no graph: let it begin at the images
        scores = model(x.detach().requires_grad_())
        maps = the_one(found)
        [slopes] = torch.autograd.grad(scores.gather(1, classes[:, None]).sum(), maps, allow_unused=True)
    if slopes is None:
        raise ValueError(f"the scores do not depend on what {type(layer).__name__} computes: choose another layer")
    seen = (slopes.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    return F.interpolate(seen.detach(), size=x.shape[2:], mode="bilinear", align_corners=False).squeeze(1)


def the_one(found: list[Tensor]) -> Tensor:
    """The output of the only call of a layer."""
    if len(found) != 1:
        raise ValueError(f"the model called the layer {len(found)} times, expected once: choose another layer")
    return found[0]


def as_pictures(values: Tensor) -> Tensor:
    """Maps ``[..., height, width]``, each stretched to the range from 0 to 1, for a picture; a constant one is 0."""
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    return (values - low) / (high - low).clamp_min(torch.finfo(values.dtype).tiny)
