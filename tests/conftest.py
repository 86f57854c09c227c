"""Tests marked `gpu` are skipped where there is none."""

import pytest


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("needs a GPU")
