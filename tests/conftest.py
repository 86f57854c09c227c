"""Tests marked `gpu` are skipped where there is none; how `make test` shares the tests between processes."""

import re

import pytest


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    """With ``--dist loadfile`` a file is one piece of work, but of the two longest each chapter, and each recipe by its
    first word, is one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFileAndChapter(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            chapter = re.match(r".*/test_(solutions|runner)\.py::\w+\[\w+(/\w+)?", nodeid)
            return chapter[0].split("[")[1] if chapter else super()._split_scope(nodeid)

    return ByFileAndChapter(config, log)
