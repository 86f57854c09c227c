"""Calls on their way from the judge to a student's process: pickles, whose arrays travel beside them.

Towards the student anything may pass: functions that a test defines, networks, episodes. Arrays are counted, so that
the judge can put back what a call changed in them: an answer that changes its arguments is seen to do so, as it would
be without a second process. What stays on one side goes as a number: the student's objects, and functions that the
judge keeps for itself.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import numpy as np
import torch

from course.grading.wire import decode, encode

ARRAYS, OBJECTS = (np.ndarray, torch.Tensor, torch.nn.Parameter), np.dtype(object)


@dataclass(frozen=True)
class Kept:
    """The number of something that stays where it is: an answer by its ``name``, an object, or a function."""

    kind: str  # answer, object or function
    name: Any


@dataclass
class Parcel:
    """Pickled bytes, and the arrays that belong to them."""

    content: bytes
    arrays: list[Any] = field(default_factory=list)

    def parts(self) -> list[bytes]:
        """As the parts of a frame."""
        described = [described_array(each) for each in self.arrays]
        return [self.content, pickle.dumps(described)]


def described_array(array: Any) -> dict:
    """An array's bytes, and what else makes it that array."""
    if isinstance(array, torch.Tensor):
        about = {"leaf": array.requires_grad, "parameter": isinstance(array, torch.nn.Parameter)}
        about["grad"] = None if not array.is_leaf or array.grad is None else encode(array.grad)
    else:
        about = {"writeable": array.flags.writeable}
    return about | {"value": encode(array)}


def restored_array(about: dict) -> Any:
    """The array that :func:`described_array` has described."""
    value = decode(about["value"])
    if isinstance(value, torch.Tensor):
        if about["parameter"]:
            value = torch.nn.Parameter(value, requires_grad=about["leaf"])
        elif about["leaf"]:
            value.requires_grad_()
        if about["grad"] is not None:
            value.grad = decode(about["grad"])
    else:
        value.flags.writeable = about["writeable"]
    return value


def pack(value: Any, kept: Callable[[Any], Kept | None]) -> Parcel:
    """A parcel of a value; ``kept`` says what does not travel, and under which number it is known."""
    stream, arrays, numbers = io.BytesIO(), [], {}

    class Packer(cloudpickle.Pickler):
        def persistent_id(self, each: Any) -> Any:
            if (stays := kept(each)) is not None:
                return stays
            if type(each) in ARRAYS and each.dtype is not OBJECTS:
                if id(each) not in numbers:
                    numbers[id(each)] = len(arrays)
                    arrays.append(each)  # which also keeps it alive, so that the id stays its own
                return numbers[id(each)]
            return None

    Packer(stream).dump(value)
    return Parcel(stream.getvalue(), arrays)


def unpack(parts: list[bytes], find: Callable[[Kept], Any]) -> tuple[Any, list[Any]]:
    """The value of a parcel and its arrays; ``find`` gives what a number stands for."""
    arrays = [restored_array(about) for about in pickle.loads(parts[1])]

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, found: Any) -> Any:
            return find(found) if isinstance(found, Kept) else arrays[found]

    return Unpacker(io.BytesIO(parts[0])).load(), arrays


def changed(before: list[bytes], arrays: list[Any]) -> list[tuple[int, Any, Any]]:
    """The arrays whose content or gradient is not as it was: number, content, gradient."""
    found = []
    for number, (content, array) in enumerate(zip(before, arrays, strict=True)):
        gradient = array.grad if isinstance(array, torch.Tensor) and array.is_leaf else None
        if content != encoded(array, gradient):
            found.append((number, array, gradient))
    return found


def encoded(array: Any, gradient: Any) -> list[list[bytes]]:
    """What :func:`changed` compares."""
    return [encode(array), encode(gradient)]


def contents(arrays: list[Any]) -> list[Any]:
    """The arrays as they are now, for :func:`changed`."""
    return [encoded(each, each.grad if isinstance(each, torch.Tensor) and each.is_leaf else None) for each in arrays]


def put_back(arrays: list[Any], found: list[tuple[int, Any, Any]]) -> None:
    """Do to the judge's arrays what a call has done to the student's copies of them.

    Raises:
        ValueError: if an array of another type or shape came back.
    """
    for number, value, gradient in found:
        mine = arrays[number]
        if type(value) is not (torch.Tensor if isinstance(mine, torch.Tensor) else np.ndarray) or (
            (value.shape, value.dtype) != (mine.shape, mine.dtype)
        ):
            raise ValueError("an argument came back with another type or shape: arguments must not change")
        if isinstance(mine, torch.Tensor):
            with torch.no_grad():
                mine.copy_(value)
                if mine.is_leaf and gradient is not None:
                    mine.grad = gradient.to(mine.dtype).reshape(mine.shape)
        else:
            mine[...] = value


def containers(value: Any) -> list[Any]:
    """The lists, dictionaries and sets in a value, in an order that both sides find."""
    found: dict[int, Any] = {}

    def go_through(each: Any) -> None:
        if type(each) in (list, dict, set):
            if id(each) in found:
                return
            found[id(each)] = each
        if type(each) in (list, tuple):
            for part in each:
                go_through(part)
        elif type(each) is dict:
            for part in each.values():
                go_through(part)

    go_through(value)
    return [*found.values()]


def list_of(box: Any) -> list[Any]:
    """What a container holds now."""
    return [*box.items()] if isinstance(box, dict) else [*box]


def refilled(held: list[list[Any]], boxes: list[Any]) -> list[tuple[int, Any]]:
    """The containers that no longer hold what they held, by number."""
    found = []
    for number, (before, box) in enumerate(zip(held, boxes, strict=True)):
        now = list_of(box)
        flat = (before, now) if not isinstance(box, dict) else ([*sum(before, ())], [*sum(now, ())])
        if len(flat[0]) != len(flat[1]) or any(one is not other for one, other in zip(*flat, strict=True)):
            found.append((number, box))
    return found


def refill(boxes: list[Any], found: list[tuple[int, Any]]) -> None:
    """Let the judge's containers hold what the student's copies of them hold after a call."""
    for number, value in found:
        mine = boxes[number]
        if type(value) is not type(mine):
            raise ValueError("an argument came back as something else: arguments must not change")
        mine.clear()
        (mine.extend if isinstance(mine, list) else mine.update)(value)


def import_now(source: str) -> None:
    """Import what PyTorch imports when a derivative is first asked for: once, and not in each fork."""
    if "torch.func" in source:
        torch.func.grad(torch.sin)(torch.tensor(0.0))
