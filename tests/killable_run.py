"""A small training run for test_training.py, which is killed and resumed: ``python killable_run.py FOLDER``.

Three times the same run ends in a checkpoint in FOLDER: ``whole`` is left in peace, ``points`` is killed before each of
its operations on a file, one after the other, and ``random`` after random times. In ``writing`` nothing is trained, so
that death meets the writing itself. The lives are forked processes, and every death is a SIGKILL. Printed are the
numbers of deaths.
"""

import json
import os
import random
import signal
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path

import torch
from torch import nn

from course import checkpoints, training

STEPS = 90


def train(folder: Path) -> None:
    """Model, optimizer and schedule have every kind of state that a checkpoint must keep."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.Dropout(0.3), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)

    def error(seed: int) -> torch.Tensor:
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(seed))
        return (model(x) - x.square().sum(1, keepdim=True)).square().mean()

    def validate() -> dict[str, float]:
        model.eval()
        with torch.no_grad():
            return {"loss": error(10**6)}

    options = {"validate": validate, "validate_every": 7, "patience": 1000, "clip_norm": 5.0, "scheduler": scheduler}
    training.fit(model, error, optimizer, steps=STEPS, checkpoint=folder, checkpoint_every=3, resume=True, **options)


def die_at(folder: Path, number: int) -> None:
    """Die before a file of the checkpoint is opened, renamed or removed for the ``number``-th time, counted from 0."""
    left = iter(range(number, -1, -1))

    def hook(event, arguments):
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder)) and not next(left):
            path, mode = Path(arguments[0]), arguments[1]
            if number % 2 and mode is None and path.is_file():  # it was written, and is opened by os.open to be synced:
                os.truncate(path, path.stat().st_size // 2)  # as if death had come amid the writing
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


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


def die_at_points(folder: Path) -> int:
    """Die one operation later in each life, until a life reaches its end; return the number of deaths."""
    return next(deaths for deaths in count() if not life(folder, partial(die_at, folder, deaths)))


def die_at_random(folder: Path, window: float) -> int:
    """Die again and again within ``window`` seconds, until a life reaches its end; return the number of deaths."""
    windows = (window * 1.1**deaths for deaths in count())  # so that it ends on a machine that became slow
    return next(deaths for deaths, width in enumerate(windows) if not life(folder, seconds=random.uniform(0, width)))


def die_writing(folder: Path) -> int:
    """Die 100 times in a life that does nothing but write, then write once more; return the number of deaths."""
    tree = {"tensor": torch.ones(300, 300)}

    def write_for_ever():
        while True:
            checkpoints.save(folder, 0, tree)

    deaths = sum(life(folder, write_for_ever, random.uniform(0.002, 0.02)) == signal.SIGKILL for _ in range(100))
    checkpoints.save(folder, 1, tree)
    return deaths


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # a forked process inherits no threads
    train(folder / "warm-up")  # what torch loads at its first step is loaded once for all lives
    start = time.perf_counter()
    train(folder / "whole")
    window = (time.perf_counter() - start) / 3
    deaths = {"points": die_at_points(folder / "points"), "random": die_at_random(folder / "random", window)}
    deaths["writing"] = die_writing(folder / "writing")
    print(json.dumps(deaths))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
