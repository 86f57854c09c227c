"""Training in two processes on the CPU, for test_training.py: ``python launched_run.py FOLDER``.

Each process writes what it ended with to ``FOLDER/<process>.json`` and ``FOLDER/<process>.safetensors``.
"""

import json
import sys
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


def train_net(accelerator, folder, steps, resume=False):
    """A network with batch norm and dropout, whose processes draw different random numbers."""
    torch.manual_seed(accelerator.process_index)
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def closure(number):
        x = batch(number).float()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        return loss.detach()

    def validate():
        return {"loss": float(accelerator.process_index)}  # each has its own, the main one counts

    training.fit(
        model,
        closure,
        optimizer,
        steps=steps,
        validate=validate,
        validate_every=3,
        checkpoint=folder,
        checkpoint_every=3,
        resume=resume,
        accelerator=accelerator,
    )
    return model.state_dict()


def refusal(function, *arguments) -> str:
    try:
        function(*arguments)
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
        written.append(step)
        save(place, step, tree)

    checkpoints.save = counted
    branches, history = train_branches(accelerator, accelerator.num_processes, seed=me)
    tensors = {f"branches.{name}": value for name, value in branches.state_dict().items()}
    whole = train_net(accelerator, folder / "whole", STEPS)
    train_net(accelerator, folder / "parts", STEPS // 2)
    there = checkpoints.exists(folder / "parts")
    parts = train_net(accelerator, folder / "parts", STEPS, True)
    tensors |= {f"whole.{name}": value for name, value in whole.items()}
    tensors |= {f"parts.{name}": value for name, value in parts.items()}
    facts = {
        "processes": accelerator.num_processes,
        "train_loss": history.train_loss,
        "written": written,
        "there": there,
        "exists": refusal(train_net, accelerator, folder / "whole", STEPS),
        "sparse": refusal(train_sparse, accelerator),
    }
    save_file(tensors, folder / f"{me}.safetensors")
    (folder / f"{me}.json").write_text(json.dumps(facts), encoding="utf8")


if __name__ == "__main__":
    debug_launcher(main, (Path(sys.argv[1]),), num_processes=2)
