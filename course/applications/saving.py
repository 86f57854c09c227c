"""A saved system: a folder with its numbers, what they mean, and its model card.

The numbers are a checkpoint of :mod:`course.checkpoints`, so reading them can run no code. A frozen encoder of others
is not saved but named, with a fingerprint by which another one is noticed.
"""

import importlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import course
from course import checkpoints
from course.applications import SYSTEMS
from course.applications.card import Card
from course.applications.system import System
from course.errors import CourseError
from course.files import write_whole

CARD = "card.md"
DIGITS = 4  # decimal places of a fingerprint
SAME = 1e-3  # of its largest number: another machine rounds differently, another encoder differs by far more


class SavedError(CourseError, ValueError):
    """A folder holds no system that can be used here; the message says what to do."""


def system_class(name: str) -> type[System]:
    """The class of a system by its name; only that system's modules are imported."""
    if name not in SYSTEMS:
        raise SavedError(f"there is no application {name!r}: choose one of {', '.join(SYSTEMS)}")
    module, kind = SYSTEMS[name][0].split(":")
    return getattr(importlib.import_module(module), kind)


def require_free(folder: Path) -> None:
    """Raise SavedError if ``folder`` is there and holds anything: nothing is overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SavedError(f"{folder} is there already: name a new folder, or delete that one")


def save(folder: Path, system: System, card: Card) -> None:
    """Write a system and its card into a new folder, whole or not at all.

    Raises:
        SavedError: if the folder holds something.
        OSError: if it cannot be written.
    """
    require_free(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_whole(partial / CARD, card.markdown())
    tree = {"application": system.name, "course": course.__version__, "model": system.tree()}
    checkpoints.save(partial, 0, tree)
    if folder.exists():
        folder.rmdir()  # empty, as Windows wants it gone
    partial.rename(folder)


def load(folder: Path, device: torch.device | str = "cpu", *, name: str | None = None) -> System:
    """The system in a folder, ready to answer on ``device``.

    Args:
        folder: that :func:`save` wrote.
        device: where it computes.
        name: the system that it has to be, if only one will do.

    Raises:
        SavedError: if there is none, or another one.
        CheckpointError: if it is damaged.
    """
    if not checkpoints.exists(folder):
        raise SavedError(f"{folder} holds no saved system: train one with `course apply NAME train --to {folder}`")
    tree = checkpoints.load(folder)
    if not isinstance(tree, dict) or "application" not in tree:
        raise SavedError(f"{folder} holds the checkpoint of a training run, not a saved system: name another folder")
    if name not in (None, tree["application"]):
        raise SavedError(f"{folder} holds the system {tree['application']!r}, not {name!r}: name another folder")
    return system_class(tree["application"]).from_tree(tree["model"], torch.device(device))


def fingerprint(vector: Tensor) -> list[float]:
    """What is kept of an encoder that is not saved: its vector of a fixed input, rounded."""
    return [round(number, DIGITS) for number in vector.detach().flatten().tolist()]


def require_same_encoder(name: str, kept: Sequence[float], vector: Tensor) -> None:
    """Raise SavedError unless an encoder gives the vector that it gave when the system was trained.

    Args:
        name: of the encoder, for the message.
        kept: its :func:`fingerprint` then.
        vector: its vector of the same input now.
    """
    there, here = torch.tensor(kept), torch.tensor(fingerprint(vector))
    if there.shape != here.shape or (there - here).abs().max() > SAME * there.abs().max().clamp_min(1e-12):
        raise SavedError(
            f"the encoder {name} is not the one that this system was trained with: install that version again, "
            "or train anew"
        )
