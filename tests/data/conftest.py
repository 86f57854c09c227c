"""Where the tests find data: nowhere, or a small good copy of a real set."""

import hashlib
import sys
from dataclasses import replace

import pytest
from tiny_sets import TINY, put

from course.data.registry import REGISTRY, entry


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No data anywhere: an empty $COURSE_DATA and an empty $COURSE_CACHE, two folders in the one returned."""
    for variable in ("COURSE_DATA", "COURSE_CACHE"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def tiny(home, monkeypatch):
    """A function that puts the small copy of a set, or other ``files``, into $COURSE_DATA and returns the folder."""

    def install(name, files=None):
        for attribute, value in TINY[name]().sizes.items():
            monkeypatch.setattr(sys.modules[entry(name).function().__module__], attribute, value)
        sums = {path: hashlib.md5(content).hexdigest() for path, content in TINY[name]().files.items()}
        known = tuple(replace(file, md5=sums[file.path]) for file in entry(name).files)
        monkeypatch.setitem(REGISTRY, name, replace(entry(name), files=known))
        return put(home / "COURSE_DATA" / name, TINY[name]().files if files is None else files)

    return install
