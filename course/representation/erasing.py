r"""Which patches does a network need? Two maps that ask the network itself, and the act that tests any such map.

A map has one number for each patch of an image. Whether it names the patches that count is seen when those it puts
first are erased: :func:`erased`. Attention maps and :func:`course.representation.rollout.attention_rollout` are put to
this test, and so are the two maps here, which follow not attention but the answer.

Sources: Shrikumar, Greenside and Kundaje, *Learning important features through propagating activation differences*
(2017), for gradient times input; Zeiler and Fergus, *Visualizing and understanding convolutional networks* (2014), for
leaving parts out.
"""

import torch
from torch import Tensor, nn

from course.representation.classifier import scores_of
from course.representation.vit import join_patches, patches


def erased(x: Tensor, size: int, chosen: Tensor) -> Tensor:
    """Images without some of their patches, which become 0: blank paper.

    Args:
        x: images ``[n, channels, height, width]``.
        size: side P of a patch.
        chosen: numbers of the patches to erase, row by row, ``int64 [n, k]``.

    Raises:
        ValueError: if the patches do not fill the images, or the numbers are not those of patches of each image.

    Example:
        >>> erased(torch.ones(1, 1, 4, 4), 2, torch.tensor([[0, 3]]))[0, 0]
        tensor([[0., 0., 1., 1.],
                [0., 0., 1., 1.],
                [1., 1., 0., 0.],
                [1., 1., 0., 0.]])
    """
    cut = patches(x, size)
    if chosen.dim() != 2 or len(chosen) != len(x) or ((chosen < 0) | (chosen >= cut.shape[1])).any():
        raise ValueError(
            f"chosen must be [{len(x)}, k] with numbers from 0 to {cut.shape[1] - 1}, got {list(chosen.shape)}"
        )
    cut = cut.scatter(1, chosen[:, :, None].expand(-1, -1, cut.shape[2]), 0)
    return join_patches(cut, (x.shape[2] // size, x.shape[3] // size), x.shape[1])


def gradient_times_input(model: nn.Module, x: Tensor, size: int) -> Tensor:
    r"""What each patch adds to the answer if the network is taken for linear: G of :eq:`vit-needed`.

    .. math:: G_i = \sum_{q \in i} x_q\, \frac{\partial \ln p}{\partial x_q}

    Args:
        model: images to scores ``[n, classes]``, in evaluation mode; p is the softmax for the class it names.
        x: images ``[n, channels, height, width]``.
        size: side of a patch.

    Returns:
        ``[n, patches]``; a patch that speaks against the class is below 0.
    """
    with torch.enable_grad():
        read = x.detach().requires_grad_()
        named = model(read).log_softmax(1).amax(1)
        [slopes] = torch.autograd.grad(named.sum(), read)
    return patches(slopes * x, size).sum(2)


@torch.no_grad()
def left_out(model: nn.Module, x: Tensor, size: int) -> Tensor:
    r"""How much the answer loses without each patch: D of :eq:`vit-needed`.

    .. math:: D_i = \ln p(x) - \ln p(x \setminus i)

    Arguments and result are those of :func:`gradient_times_input`. It takes a pass for each patch.
    """
    whole = scores_of(model, x).log_softmax(1)
    named = whole.argmax(1, keepdim=True)
    numbers = torch.arange(patches(x[:1], size).shape[1], device=x.device)
    without = [scores_of(model, erased(x, size, i.expand(len(x), 1))).log_softmax(1).gather(1, named) for i in numbers]
    return whole.gather(1, named) - torch.cat(without, 1)
