"""`scripts/execution.py`: outputs that are out of date are never used, and a cell that fails is shown."""

import importlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = str(ROOT / "scripts")
KILLED = """import sys
from pathlib import Path
sys.path.insert(0, {scripts!r})
import execution
execution.BUILD = Path({build!r})
execution.execute(execution.Notebook("page", Path({page!r})))
"""


@pytest.fixture
def execution(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(SCRIPTS)
    module = importlib.import_module("execution")
    monkeypatch.setattr(module, "BUILD", tmp_path / "_build")
    for name, value in module.settle_kernels(tmp_path / "ipython").items():
        monkeypatch.setenv(name, value)
    return module


def page(execution, folder: Path, *cells: str, name: str = "page"):
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    written.cells.insert(0, nbformat.v4.new_markdown_cell("# Title"))
    written.cells[-1].execution_count = 7  # a notebook may hold outputs of its own
    written.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(written, folder / f"{name}.ipynb")
    return execution.Notebook(name, folder / f"{name}.ipynb")


def text(notebook) -> str:
    return "".join(out.text for cell in notebook.executed().cells for out in cell.get("outputs", []))


def keep(notebook) -> None:
    """As if it had been executed."""
    content = notebook.content.copy()
    content.metadata = content.metadata | {"executed": {"digest": notebook.digest(), "seconds": 1.5}}
    notebook.kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.from_dict(content), notebook.kept)


def test_a_notebook_is_executed_once_and_again_when_its_code_changes(execution, tmp_path, capsys):
    first = page(execution, tmp_path, "print(6 * 7)")
    assert execution.execute_stale([first])
    assert "executed page in" in capsys.readouterr().out
    assert text(first) == "42\n" and first.valid()
    assert execution.execute_stale([first])
    assert "executed" not in capsys.readouterr().out
    second = page(execution, tmp_path, "print(6 * 9)")
    assert not second.valid()
    assert execution.fill(tmp_path / "cache", [second]) == 0


def test_a_failing_cell_is_shown_with_its_notebook_and_stops_no_other(execution, tmp_path, capsys):
    bad = page(execution, tmp_path, "x = 0", "1 / x", "print('not reached')", name="bad")
    good = page(execution, tmp_path, "print(1)", name="good")
    assert not execution.execute_stale([bad, good])
    said = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().err)  # without colours
    assert "ZeroDivisionError: division by zero" in said and "1 / x" in said
    assert f"{bad.path}: cell 3 failed" in said
    assert not bad.valid() and not bad.kept.exists() and good.valid()


def test_what_is_edited_while_it_runs_is_not_kept(execution, tmp_path):
    own = page(
        execution,
        tmp_path,
        "from pathlib import Path",
        "p = Path('page.ipynb')\np.write_text(p.read_text().replace('import', 'import  '))",
    )
    with pytest.raises(RuntimeError, match="edited while it ran"):
        execution.execute(own)
    assert not own.kept.exists()


def test_a_kill_leaves_nothing_that_passes_for_new(execution, tmp_path):
    old = page(execution, tmp_path, "print(1)")
    keep(old)
    started = tmp_path / "elsewhere" / "started"  # not a file beside the page, which counts
    started.parent.mkdir()
    new = page(execution, tmp_path, f"open({str(started)!r}, 'w')", "import time\ntime.sleep(60)")
    command = KILLED.format(scripts=SCRIPTS, build=str(execution.BUILD), page=str(new.path))
    with subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.DEVNULL) as process:
        while not started.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not new.valid()
    assert page(execution, tmp_path, "print(1)").valid(), "the old outputs belong to the old code, and stay"


def test_tags_count_and_prose_does_not(execution, tmp_path):
    first = page(execution, tmp_path, "print(1)").digest()
    written = nbformat.read(tmp_path / "page.ipynb", as_version=4)
    written.cells[0].source = "# Another title"
    nbformat.write(written, tmp_path / "page.ipynb")
    assert execution.Notebook("page", tmp_path / "page.ipynb").digest() == first
    written.cells[1].metadata.tags = ["raises-exception"]
    nbformat.write(written, tmp_path / "page.ipynb")
    assert execution.Notebook("page", tmp_path / "page.ipynb").digest() != first


def test_the_kernel_and_the_files_beside_the_page_count(execution, tmp_path):
    own = page(execution, tmp_path, "print(1)")
    first = own.digest()
    (tmp_path / "senses.csv").write_text("1")
    second = own.digest()
    written = nbformat.read(own.path, as_version=4)
    written.metadata.kernelspec.name = "another"
    nbformat.write(written, own.path)
    assert len({first, second, execution.Notebook("page", own.path).digest()}) == 3


def test_jupyter_book_finds_all_pages_in_the_cache_that_is_filled(execution, tmp_path):
    found = execution.notebooks()
    assert {each.path for each in found} == {
        *(chapter.page for chapter in importlib.import_module("chapters").chapters()),
        ROOT / "book" / "authors.md",
    }
    for each in found:
        keep(each)
    assert execution.fill(tmp_path / "cache", found) == len(found)
    cache = execution.get_cache(tmp_path / "cache")
    for each in found:
        fresh = execution.Notebook(each.name, each.path).content
        assert cache.match_cache_notebook(fresh).data == {"execution_seconds": 1.5}


def test_texts_that_a_machine_makes_once_are_made_before_the_clock_runs(execution, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr("course.data.load", loaded.append)
    page(execution, tmp_path, 'from course.data import load\nload("prose", split="test")', name="one")
    page(execution, tmp_path, "1", name="two")
    pages = [execution.Notebook(name, tmp_path / f"{name}.ipynb") for name in ("one", "two")]
    execution.make_texts(pages[1:])
    assert loaded == []
    execution.make_texts(pages)
    assert loaded == ["prose"]
