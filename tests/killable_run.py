"""A small training run for test_training.py, which kills it: ``python killable_run.py FOLDER how``.

``how`` is ``whole`` (train to the end), ``points`` (killed at every stage of writing a checkpoint, one after the
other) or ``random`` (killed after random times), each time resumed until it ends. The lives are forked processes, and
every death is a SIGKILL.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from course import checkpoints, training

STEPS = 240


def parts():
    """A model, optimizer and schedule with every kind of state that a checkpoint must keep."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.Dropout(0.3), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    return model, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)


def train(folder: Path) -> nn.Module:
    model, optimizer, scheduler = parts()

    def error(seed: int) -> torch.Tensor:
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(seed))
        return (model(x) - x.square().sum(1, keepdim=True)).square().mean()

    def closure(step: int) -> torch.Tensor:
        loss = error(step)
        loss.backward()
        return loss.detach()

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            return {"loss": error(10**6)}

    options = {"validate": validate, "validate_every": 7, "patience": 1000, "clip_norm": 5.0, "scheduler": scheduler}
    training.fit(
        model, closure, optimizer, steps=STEPS, checkpoint=folder, checkpoint_every=3, resume=True, **options
    )
    return model


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def half_written(tensors, path):
    save_file(tensors, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    die()


def written(tensors, path):
    save_file(tensors, path)
    die()


def replaced(partial, target):
    os.replace(partial, target)
    die()


save_file = checkpoints.save_file
POINTS = [  # what is replaced by what: half the tensors, all of them, state half-way, state replaced, clean-up begun
    (checkpoints, "save_file", half_written),
    (checkpoints, "save_file", written),
    (checkpoints, "to_disk", die),
    (Path, "replace", die),
    (Path, "replace", replaced),
    (Path, "unlink", die),
]


def deadly(point, after: int):
    """Replace a function by the deadly one at its ``after``-th call."""
    owner, name, deadly_function = point
    original, calls = getattr(owner, name), iter(range(10**9))

    def function(*arguments):
        return deadly_function(*arguments) if next(calls) == after else original(*arguments)

    setattr(owner, name, function)


def life(folder: Path, prepare=lambda: None, seconds: float | None = None) -> int:
    """Train in a forked process, which is killed after ``seconds``; return the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        prepare()
        train(folder)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a life ended with an error")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(folder: Path, how: str) -> None:
    deaths = 0
    if how == "points":
        for after in (0, 2):  # at the first checkpoint of a life, and at a later one
            for point in POINTS:
                assert life(folder, lambda point=point, after=after: deadly(point, after)) == signal.SIGKILL
                deaths += 1
    while how == "random" and life(folder, seconds=random.uniform(0.02, 0.12)):
        deaths += 1
    life(folder)
    print(deaths)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
