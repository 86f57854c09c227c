"""Prose: what is dropped from a docstring, nothing twice, no test text in training, and the same in every process."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.data import DataError, load, words
from course.data import prose as module
from course.data.prose import new_paragraphs, paragraphs, part_of, strings
from course.data.registry import entry

SMALL = ("pooch", "easyfsl", "torchaudio")
DOCSTRING = """Compute the *mean* of an array along :func:`an axis <axis>` of it.

Parameters
----------
x : array_like
    The values that are averaged here.
y (`int`, *optional*): How many of them are left out.

.. note::
    This paragraph is inside a note.

.. math::
    This line belongs to a formula here.

For example, this is how it is called::

    this is not a sentence of it.

>>> mean([1, 2])
This output is not prose at all.

* The first item is a whole sentence.

== =====================
a  this is a table of it
== =====================

```python
this code has five words too.
```
The end, without a full stop here
"""


@pytest.fixture
def small(home, monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", SMALL)


def test_prose_is_kept_and_everything_else_is_dropped():
    assert paragraphs(DOCSTRING) == [
        "Compute the mean of an array along an axis <axis> of it.",
        "The values that are averaged here.",
        "How many of them are left out.",
        "This paragraph is inside a note.",
        "For example, this is how it is called:",
        "The first item is a whole sentence.",
    ]


def test_docstrings_and_those_of_functions_written_in_c():
    source = 'def f(): "F."\nclass A:\n  "A."\n  def g(self): "G."\nif f:\n  def h(): "H."\n"no docstring"\n'
    source += 'add_docstr(torch.abs, r"""Abs.\n    Of x.""".format(1))\nprint("""no\ndocstring""")\n'
    assert list(strings(module.ast.parse(f'"M."\n{source}'))) == ["M.", "F.", "A.", "G.", "H.", "Abs.\nOf x."]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=14), max_size=12))
def test_repetitions_are_found_as_by_the_definition(spoken):
    def shingles(said):
        return [tuple(said[i : i + module.SHINGLE]) for i in range(len(said) - module.SHINGLE + 1)]

    expected, seen = [], set()
    for position, said in enumerate(spoken):
        old = sum(shingle in seen for shingle in shingles(said))
        expected.append(said not in spoken[:position] and old <= module.COMMON * len(shingles(said)))
        seen |= set(shingles(said))
    assert new_paragraphs([" ".join(said) for said in spoken]) == expected


def test_splits_share_no_file_and_no_paragraph_and_make_up_the_whole(small):
    parts = [load("prose", split=split) for split in ("train", "validation", "test")]
    files = [{name.partition(":")[0] for name in part.names} for part in parts]
    lines = [[tuple(words(line)) for text in part.texts for line in text.split("\n")] for part in parts]
    assert all(len(set(part)) == len(part) > 0 for part in lines)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not files[one] & files[other] and not set(lines[one]) & set(lines[other])
    assert [part_of(name) for part in parts for name in part.names] == [i for i in range(3) for _ in parts[i].names]
    assert load("prose").texts == tuple(text for part in parts for text in part.texts)
    assert {name.split("/")[0] for name in load("prose").names} >= set(SMALL)


def test_of_a_paragraph_in_two_splits_training_keeps_it(monkeypatch):
    names = sorted((f"package/{i}.py:0" for i in range(200)), key=lambda name: module.zlib.crc32(name.encode()))
    names = names[[part_of(name) for name in names].index(2) :]  # a test file is first in the order of checksums
    monkeypatch.setattr(module, "docstrings", lambda: [(name, "This paragraph is in every file.") for name in names])
    assert [len(documents) for documents in module.make().values()] == [1, 0, 0]


def test_tokens_limit_the_words(small):
    whole = load("prose", split="train")
    some = load("prose", split="train", tokens=500)
    counts = [len(words(text)) for text in some.texts]
    assert sum(counts[:-1]) < 500 <= sum(counts)
    assert some.texts == whole.texts[: len(some)] and some.name == "prose (train)"
    assert load("prose", split="train", tokens=10**9) == whole
    with pytest.raises(ValueError, match="tokens must be a whole number"):
        load("prose", tokens=0)


def test_every_process_makes_the_same():
    code = f"import json; from course.data import prose; prose.PACKAGES = {SMALL}; print(json.dumps(prose.make()))"
    runs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout, runs[0].stderr
    assert {part: len(made) > 9 for part, made in json.loads(runs[0].stdout).items()} == dict.fromkeys(
        module.SPLITS, True
    )


def test_it_is_made_once_and_again_when_the_cache_is_damaged_or_cannot_be_written(small, home, monkeypatch):
    calls, make = [], module.make
    monkeypatch.setattr(module, "make", lambda: calls.append(1) or make())
    first = load("prose")
    assert load("prose") == first and len(calls) == 1
    (path,) = (home / "COURSE_CACHE" / "prose").glob("*.json")
    path.write_bytes(path.read_bytes().replace(b"the", b"teh", 1))
    assert load("prose") == first and len(calls) == 2
    monkeypatch.setenv("COURSE_CACHE", str(path))  # a file: no folder can be made in it
    assert load("prose") == first and len(calls) == 3


def test_a_cache_that_may_not_be_read_is_as_none(small, home, monkeypatch):
    first, read = load("prose"), Path.read_bytes

    def refuse(path):
        if path.suffix == ".json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert load("prose") == first


def test_a_package_that_is_not_installed_is_named(home, monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("pooch", "no-such-package"))
    with pytest.raises(DataError, match="prose is made from packages, and no-such-package is not installed: run make"):
        load("prose")


def stated(package):
    """The first words of the names of the licences in a package's metadata."""
    data = metadata(package)
    names = re.split(" (?:AND|OR) ", data.get("License-Expression") or data.get("License", "").partition("\n")[0])
    classes = [line.split(" :: ")[-1] for line in data.get_all("Classifier", []) if line.startswith("License ::")]
    return {name.split("-")[0].split()[0] for name in classes or names}


def test_the_registry_names_the_licences_that_the_packages_state():
    expected = set().union(*map(stated, module.PACKAGES))
    assert set(re.findall(r"\b(?=\w*[A-Z])\w{3,}", entry("prose").licence)) == expected


@pytest.mark.slow
def test_the_whole_of_it():
    data = load("prose")
    assert sum(len(words(text)) for text in data.texts) == pytest.approx(1_500_000, rel=0.05)
    assert len(data) == pytest.approx(30_500, rel=0.05)
