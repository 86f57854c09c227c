"""Every kind of submission earns what it should: ``submissions/`` says which, and why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import kinds
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def outcome(released_course, tmp_path_factory) -> dict:
    """Marks and notes of all kinds."""
    chapter = released_course.chapters()[0]
    files = [released_course.solution(chapter), released_course.released(chapter)]
    command = [sys.executable, HERE / "kinds.py", *files]
    settings = {"OMP_NUM_THREADS": "1", "COURSE_QUIET": "1", "COURSE_DEVICE": "cpu", "MPLBACKEND": "agg"}
    where = {"cwd": tmp_path_factory.mktemp("kinds"), "env": os.environ | settings}  # some write files
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, **where)
    if done.returncode:
        pytest.fail(done.stderr[-3000:], pytrace=False)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_kind_earns_what_it_should(kind, outcome):
    given = kinds.KINDS[kind]
    honest = kind in kinds.runpy.run_path(str(kinds.FOLDER / "honest.py"))["KINDS"]
    expected = given.get("marks", (2, 3, 1) if honest else (0, 0, 1))
    assert tuple(outcome[kind]["marks"]) == expected, outcome[kind]
    if "note" in given:
        assert any(given["note"] in note for note in outcome[kind]["notes"]), outcome[kind]["notes"]
