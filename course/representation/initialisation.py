r"""How large the first weights should be, so that a signal neither dies nor explodes on its way through the layers.

Source: He et al., *Delving deep into rectifiers: surpassing human-level performance on ImageNet classification* (2015).
"""

import math

import torch
from torch import Tensor, nn


def he_normal(model: nn.Module, generator: torch.Generator | None, *, slope: float = 0.0) -> None:
    r"""Draw the weights of linear and convolutional layers as He et al. do, and set their biases to 0: :eq:`cnn-he`.

    .. math:: w \sim \mathcal N\Bigl(0, \frac2{(1 + a^2)\,n_\text{in}}\Bigr)

    Args:
        model: initialised in place.
        generator: source of the random numbers; ``None`` is torch's global one.
        slope: a, of the ReLU below zero.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            inputs = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=math.sqrt(2 / ((1 + slope**2) * inputs)), generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@torch.no_grad()
def mean_squares(layers: nn.Sequential, x: Tensor) -> Tensor:
    """The mean square of a signal at the input and after each convolution or linear layer, ``[1 + their number]``.

    Args:
        layers: one after the other.
        x: the input of the first.
    """
    found = [x.square().mean()]
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.Linear | nn.Conv2d):
            found.append(x.square().mean())
    return torch.stack(found)
