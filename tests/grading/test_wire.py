"""What passes between the processes: values come back as they were, and nothing but values of the format comes back."""

import json
import math
import socket
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course.grading import wire
from course.grading.wire import Closed, Malformed, decode, encode, receive, send

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.binary(max_size=20)
ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "f8", "i8", "u1", "?", "c16", "U5", "S3", ">f8", "M8[s]"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
VALUES = st.recursive(
    SCALARS | ARRAYS | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def same(one, other) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return one == other or (isinstance(one, complex) and one != one)


@settings(deadline=None, max_examples=200)
@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    mine, theirs = socket.socketpair()
    with mine, theirs:
        send(mine, encode(value))
        assert same(decode(receive(theirs, 5)), value)


@pytest.mark.parametrize(
    "kind",
    [
        torch.float32,
        torch.float64,
        torch.bfloat16,
        torch.float16,
        torch.int64,
        torch.uint8,
        torch.bool,
        torch.complex64,
    ],
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_of_all_types(kind, shape):
    value = (5 * torch.rand(shape)).to(kind)
    found = decode(encode((value, value.T if value.dim() == 2 else value)))[0]
    assert (found.dtype, found.shape) == (kind, torch.Size(shape))
    assert torch.equal(found, value)


def test_views_graphs_and_classes_of_their_own_become_plain():
    class Yes(torch.Tensor):
        def __eq__(self, other):
            return True

    class Five(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    class Named(tuple):
        __slots__ = ()

    grown = (torch.ones(3, requires_grad=True) * 2)[::2]
    values = decode(encode([grown, torch.zeros(2).as_subclass(Yes), Five(3), Named((1, 2)), np.float32(1.5), {1, 2}]))
    assert not values[0].requires_grad and values[0].tolist() == [2, 2]
    assert [type(each) for each in values] == [torch.Tensor, torch.Tensor, int, tuple, np.float32, set]
    assert values[2] != 4


def test_what_is_no_data_stays_and_gets_a_number():
    kept = []
    parts = encode([print, {"a": len}], lambda each: kept.append(each) or len(kept) - 1)
    assert decode(parts, lambda number: ("object", number)) == [("object", 0), {"a": ("object", 1)}]
    assert kept == [print, len]
    with pytest.raises(TypeError, match="a builtin_function_or_method cannot pass"):
        encode(print)
    with pytest.raises(TypeError, match="an array of object was returned"):
        encode(np.array([print], dtype=object), lambda _: 0)


GOOD = encode({"a": (np.arange(6.0).reshape(2, 3), torch.ones(2), [1, 2.5, "x"], b"yz")})
BAD = [
    [], [b""], [b"{"], [b"[" * 10**5], [b"[1]"], [b'{"is": "none"}'], [b'{"is": "kept", "of": 0}'], [b'{"of": 1}'],
    [b'{"is": "array", "at": 1, "type": "<f8", "shape": [1]}'],
    [b'{"is": "array", "at": 1, "type": "<f8", "shape": [1]}', b"x"],
    [b'{"is": "array", "at": 1, "type": "|O", "shape": [1]}', b"x" * 8],
    [b'{"is": "array", "at": 1, "type": "f8,f8", "shape": [1]}', b"x" * 16],
    [b'{"is": "array", "at": 0, "type": "|u1", "shape": [1]}', b"x"],
    [b'{"is": "array", "at": true, "type": "|u1", "shape": [1]}', b"x"],
    [b'{"is": "array", "at": 1, "type": "|u1", "shape": [-1, -1]}', b"x"],
    [b'{"is": "array", "at": 1, "type": "|u1", "shape": [1.0]}', b"x"],
    [b'{"is": "array", "at": 1, "type": "|u1", "shape": "1"}', b"x"],
    [b'{"is": "array", "at": 1, "type": "<f8", "shape": [4611686018427387904, 4]}', b""],
    [b'{"is": "tensor", "at": 1, "type": "load", "shape": [1]}', b"x"],
    [b'{"is": "tensor", "at": 1, "type": "__name__", "shape": [1]}', b"x"],
    [b'{"is": "tensor", "at": 1, "type": "float32", "shape": [2]}', b"x" * 4],
    [b'{"is": "dict", "of": [[{"is": "list", "of": []}, 1]]}'], [b'{"is": "dict", "of": [[1]]}'],
    [b'{"is": "complex", "of": ["a", 1]}'], [b'{"is": "complex", "of": [1]}'], [b'{"is": "bytes", "at": 9}'],
]  # fmt: skip


@pytest.mark.parametrize("parts", BAD, ids=lambda parts: str(parts)[:60])
def test_what_is_not_of_the_format_is_refused(parts):
    with pytest.raises(Malformed):
        decode(parts)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_spoiled_value_is_refused_or_plain(data):
    parts = [bytearray(part) for part in GOOD]
    part = data.draw(st.sampled_from(parts))
    for _ in range(data.draw(st.integers(1, 4))):
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode([bytes(part) for part in parts])
    except Malformed:
        return
    encode(found)  # nothing but data


def test_lengths_are_limited_on_both_sides(monkeypatch):
    monkeypatch.setattr(wire, "FRAME_BYTES", 100)
    mine, theirs = socket.socketpair()
    with mine, theirs:
        with pytest.raises(Malformed, match="101 bytes are more than the 100"):
            send(mine, [b"x" * 101])
        mine.sendall(struct.pack("!III", 2, 2**31, 2**31))
        with pytest.raises(Malformed, match="4,294,967,296 bytes are more"):
            receive(theirs, 5)


def test_silence_and_the_end_are_told_apart():
    mine, theirs = socket.socketpair()
    with theirs:
        mine.sendall(struct.pack("!II", 1, 5) + b"xy")
        with pytest.raises(TimeoutError, match=r"no answer within 0\.2 s"):
            receive(theirs, 0.2)
        mine.close()
        with pytest.raises(Closed):
            receive(theirs, 5)
        with pytest.raises(Closed):
            send(theirs, [b"x"])


def test_the_format_is_readable():
    text = json.loads(encode({"a": (1, None)})[0])
    assert text == {"is": "dict", "of": [["a", {"is": "tuple", "of": [1, None]}]]}
