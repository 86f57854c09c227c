"""`scripts/book.py`: the kernels of the build are quiet about what is meant, and about nothing else."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "book.py"
# What a kernel does before its first cell: it opens its sockets, and logs.
START = """import logging
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
app.initialize(["-f", {file!r}])
app.log.warning("a real warning")
app.close()
"""


@pytest.fixture
def settings(tmp_path) -> dict[str, str]:
    """The variables with which the book is built."""
    spec = importlib.util.spec_from_file_location("book", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.settle_kernels(tmp_path / "ipython")


def warnings_of_a_kernel(folder: Path, variables: dict[str, str]) -> str:
    command = [sys.executable, "-c", START.format(file=str(folder / "kernel.json"))]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=60).stderr


def test_only_the_warning_about_the_local_connection_is_left_out(settings, tmp_path):
    loud = warnings_of_a_kernel(tmp_path, settings | {"IPYTHONDIR": str(tmp_path / "elsewhere")})
    assert "TCP without encryption" in loud, "nothing to leave out"
    quiet = warnings_of_a_kernel(tmp_path, settings)
    assert "TCP without encryption" not in quiet
    assert "a real warning" in quiet
