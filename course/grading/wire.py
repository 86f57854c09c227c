"""What passes between the grader's processes: frames of bounded length, and values of a closed format.

From a student's process comes data only: numbers, texts, containers of them, and arrays as bytes with their type and
shape. It is parsed as JSON, never unpickled, so whatever that process sends, the receiver holds plain values of its
own: no object of a student's class, and no method of one, gets here.
"""

import json
import math
import re
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FRAME_BYTES = 2**26  # of one frame
PARTS = 10_000  # of one frame
DTYPE = re.compile(r"[<>|]?([biufc](1|2|4|8|16|32)|[US]\d{1,6}|[Mm]8(\[\w{1,4}\])?)")
CONTAINERS = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset}


ENDED = "the process ended: too much memory or time, or the code ended it itself"


class Closed(RuntimeError):
    """The other process has ended, or closed its end."""


class Malformed(RuntimeError):
    """What came is longer than allowed, or not of the closed format."""


def send(channel: socket.socket, parts: list[bytes]) -> None:
    """Send one frame: the number of its parts, their lengths, and the parts.

    Raises:
        Malformed: if it is longer than :data:`FRAME_BYTES`.
        Closed: if nobody will receive it.
    """
    if (size := sum(map(len, parts))) > FRAME_BYTES:
        raise Malformed(f"{size:,} bytes are more than the {FRAME_BYTES:,} that may pass at a time")
    lengths = struct.pack(f"!I{len(parts)}I", len(parts), *map(len, parts))
    try:
        channel.sendall(b"".join([lengths, *parts]))
    except OSError as error:
        raise Closed(str(error)) from error


def receive(channel: socket.socket, seconds: float | None = None) -> list[bytes]:
    """The parts of the next frame.

    Raises:
        TimeoutError: if it is not complete after so many seconds.
        Malformed, Closed: as for :func:`send`.
    """
    end = None if seconds is None else time.monotonic() + seconds

    def exactly(size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            if end is not None and (left := end - time.monotonic()) <= 0:
                raise TimeoutError(f"no answer within {seconds:g} s")
            channel.settimeout(None if end is None else left)
            try:
                piece = channel.recv(min(size - len(found), 2**20))
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed(str(error)) from error
            if not piece:
                raise Closed("the process ended")
            found += piece
        return bytes(found)

    [count] = struct.unpack("!I", exactly(4))
    if count > PARTS:
        raise Malformed(f"a frame of {count:,} parts, more than {PARTS:,}")
    lengths = struct.unpack(f"!{count}I", exactly(4 * count))
    if (size := sum(lengths)) > FRAME_BYTES:
        raise Malformed(f"{size:,} bytes are more than the {FRAME_BYTES:,} that may pass at a time")
    return [exactly(length) for length in lengths]


def encode(value: Any, keep: Callable[[Any], Any] | None = None) -> list[bytes]:
    """A value as the parts of a frame: JSON, and the bytes that it refers to by number.

    Args:
        value: of the closed format, or what ``keep`` takes.
        keep: gives the number of an object that stays where it is; the other side gets that. ``None``: nothing may.

    Raises:
        TypeError: if there is something in it that may not pass.
    """
    blobs: list[bytes] = []

    def blob(content: bytes) -> int:
        blobs.append(content)
        return len(blobs)

    def packed(value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if isinstance(value, np.generic):
            return {"is": "scalar", "of": packed(np.asarray(value))}
        if isinstance(value, np.ndarray):
            plain = np.asarray(value)
            if not DTYPE.fullmatch(plain.dtype.str):
                raise TypeError(f"an array of {plain.dtype} was returned; its entries must be numbers or texts")
            return {"is": "array", "at": blob(plain.tobytes()), "type": plain.dtype.str, "shape": list(plain.shape)}
        if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
            return packed_tensor(value)
        for name, container in CONTAINERS.items():
            if isinstance(value, container):
                return {"is": name, "of": [packed(each) for each in value]}
        if isinstance(value, dict):
            return {"is": "dict", "of": [[packed(key), packed(each)] for key, each in value.items()]}
        for plain in (bool, int, float, str):  # of a class of their own
            if isinstance(value, plain):
                return plain(value)
        if isinstance(value, complex):
            return {"is": "complex", "of": [value.real, value.imag]}
        if isinstance(value, bytes):
            return {"is": "bytes", "at": blob(value)}
        if keep is None:
            raise TypeError(f"a {kind.__name__} cannot pass between the processes")
        return {"is": "kept", "of": keep(value)}

    def packed_tensor(value: Any) -> dict:
        import torch

        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        content = plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        name = str(plain.dtype).removeprefix("torch.")
        return {"is": "tensor", "at": blob(content), "type": name, "shape": list(plain.shape)}

    text = json.dumps(packed(value)).encode()
    return [text, *blobs]


def decode(parts: list[bytes], kept: Callable[[Any], Any] | None = None) -> Any:
    """The value that :func:`encode` made parts of.

    Args:
        parts: from another process, which may be a hostile one.
        kept: makes a stand-in for an object that stays on the other side, from its number.

    Raises:
        Malformed: if they are not of the closed format.
    """
    try:
        return unpacked(json.loads(parts[0]), parts, kept)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise Malformed(f"an answer of no known format ({type(error).__name__}: {error})") from error


def unpacked(value: Any, parts: list[bytes], kept: Callable[[Any], Any] | None) -> Any:
    """One value of :func:`decode`."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a bare list")
        return value
    kind = value["is"]
    if kind in CONTAINERS:
        return CONTAINERS[kind]([unpacked(each, parts, kept) for each in value["of"]])
    if kind == "dict":
        return {unpacked(key, parts, kept): unpacked(each, parts, kept) for key, each in value["of"]}
    if kind == "array":
        return numbers(value, parts)
    if kind == "scalar":
        return unpacked(value["of"], parts, kept)[()]
    if kind == "tensor":
        return tensor(value, parts)
    if kind == "complex":
        real, imaginary = value["of"]
        return complex(float(real), float(imaginary))
    if kind == "bytes":
        return blob_of(value, parts)
    if kind == "kept" and kept is not None:
        return kept(value["of"])
    raise ValueError(f"the kind {kind!r}")


def blob_of(value: dict, parts: list[bytes]) -> bytes:
    """The bytes that a value refers to."""
    if type(value["at"]) is not int or not 0 < value["at"] < len(parts):
        raise ValueError(f"no bytes at {value['at']!r}")
    return parts[value["at"]]


def shape_of(value: dict, size: int, item: int) -> tuple[int, ...]:
    """The shape of an array of ``size`` bytes with items of ``item`` bytes."""
    shape = tuple(value["shape"])
    if len(shape) > 32 or not all(type(each) is int and each >= 0 for each in shape):
        raise ValueError(f"the shape {shape}")
    if math.prod(shape) * item != size:
        raise ValueError(f"{size} bytes for the shape {shape}")
    return shape


def numbers(value: dict, parts: list[bytes]) -> np.ndarray:
    """A NumPy array."""
    if not DTYPE.fullmatch(value["type"]):
        raise ValueError(f"the type {value['type']!r}")
    kind, content = np.dtype(value["type"]), blob_of(value, parts)
    return np.frombuffer(bytearray(content), kind).reshape(shape_of(value, len(content), kind.itemsize))


def tensor(value: dict, parts: list[bytes]) -> Any:
    """A PyTorch tensor."""
    import torch

    kind, content = getattr(torch, str(value["type"])), blob_of(value, parts)
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"the type {value['type']!r}")
    shape = shape_of(value, len(content), kind.itemsize)
    if not content:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(kind).reshape(shape)
