"""ANIL: MAML whose inner loop adapts the last layer only. The other layers learn features that all tasks share.

Source: Raghu, Raghu, Bengio and Vinyals, *Rapid learning or feature reuse? Towards understanding the effectiveness of
MAML* (2020).
"""

from torch import nn

from course.meta_learning.adaptation import Rates
from course.meta_learning.maml import MAML, MAMLConfig


class ANIL(MAML):
    r"""Almost no inner loop: the inner steps change the head alone, the outer steps change everything.

    .. math:: w_{k+1} = w_k - \alpha \nabla_w \mathcal{L}_S(\varphi, w_k), \qquad \varphi \text{ fixed}

    This is :eq:`transfer-anil`.

    Args:
        model, config: as for :class:`~course.meta_learning.maml.MAML`.
        head: the name of the layer that is adapted.
        options: further ones of ``MAML``.

    Raises:
        ValueError: if ``model`` has no trainable parameter in a layer of that name.

    Example:
        >>> import torch
        >>> from course.representation.cnn import Conv4
        >>> anil = ANIL(Conv4(5, filters=4), MAMLConfig.quick())
        >>> sorted(anil.inner_lr)
        ['head.bias', 'head.weight']
        >>> anil.adapt(torch.rand(10, 1, 28, 28), torch.arange(5).repeat(2))(torch.rand(3, 1, 28, 28)).shape
        torch.Size([3, 5])
    """

    def __init__(self, model: nn.Module, config: MAMLConfig, *, head: str = "head", **options):
        self.adapted = [
            name
            for name, value in model.named_parameters()
            if value.requires_grad and (name == head or name.startswith(f"{head}."))
        ]
        if not self.adapted:
            layers = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"{type(model).__name__} has no trainable layer {head!r} to adapt; it has {layers}")
        super().__init__(model, config, **options)

    @property
    def inner_lr(self) -> Rates:
        """The inner rate, of the parameters of the head."""
        return dict.fromkeys(self.adapted, self.config.inner_lr)
