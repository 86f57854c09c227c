"""A file is the old one or the new one, never half of it."""

import json
import os
from pathlib import Path

import pytest

from course import files


def test_text_bytes_and_json_come_back_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "ä.txt"
    assert files.write_whole(path, "grün\n") == path
    assert path.read_bytes() == "grün\n".encode()
    files.write_whole(path, b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    files.write_json(path, {"π": [1, None]})
    assert json.loads(path.read_text(encoding="utf8")) == {"π": [1, None]}
    assert [each.name for each in path.parent.iterdir()] == ["ä.txt"]


@pytest.mark.parametrize("where", [(Path, "write_bytes"), (files, "to_disk"), (Path, "replace")])
def test_a_failure_leaves_the_old_file_and_the_next_call_cleans_up(tmp_path, monkeypatch, where):
    path = files.write_whole(tmp_path / "x", "old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*where, no_space)
        with pytest.raises(OSError, match="No space left"):
            files.write_whole(path, "new")
    assert path.read_text() == "old"
    files.write_whole(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("x", "new")]


def test_numbers_that_json_does_not_have_are_refused_before_the_file_is_touched(tmp_path):
    path = files.write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_file_may_have_the_dates_of_another(tmp_path):
    old = files.write_whole(tmp_path / "old", "")
    os.utime(old, (1, 2))
    assert files.write_whole(tmp_path / "new", "", dated_as=old).stat().st_mtime == 2
