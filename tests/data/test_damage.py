"""Damage: whatever is wrong with a file of a real set is named with the remedy, and never read as data."""

import random
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sets import TINY

from course.data import DataError, load
from course.data.registry import REGISTRY

SOURCES = {name: entry.source for name, entry in REGISTRY.items() if entry.kind == "real"}
REAL = {name: {file.path for file in REGISTRY[name].files} or set(TINY[name]().files) for name in SOURCES}
FILES = [(name, path) for name, paths in REAL.items() for path in sorted(paths)]
of_each_file = pytest.mark.parametrize(("name", "path"), FILES)
fuzzed = settings(max_examples=25, deadline=None)


def write_noise(file):
    file.write_bytes(random.Random(0).randbytes(file.stat().st_size))


DAMAGE = {
    "missing": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "empty": lambda file: file.write_bytes(b""),
    "noise": write_noise,
    "a web page": lambda file: file.write_bytes(b"<html>Please log in</html>"),
}


def require_refusal(name, folder, path):
    """The set is refused, and the message names the file and ends with what to do, which it says once."""
    with pytest.raises(DataError) as caught:
        load(name)
    message = str(caught.value)
    assert str(folder / path) in message
    own = f": put the complete set into {folder}, or unset COURSE_DATA and run `course data fetch {name}`"
    assert message.count("course data fetch") == (not SOURCES[name])
    assert message.endswith(f": its owner offers {SOURCES[name]}; put that into {folder}" if SOURCES[name] else own)


def same(one, other):
    """Two loaded sets, or families of them by name, are equal in every field."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(one[key] == other[key] or same(one[key], other[key]) for key in one)
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_every_real_set_has_a_small_copy_with_the_files_of_the_registry():
    assert {name: copy().files.keys() for name, copy in TINY.items()} == REAL


@pytest.mark.parametrize("damage", DAMAGE)
@of_each_file
def test_damage_is_named_with_the_remedy(tiny, name, path, damage):
    folder = tiny(name)
    load(name)  # it was good
    DAMAGE[damage](folder / path)
    require_refusal(name, folder, path)


@of_each_file
def test_another_file_of_the_set_is_not_taken_for_it(tiny, name, path):
    for other in REAL[name] - {path}:
        files = TINY[name]().files
        require_refusal(name, tiny(name, {**files, path: files[other]}), path)


@of_each_file
def test_a_file_cut_anywhere_is_refused(tiny, name, path):
    folder, whole = tiny(name), TINY[name]().files[path]

    @fuzzed
    @given(length=st.integers(0, len(whole) - 1))
    def cut_to(length):
        (folder / path).write_bytes(whole[:length])
        require_refusal(name, folder, path)

    cut_to()


@of_each_file
def test_one_changed_byte_is_found_or_harmless(tiny, name, path):
    folder, whole = tiny(name), TINY[name]().files[path]
    good = load(name)

    @fuzzed
    @given(position=st.integers(0, len(whole) - 1), byte=st.integers(0, 255))
    def change(position, byte):
        (folder / path).write_bytes(whole[:position] + bytes([byte]) + whole[position + 1 :])
        try:
            found = load(name)
        except DataError as error:
            assert str(folder / path) in str(error)
        else:
            assert same(found, good)  # a date or a comment, for example

    change()


@pytest.mark.parametrize("name", REAL)
def test_the_own_folder_wins_and_stays_untouched_and_without_both_the_set_is_missing(tiny, home, monkeypatch, name):
    folder, cache = tiny(name), home / "COURSE_CACHE" / name
    cache.mkdir()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*")}
    good = load(name)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*")} == before
    monkeypatch.delenv("COURSE_DATA")
    remedy = rf"run `course data fetch {name}`, or let COURSE_DATA name a folder that holds a complete {name}/$"
    if SOURCES[name]:
        remedy = f"its owner offers .*; put that into a folder {name}/ and let COURSE_DATA name the folder above it$"
    with pytest.raises(
        DataError, match=rf"{name} is not on this machine; looked for .*not set\) and {cache}: {remedy}"
    ):
        load(name)
    folder.rename(cache)
    assert same(load(name), good)
    path = sorted(REAL[name])[0]
    (cache / path).unlink()
    state = f"{cache / path} is missing" if len(REAL[name]) > 1 else "is not on this machine"
    with pytest.raises(DataError, match=f"{state}.*: {remedy}"):
        load(name)
    monkeypatch.setenv("COURSE_DATA", str(home / "nowhere"))
    with pytest.raises(DataError, match=r"COURSE_DATA=.*nowhere is not a folder: correct or unset it"):
        load(name)
