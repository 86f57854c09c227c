"""Batches of a data set by number: which examples a training step sees depends only on the seed and the step."""

import torch
from torch import Tensor

from course.arguments import require_whole
from course.runtime import step_generator


class Batches:
    """Endless batches of indices: ``batches[step]`` is always the same ``int64 [size]`` for the same seed.

    The n examples are shuffled anew for each pass, and cut into n // size batches; what is left over has its turn in
    another pass, as all batches have the same size.

    Args:
        n: number of examples.
        size: of a batch, at most n.
        seed: of the whole sequence. The choice is made on the CPU, so that it is the same on every device.
        device: where the indices lie.

    Raises:
        ValueError: if n, the size or a step is no whole number in its range.

    Example:
        >>> batches = Batches(10, 4, seed=0)
        >>> batches[0].shape, len(torch.cat([batches[0], batches[1]]).unique())
        (torch.Size([4]), 8)
    """

    def __init__(self, n: int, size: int, *, seed: int = 0, device: torch.device | str = "cpu"):
        require_whole("n", n)
        require_whole("size", size, most=n)
        self.n, self.size, self.seed, self.device = n, size, seed, device
        self.shuffled = -1, torch.empty(0)  # the last pass that was asked for, and its order

    def __getitem__(self, step: int) -> Tensor:
        """Batch number ``step``, from 0 on."""
        require_whole("step", step, 0)
        number, batch = divmod(step, self.n // self.size)
        if self.shuffled[0] != number:
            order = torch.from_numpy(step_generator(self.seed, number).permutation(self.n))
            self.shuffled = number, order.to(self.device)
        return self.shuffled[1][batch * self.size : (batch + 1) * self.size]
