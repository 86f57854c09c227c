"""A thousand notebooks that something has spoiled: each is laid beside the original, or refused with its reason."""

import copy
import json
import random
import time

import nbformat
import pytest
from fixture_course import submission

from course.grading.answers import assemble, is_test
from course.grading.submissions import Unreadable, read

ODD = [
    None,
    True,
    -1,
    1e300,
    "",
    "\ud800",
    "é" * 300,
    [],
    {},
    ["a", 1],
    {"a": {}},
    "markdown",
    "code",
    "def mean(x):\n  1",
]


def places(value, path=()):
    """Every place in a notebook as JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def spoiled(notebook: dict, draw: random.Random) -> str | bytes:
    """The notebook with a few places changed, removed or copied; sometimes the text of the file, too."""
    made = copy.deepcopy(notebook)
    for _ in range(draw.choice((1, 1, 2, 5))):
        path = draw.choice([*places(made)][1:] or [()])
        if not path:
            break
        owner = made
        for key in path[:-1]:
            owner = owner[key]
        change = draw.choice(("odd", "odd", "remove", "copy", "long"))
        if change == "remove":
            del owner[path[-1]]
        elif change == "copy" and isinstance(owner, list):
            owner[path[-1] : path[-1]] = [copy.deepcopy(owner[path[-1]])] * draw.choice((1, 3, 300))
        elif change == "long" and isinstance(owner[path[-1]], str):
            owner[path[-1]] *= draw.choice((2, 1000))
        else:
            owner[path[-1]] = copy.deepcopy(draw.choice(ODD))
    text = json.dumps(made, ensure_ascii=draw.random() < 0.5)
    content = text.encode(draw.choice(("utf8", "utf8", "utf8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    if draw.random() < 0.1:
        cut = draw.randrange(len(content))
        content = content[:cut] + draw.choice((b"", b"\xff", b"\0")) + content[cut + draw.randrange(3) :]
    return content


@pytest.mark.parametrize("part", range(10))
def test_a_spoiled_notebook_is_graded_or_refused_by_itself(part, released, solution, tmp_path):
    whole, draw = json.loads(nbformat.writes(submission(released))), random.Random(part)
    file, refused = tmp_path / "ada.ipynb", 0
    tests = [cell.source for cell in released.cells if is_test(cell)]
    for _ in range(100):
        file.write_bytes(spoiled(whole, draw))
        start = time.monotonic()
        try:
            assembled = assemble(released, solution, read(file))
        except Unreadable as error:
            refused += 1
            assert str(error).startswith("ada.ipynb is no readable notebook (")
        else:
            assert [cell.source for cell in assembled.cells if is_test(cell)] == tests
            nbformat.validate(assembled)
            (tmp_path / "assembled.ipynb").write_text(nbformat.writes(assembled), encoding="utf8")
        assert time.monotonic() - start < 5
    assert 0 < refused < 100
