"""Training in two processes on the CPU, for test_training.py: ``python launched_run.py FOLDER``.

Each process writes what it ended with to ``FOLDER/<process>.json`` and ``FOLDER/<process>.safetensors``.
"""

import json
import sys
import time
from pathlib import Path

import torch
from accelerate import Accelerator, debug_launcher
from safetensors.torch import save_file
from torch import nn

from course import checkpoints, training

STEPS = 12


class Branches(nn.Module):
    """A linear map, and a second one that only odd batches pass through."""

    def __init__(self):
        super().__init__()
        self.even, self.odd = nn.Linear(4, 3, dtype=torch.float64), nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x, number):
        return self.even(x) + (self.odd(x) if number % 2 else 0)


def batch(number: int) -> torch.Tensor:
    return torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(number))


def error(model: Branches, number: int) -> torch.Tensor:
    """The loss of one batch; the single process of the test computes the mean of two of them."""
    x = batch(number)
    return (model(x, number) - x[:, :3].sin()).square().mean()


def train_branches(accelerator, processes, seed):
    """Both processes start from other weights and see other batches; returns the model and the history."""
    torch.manual_seed(seed)
    model = Branches()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def closure(number):
        loss = sum(error(model, number + other) for other in range(2 // processes)) * processes / 2
        loss.backward()
        return loss.detach()

    wide = (lambda number: closure(2 * number)) if processes == 1 else closure
    history = training.fit(model, wide, optimizer, steps=STEPS, clip_norm=0.5, accelerator=accelerator)
    return model, history


def train_net(accelerator, **options):
    """A network with batch norm and dropout, whose processes draw different random numbers; its model and history."""
    torch.manual_seed(accelerator.process_index)
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def closure(number):
        x = batch(number).float()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        return loss.detach()

    history = training.fit(model, closure, optimizer, accelerator=accelerator, **options)
    return model.state_dict(), history


def refusal(function, *arguments, **options) -> str:
    try:
        function(*arguments, **options)
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def train_sparse(accelerator):
    model = nn.Embedding(5, 2, sparse=True)

    def closure(number):
        loss = model(torch.tensor([number % 5])).sum()
        loss.backward()
        return loss.detach()

    training.fit(model, closure, torch.optim.SparseAdam(model.parameters()), steps=1, accelerator=accelerator)


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True)
    me = accelerator.process_index
    written, save = [], checkpoints.save

    def counted(place, step, tree):
        time.sleep(0.2)  # the other process must not have returned before the checkpoint is there
        written.append(step)
        save(place, step, tree)

    checkpoints.save = counted
    branches, history = train_branches(accelerator, accelerator.num_processes, seed=me)
    tensors = {f"branches.{name}": value for name, value in branches.state_dict().items()}
    whole, parts = ({"checkpoint": folder / name, "checkpoint_every": 3} for name in ("whole", "parts"))
    train_net(accelerator, steps=STEPS // 2, **parts)
    there = len(checkpoints.load(folder / "parts")["history"]["train_loss"])
    runs = {"parts": train_net(accelerator, steps=STEPS, resume=True, **parts)}
    runs["whole"] = train_net(accelerator, steps=STEPS, **whole)
    runs["unsaved"] = train_net(accelerator, steps=STEPS)
    values = iter([[3.0, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 3.0]][me])  # by its own, process 1 would end with the first
    options = {"validate": lambda: {"loss": next(values)}, "validate_every": 3, "patience": 4}
    runs["validated"] = train_net(accelerator, steps=STEPS, **options)
    for run, (state, _) in runs.items():
        tensors |= {f"{run}.{name}": value for name, value in state.items()}
    facts = {
        "processes": accelerator.num_processes,
        "train_loss": history.train_loss,
        "validation": runs["validated"][1].validation,
        "written": written,
        "there": there,
        "exists": refusal(train_net, accelerator, steps=STEPS, **whole),
        "sparse": refusal(train_sparse, accelerator),
    }
    save_file(tensors, folder / f"{me}.safetensors")
    (folder / f"{me}.json").write_text(json.dumps(facts), encoding="utf8")


if __name__ == "__main__":
    debug_launcher(main, (Path(sys.argv[1]),), num_processes=2)
