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
from torch.nn import functional as F

from course import checkpoints, runtime, training
from course.processes import Processes

STEPS = 12


class Branches(nn.Module):
    """A linear map, a second one that only odd batches pass through, and a third for every third pair of batches."""

    def __init__(self):
        super().__init__()
        self.even, self.odd, self.third = (nn.Linear(4, 3, dtype=torch.float64) for _ in range(3))

    def forward(self, x, number):
        y = self.even(x) + (self.odd(x) if number % 2 else 0)
        return y + (self.third(x) if number // 2 % 3 == 0 else 0)


class Drift(nn.Module):
    """Subtracts a running mean, a buffer of each process's own that the training depends on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean


def batch(number: int) -> torch.Tensor:
    return torch.randn(8, 4, dtype=torch.float64, generator=runtime.generator(number))


def error(model: Branches, number: int) -> torch.Tensor:
    """The loss of one batch; the single process of the test computes the mean of two of them."""
    x = batch(number)
    return (model(x, number) - x[:, :3].sin()).square().mean()


def train_branches(accelerator, processes, seed, **options):
    """Both processes start from other weights and see other batches; returns the model and the history."""
    torch.manual_seed(seed)
    model = Branches()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def closure(number):
        if processes == 1:
            return (error(model, 2 * number) + error(model, 2 * number + 1)) / 2
        return error(model, number)

    options |= {"steps": STEPS, "clip_norm": 0.5, "accelerator": accelerator}
    return model, training.fit(model, closure, optimizer, **options)


def train_net(accelerator, **options):
    """A network with batch norm and dropout, whose processes draw different random numbers; its model and history."""
    torch.manual_seed(accelerator.process_index)
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), Drift(), nn.Dropout(0.5), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def closure(number):
        x = batch(number).float()
        return (model(x) - x.sum(1, keepdim=True)).square().mean()

    history = training.fit(model, closure, optimizer, accelerator=accelerator, **options)
    return model.state_dict(), history


def refusal(function, *arguments, **options) -> str:
    try:
        function(*arguments, **options)
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def train_table(accelerator, processes):
    """An embedding whose step n looks up rows of the batches 2 n and 2 n + 1, of which some have none."""
    model = nn.Embedding(7, 2, sparse=True)
    nn.init.ones_(model.weight)
    rows = [[0, 4, 4], [], [], [2, 3], [5, 1], [5, 1, 6, 2]]

    def closure(number):
        chosen = rows[number] if processes == 2 else rows[2 * number] + rows[2 * number + 1]
        return (model(torch.tensor(chosen, dtype=torch.long)) ** 3).sum() / (2 // processes)

    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.1, eps=1.0)  # so large that the gradient's size counts
    training.fit(model, closure, optimizer, steps=3, accelerator=accelerator)
    return model.weight.detach()


def train_pair(accelerator, loss):
    """Nothing to keep: what this loss does wrong is said."""
    x, y = model = nn.ParameterList([torch.ones(2, 1), torch.ones(2, 1)])
    optimizer = torch.optim.SGD([{"params": [x], "name": "x"}, {"params": [y], "name": "y"}])
    training.fit(model, lambda number: loss(x, y, number), optimizer, steps=2, accelerator=accelerator)


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True)
    me = accelerator.process_index
    written, save = [], checkpoints.save

    def counted(place, step, tree):
        time.sleep(0.2)  # the other process must not have returned before the checkpoint is there
        written.append(step)
        save(place, step, tree)

    checkpoints.save = counted
    branches, history = train_branches(accelerator, accelerator.num_processes, seed=me, checkpoint=folder / "branches")
    there = checkpoints.load(folder / "branches")["done"]
    tensors = {f"branches.{name}": value for name, value in branches.state_dict().items()}
    tensors["table"] = train_table(accelerator, accelerator.num_processes)
    whole, parts = ({"checkpoint": folder / name, "checkpoint_every": 3} for name in ("whole", "parts"))
    train_net(accelerator, steps=STEPS // 2, **parts)
    runs = {"parts": train_net(accelerator, steps=STEPS, resume=True, **parts)}
    runs["whole"] = train_net(accelerator, steps=STEPS, **whole)
    runs["unsaved"] = train_net(accelerator, steps=STEPS)
    values = iter([[3.0, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 3.0]][me])  # by its own, process 1 would end with the first
    options = {"validate": lambda: {"loss": next(values)}, "validate_every": 3, "patience": 4}
    runs["validated"] = train_net(accelerator, steps=STEPS, **options)
    saved = len(written)
    clock = iter(range(0, 1000, 2 + 50 * me))  # by its own, process 1 would write after each look
    training.monotonic = lambda: next(clock)
    train_net(accelerator, steps=STEPS, checkpoint=folder / "timed", checkpoint_seconds=5)
    idle = nn.Embedding(7, 2, sparse=True).weight
    Processes(accelerator).average_gradients([idle], {idle})
    for run, (state, _) in runs.items():
        tensors |= {f"{run}.{name}": value for name, value in state.items()}
    facts = {
        "processes": accelerator.num_processes,
        "train_loss": history.train_loss,
        "validation": runs["validated"][1].validation,
        "written": written[:saved],
        "timed": written[saved:],
        "there": there,
        "idle": idle.grad is None,
        "exists": refusal(train_net, accelerator, steps=STEPS, **whole),
        "sparse": refusal(train_pair, accelerator, lambda x, y, n: F.embedding(torch.tensor(0), x, sparse=True).sum()),
        "turns": refusal(train_pair, accelerator, lambda x, y, n: {"xy"[n % 2]: (x * y).sum()}),
    }
    save_file(tensors, folder / f"{me}.safetensors")
    (folder / f"{me}.json").write_text(json.dumps(facts), encoding="utf8")


if __name__ == "__main__":
    debug_launcher(main, (Path(sys.argv[1]),), num_processes=2)
