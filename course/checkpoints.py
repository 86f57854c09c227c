"""Checkpoints that survive a kill at any moment and that cannot run code when they are read.

A checkpoint is a folder of two files: ``tensors-<step>-<digest>.safetensors`` holds the tensors and ``state.json``
everything else, with the name and the SHA-256 of the tensor file. The tensors are written first, under a name of their
own; then ``state.json`` is replaced in one atomic operation. Until that moment the older checkpoint is in force, after
it the newer one.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiplicativeLR

from course.errors import CourseError
from course.files import write_whole

STATE = "state.json"
FORMAT = 2
Tree = Any  # dicts, lists and tuples of tensors, numbers, strings, booleans and None


class CheckpointError(CourseError, ValueError):
    """A checkpoint is damaged, or belongs to another run; the message says what to do."""


def save(folder: Path, step: int, tree: Tree) -> None:
    """Make ``tree`` the checkpoint in ``folder``; the one before it is valid until this one is complete.

    Raises:
        TypeError: if the tree holds something that is neither a tensor nor JSON.
        OSError: if it cannot be written, for example to a full disk.
    """
    tensors: dict[str, Tensor] = {}
    packed = pack(tree, tensors)
    content = to_bytes(tensors)
    sha256 = hashlib.sha256(content).hexdigest()
    # save_file would leave files of random names behind when it is killed
    path = write_whole(folder / f"tensors-{step}-{sha256[:8]}.safetensors", content)
    state = {"format": FORMAT, "step": step, "tensors": path.name, "sha256": sha256, "tree": packed}
    write_whole(folder / STATE, json.dumps(state))
    for outdated in folder.glob("tensors-*"):
        if outdated != path:
            outdated.unlink()


def exists(folder: Path) -> bool:
    """Whether ``folder`` holds a checkpoint."""
    return (folder / STATE).exists()


def load(folder: Path) -> Tree:
    """Read the checkpoint in ``folder``; its tensors come on the CPU.

    Raises:
        FileNotFoundError: if there is none.
        CheckpointError: if a file of it is damaged, missing, or written by another version.
    """
    if not exists(folder):
        raise FileNotFoundError(f"no checkpoint in {folder}: {STATE} is missing")
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf8"))
        if state["format"] != FORMAT:
            raise ValueError(f"format {state['format']} found, {FORMAT} expected")
        path = folder / state["tensors"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != state["sha256"]:
            raise ValueError(f"{path.name} is not what was written: cut short or altered")
        return unpack(state["tree"], load_file(path))
    except (ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else error
        raise CheckpointError(
            f"the checkpoint in {folder} cannot be read ({reason}): restore it from a copy, "
            "or delete the folder to begin again"
        ) from error


def pack(tree: Tree, tensors: dict[str, Tensor], path: str = "") -> Tree:
    """The tree as JSON; its tensors are copied to the CPU into ``tensors`` and named by their place in the tree."""
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
        return {"__tensor__": path, "stride": torch.empty_like(tree, device="meta").stride()}
    if isinstance(tree, dict):
        if all(isinstance(key, str) for key in tree):
            return {key: pack(value, tensors, f"{path}/{key}") for key, value in tree.items()}
        if all(isinstance(key, int) for key in tree):
            return {"__integers__": {key: pack(value, tensors, f"{path}/{key}") for key, value in tree.items()}}
    if isinstance(tree, list | tuple):
        items = [pack(value, tensors, f"{path}/{position}") for position, value in enumerate(tree)]
        return items if isinstance(tree, list) else {"__tuple__": items}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"{path[1:]} is a {type(tree).__name__}: checkpoints hold tensors, numbers, text, lists and dicts")


def unpack(packed: Tree, tensors: dict[str, Tensor]) -> Tree:
    """The tree from which :func:`pack` made ``packed`` and ``tensors``; each tensor's memory is laid out as it was."""
    if isinstance(packed, list):
        return [unpack(value, tensors) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if "__tensor__" in packed:
        tensor = tensors[packed["__tensor__"]]
        return torch.empty_strided(tensor.shape, packed["stride"], dtype=tensor.dtype).copy_(tensor)
    if "__tuple__" in packed:
        return tuple(unpack(packed["__tuple__"], tensors))
    if "__integers__" in packed:
        return {int(key): unpack(value, tensors) for key, value in packed["__integers__"].items()}
    return {key: unpack(value, tensors) for key, value in packed.items()}


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's global generators: of the CPU and of ``device``."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go back to what :func:`random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type != "cpu" and device.type in state:  # a checkpoint may move from one kind of device to another
        torch.get_device_module(device).set_rng_state(state[device.type], device)


def settings(model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler | None) -> dict[str, str]:
    """What a run and its checkpoint must have in common.

    That is the shapes and types of the model, the options of the optimizer, and the state of the scheduler, which holds
    its settings; both are taken before the first step.
    """
    described = {"optimizer": type(optimizer).__name__, "scheduler": type(scheduler).__name__}
    for name, value in model.state_dict().items():
        described[f"model.{name}"] = f"{value.dtype} {list(value.shape)}".removeprefix("torch.")
    for number, group in enumerate(optimizer.param_groups):
        options = group | {"lr": group.get("initial_lr", group["lr"]), "params": len(group["params"])}
        described |= leaves(f"optimizer.{number}", options)
    return described | leaves("scheduler", scheduler.state_dict() if scheduler else {})


def leaves(name: str, tree: Tree) -> dict[str, str]:
    """The path of each leaf of a tree, and its value as text."""
    if not isinstance(tree, dict | list | tuple):
        return {name: str(tree)}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {path: text for key, value in items for path, text in leaves(f"{name}.{key}", value).items()}


def require_same(folder: Path, there: dict[str, str], here: dict[str, str]) -> None:
    """Raise CheckpointError, with the first differences, if the settings of a checkpoint are not those of this run."""
    names = sorted(name for name in there | here if there.get(name) != here.get(name))
    if names:
        lines = [f"{name}: {there.get(name, 'none')} there, {here.get(name, 'none')} here" for name in names[:5]]
        lines += [f"and {len(names) - 5} more"] * (len(names) > 5)
        raise CheckpointError(
            f"the checkpoint in {folder} is that of another run ({'; '.join(lines)}): "
            "set up the same model, optimizer, scheduler and options afresh, or take another folder"
        )


def schedule_values(scheduler: LRScheduler | None, state: dict | None) -> list[float]:
    """What the functions of ``LambdaLR`` and ``MultiplicativeLR``, in a sequence or chain too, give at a saved state.

    No checkpoint can hold a function. So its value at the last step is compared: what it gives at others may differ.
    """
    parts = zip(getattr(scheduler, "_schedulers", ()), (state or {}).get("_schedulers", ()), strict=True)
    values = [value for part, saved in parts for value in schedule_values(part, saved)]
    if isinstance(scheduler, LambdaLR | MultiplicativeLR):
        step, first = state["last_epoch"], int(isinstance(scheduler, MultiplicativeLR))  # the first that is asked for
        values += [float(function(step)) for function in scheduler.lr_lambdas if step >= first]
    return values
