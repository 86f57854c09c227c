"""What the processes of a training run exchange; with a single process, nothing.

Every process must call the same methods of :class:`Processes` in the same order, as each call is an exchange.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """The processes of an ``accelerate.Accelerator``; ``None`` stands for a single one.

    Attributes:
        count: number of processes.
        index: of this process, from 0.
        main: whether this is the one that reports and writes, number 0.
    """

    def __init__(self, accelerator: "Accelerator | None" = None):
        self.accelerator = accelerator
        self.count = accelerator.num_processes if accelerator else 1
        self.index = accelerator.process_index if accelerator else 0
        self.main = self.index == 0
        if self.count > 1:
            from accelerate import utils

            self.utils = utils

    def gather(self, value: Any) -> list:
        """The values of all processes, the main one's first; tensors inside are on the CPU."""
        return [value] if self.count == 1 else self.utils.gather_object([value])

    def gather_rows(self, rows: Tensor) -> Tensor:
        """The rows ``[n, ...]`` of all processes, ``[count * n, ...]``, the main one's first; no gradient flows back.

        All have as many rows. Unlike with :meth:`gather`, they stay on the device.
        """
        return rows.detach() if self.count == 1 else self.utils.gather(rows.detach().contiguous())

    def from_main(self, value: Any) -> Any:
        """The main process's value, in every process."""
        return value if self.count == 1 else self.utils.broadcast_object_list([value])[0]

    @torch.no_grad()
    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give these tensors the main process's values in every process."""
        if self.count > 1:
            for tensor in tensors:
                tensor.copy_(self.utils.broadcast(tensor.contiguous()))

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter], by_rows: Collection[nn.Parameter] = ()) -> None:
        """Make each gradient its mean over the processes. A process without one counts as 0; if all are, it stays None.

        Args:
            parameters: in the same order in every process.
            by_rows: the set of those whose gradients are sparse; only their rows are exchanged.

        Raises:
            ValueError: if the gradient of another parameter is sparse.
        """
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter in by_rows:
                parameter.grad = self.mean_of_rows(parameter)
        dense = [parameter for parameter in parameters if parameter not in by_rows]
        if not dense:
            return
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in dense]
        if any(gradient.is_sparse for gradient in gradients):
            raise ValueError(
                "several processes average sparse gradients only of modules with sparse=True, such as "
                "nn.Embedding(..., sparse=True): use one, or a dense gradient"
            )
        missing = [number for number, parameter in enumerate(dense) if parameter.grad is None]
        there = torch.ones(len(dense), dtype=dense[0].dtype, device=dense[0].device)
        for number in missing:
            there[number].zero_()
        mean = self.utils.reduce(torch.cat([there, *(gradient.flatten() for gradient in gradients)]), "mean")
        there, *means = mean.split([len(dense), *(gradient.numel() for gradient in gradients)])
        for gradient, average in zip(gradients, means, strict=True):
            gradient.copy_(average.view_as(gradient))
        if missing:  # a process that has all gradients need not wait for its device to tell it which ones others have
            there = there.tolist()
            for number in missing:
                dense[number].grad = gradients[number] if there[number] else None

    def mean_of_rows(self, parameter: nn.Parameter) -> Tensor | None:
        """The mean of a sparse gradient: the rows of all processes, padded to one number, are gathered and summed."""
        rows, values = parameter.new_empty(0, dtype=torch.long), parameter[:0]
        if parameter.grad is not None:
            own = (parameter.grad if parameter.grad.is_sparse else parameter.grad.to_sparse(1)).coalesce()
            rows, values = own.indices()[0], own.values() / self.count
        rows = self.utils.gather(self.utils.pad_across_processes(rows, pad_index=-1))
        values = self.utils.gather(self.utils.pad_across_processes(values))[rows >= 0]
        rows = rows[rows >= 0]
        return torch.sparse_coo_tensor(rows[None], values, parameter.shape).coalesce() if len(rows) else None


def mean_losses(everyone: Sequence[dict[str, float]], groups: Collection[str]) -> dict[str, float]:
    """The mean of each loss over the processes that returned it; a loss that trains a group of its own, all must.

    Raises:
        ValueError: if they do not.
    """
    found = {name: [losses[name] for losses in everyone if name in losses] for each in everyone for name in each}
    if any(len(found[name]) < len(everyone) for name in found.keys() & groups):
        raise ValueError(
            "the processes returned losses of different groups in one step: "
            f"let closure(n) decide by n // {len(everyone)}, the number of the step, whose turn it is"
        )
    return {name: sum(values) / len(values) for name, values in found.items()}
