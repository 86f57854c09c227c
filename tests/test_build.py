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


@pytest.fixture
def small_book(tmp_path):
    """Build a book of the pages with these names, some of which are written anew; what Sphinx warns of."""
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'sphinx_proof', 'fresh']\n"
        "myst_enable_extensions = ['colon_fence', 'dollarmath']\n"
        "nitpicky = numfig = math_numfig = True\nhtml_sourcelink_suffix = ''\nhtml_theme = 'basic'\n"
        "html_sidebars = {'**': ['globaltoc.html']}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "book" / "_ext")}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(tmp_path), str(tmp_path / "_out")]

    def build(*names: str, **changed: str) -> str:
        listed = "\n".join(names)
        (tmp_path / "index.md").write_text(f"# One\n\n```{{toctree}}\n:numbered:\n{listed}\n```\n")
        for name, text in changed.items():
            (tmp_path / f"{name}.md").write_text(text)
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stderr

    build.page = lambda name: tmp_path / "_out" / f"{name}.html"
    return build


def test_a_link_is_checked_again_when_its_target_goes(small_book):
    """Sphinx alone would pass over the page with the link, which has not changed."""
    links = "# Two\n\nSee {ref}`there`.\n"
    assert small_book("links", "target", links=links, target="(there)=\n# Three\n") == ""
    assert small_book("links", "target", target="(there)=\n# Another title\n") == ""
    said = small_book("links", "target", target="(elsewhere)=\n# Another title\n")
    assert "links.md" in said and "undefined label: 'there'" in said


LINKS = "# Two\n\n{prf:ref}`it`, {eq}`e`, {numref}`f`, {ref}`f`, {ref}`s`.\n"
TARGETS = """# Three

(s)=
## A heading

:::{prf:proposition}
:label: it
:::

$$x$$ (e)

:::{figure} map.svg
:name: f

A caption
:::
"""


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("(s)=", ":::{prf:proposition}\n:label: one\n:::\n\n(s)=", "Proposition 2.2"),
        ("(s)=", "$$y$$ (one)\n\n(s)=", "(2.2)"),
        ("(s)=", ":::{figure} map.svg\nAnother\n:::\n\n(s)=", "Fig. 2.2"),
        ("{prf:proposition}", "{prf:theorem}", "Theorem 2.1"),
        ("A caption", "Other words", "Other words"),
        ("A heading", "Other words", "Other words"),
        ("# Three", "# Another title", "Another title"),
    ],
)
def test_what_a_page_shows_of_another_one_is_written_again(small_book, tmp_path, old, new, shown):
    """Its numbers, its captions and its titles, on a page that has not changed."""
    (tmp_path / "map.svg").write_text("<svg/>")
    assert small_book("links", "target", links=LINKS, target=TARGETS) == ""
    before = small_book.page("links").read_text(encoding="utf8")
    assert shown not in before
    assert small_book("links", "target", target=TARGETS.replace(old, new, 1)) == ""
    assert shown in small_book.page("links").read_text(encoding="utf8")


def test_a_change_of_prose_writes_one_page(small_book):
    small_book("links", "target", links="# Two\n", target="# Three\n")
    written = [small_book.page(name).stat().st_mtime_ns for name in ("links", "target")]
    small_book("links", "target", target="# Three\n\nMore.\n")
    assert small_book.page("links").stat().st_mtime_ns == written[0]
    assert small_book.page("target").stat().st_mtime_ns > written[1]


def test_a_new_page_is_listed_on_the_old_ones_and_a_page_that_has_gone_is_deleted(small_book, tmp_path):
    assert small_book("old", "last", old="# Old\n", last="# Last\n") == ""
    assert small_book("old", "added", "last", added="# Added\n") == ""
    for name in ("old", "last"):
        text = small_book.page(name).read_text(encoding="utf8")
        assert "2. Added" in text and "3. Last" in text
    (tmp_path / "added.md").unlink()
    assert small_book("old", "last") == ""
    assert not small_book.page("added").exists() and small_book.page("old").exists()
    assert "Added" not in small_book.page("old").read_text(encoding="utf8")
