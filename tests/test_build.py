"""The build of the book: what its kernels say, and which pages are read and checked again."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What a kernel does before its first cell: it opens its sockets, and logs.
START = """import logging
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
app.initialize(["-f", {file!r}])
app.log.warning("a real warning")
app.close()
"""


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")


@pytest.fixture
def settings(scripts, tmp_path) -> dict[str, str]:
    """The variables with which the book is built."""
    return importlib.import_module("execution").settle_kernels(tmp_path / "ipython")


def warnings_of_a_kernel(folder: Path, variables: dict[str, str]) -> str:
    command = [sys.executable, "-c", START.format(file=str(folder / "kernel.json"))]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=60).stderr


def test_only_the_warning_about_the_local_connection_is_left_out(settings, tmp_path):
    loud = warnings_of_a_kernel(tmp_path, settings | {"IPYTHONDIR": str(tmp_path / "elsewhere")})
    assert "TCP without encryption" in loud, "nothing to leave out"
    quiet = warnings_of_a_kernel(tmp_path, settings)
    assert "TCP without encryption" not in quiet
    assert "a real warning" in quiet


def test_a_build_that_did_not_succeed_reads_all_pages_again(scripts, tmp_path, monkeypatch):
    reading = importlib.import_module("reading")

    def begun(*, kept: bool) -> str:
        (tmp_path / ".doctrees").mkdir(exist_ok=True)
        now = reading.begin(tmp_path)
        assert (tmp_path / ".doctrees").exists() == kept
        return now

    reading.succeeded(tmp_path, begun(kept=False))
    begun(kept=True)  # and then killed
    reading.succeeded(tmp_path, begun(kept=False))
    begun(kept=True)
    monkeypatch.setattr(reading, "reading", lambda: "other extensions")
    reading.succeeded(tmp_path, begun(kept=False))
    reading.succeeded(tmp_path, begun(kept=True))


def test_reading_depends_on_the_extensions_and_what_they_use_of_the_course(scripts, tmp_path, monkeypatch):
    reading = importlib.import_module("reading")
    used = {name: tmp_path / name for name in ("course.svg", "course.crossmodal.cca")}
    for path in used.values():
        path.write_text("")
    monkeypatch.setattr(reading, "modules", lambda: {"course": ROOT / "course" / "__init__.py"} | used)
    before = reading.reading()
    used["course.crossmodal.cca"].write_text("x = 1")
    assert reading.reading() == before
    used["course.svg"].write_text("x = 1")
    assert reading.reading() != before


def test_a_link_is_checked_again_when_its_target_goes(tmp_path):
    """Sphinx alone would pass over the page with the link, which has not changed."""
    (tmp_path / "conf.py").write_text("extensions = ['myst_parser', 'fresh']\nnitpicky = True")
    (tmp_path / "index.md").write_text("# One\n\n```{toctree}\nlinks\ntarget\n```\n")
    (tmp_path / "links.md").write_text("# Two\n\nSee {ref}`there`.\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "book" / "_ext")}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(tmp_path), str(tmp_path / "_out")]

    def build(label: str, title: str) -> str:
        (tmp_path / "target.md").write_text(f"({label})=\n# {title}\n")
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stderr

    assert build("there", "Three") == ""
    assert build("there", "Another title") == ""
    said = build("elsewhere", "Another title")
    assert "links.md" in said and "undefined label: 'there'" in said
