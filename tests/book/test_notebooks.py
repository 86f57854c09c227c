"""What every notebook must be before it is committed. Each check is tried on a notebook that is broken."""

import re
from pathlib import Path

import nbformat
import pytest
from book_files import BOOK, ROOT, chapters, notebooks, read, sources, the_list, toc, toc_entries
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

LONGEST_CELL = 25
INSTALLS = re.compile(r"^\s*[!%]\s*(?:pip|conda|mamba|uv|apt|apt-get|wget|curl)\b|^\s*%%(?:bash|sh)\b", re.MULTILINE)
DOWNLOADS = re.compile(
    r"\burlopen\b|\burlretrieve\b|\brequests\.(?:get|post)\b|\bpooch\.|\bhf_hub_download\b|\bsnapshot_download\b"
    r"|\bload_state_dict_from_url\b|\bdownload\s*=\s*True\b"
)
DRAWS = re.compile(r"\bplt\.(?:subplots?|subplot_mosaic|figure)\(|\bplotting\.(?!use_style|style)\w+\(|\.savefig\(")


def rough(path: Path) -> bool:
    """Is this notebook's text another one than `scripts/notebooks.py normalise` would write?"""
    return notebooks.text_of(notebooks.normalised(read(path))) != path.read_text(encoding="utf8")


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def failed(notebook) -> list[str]:
    """Cells whose stored output is an error that the cell does not announce."""
    silent = [cell for cell in code(notebook) if "raises-exception" not in cell.metadata.get("tags", [])]
    return [cell.id for cell in silent if any(output.output_type == "error" for output in cell.outputs)]


def long_cells(notebook) -> list[str]:
    """Cells that no screen shows at once. The test cell of an exercise is one question to the grader: long or not."""
    read = [cell for cell in code(notebook) if not cell.metadata.get("nbgrader", {}).get("grade")]
    lengths = {cell.id: len(cell.source.splitlines()) for cell in read}
    return [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LONGEST_CELL]


def fetching(notebook) -> list[str]:
    """Cells that install or download. A course that is installed needs neither."""
    return [cell.id for cell in code(notebook) if INSTALLS.search(cell.source) or DOWNLOADS.search(cell.source)]


def unseen(notebook) -> list[str]:
    """Cells that draw and have no text for those who cannot see the figure."""
    drawing = [cell for cell in code(notebook) if DRAWS.search(without_functions(cell.source))]
    words = {cell.id: cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").split() for cell in drawing}
    return [name for name, found in words.items() if len(found) < 4]


def without_functions(source: str) -> str:
    """The lines of a cell that run when it runs: those of function bodies run elsewhere."""
    kept, inside = [], False
    for line in source.splitlines():
        if line.startswith("def "):
            inside = True
        elif line.strip() and not line.startswith((" ", ")")):
            inside = False
        if not inside:
            kept.append(line)
    return "\n".join(kept)


def twins(paths: list[Path]) -> list[str]:
    """Pages that Sphinx would take for one: x.md beside x.ipynb."""
    stems = [str(path.with_suffix("")) for path in paths]
    return sorted({stem for stem in stems if stems.count(stem) > 1})


def homeless(paths: list[Path], entries: set[str]) -> list[str]:
    """Pages outside the table of contents; Jupyter Book drops them without a word."""
    return [str(path) for path in paths if path.with_suffix("").as_posix() not in entries]


PAGES = [path.relative_to(BOOK) for suffix in (".ipynb", ".md") for path in sources(BOOK, suffix)]
NOTEBOOKS = [path for folder in (BOOK, ROOT / "solutions") for path in sources(folder, ".ipynb")]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
class TestEveryNotebook:
    def test_is_normalised(self, path):
        assert not rough(path), notebooks.advice(path)

    def test_checked_cells_have_stored_outputs(self, path):
        assert not notebooks.unstored(read(path)), notebooks.advice(path)

    def test_stores_no_unexpected_error(self, path):
        assert not failed(read(path))

    def test_cells_fit_on_a_screen(self, path):
        assert not long_cells(read(path))

    def test_installs_and_downloads_nothing(self, path):
        assert not fetching(read(path))


@pytest.mark.parametrize("path", chapters(), ids=named)
class TestEveryChapter:
    def test_has_checked_cells(self, path):
        assert any(map(notebooks.is_checked, read(path).cells))

    def test_describes_its_figures(self, path):
        assert not unseen(read(path)), "give the cell the metadata mystnb.image.alt"


def test_the_chapters_are_those_of_the_list():
    assert {chapter.page for chapter in the_list.chapters()} == set(chapters()), "list it in book/chapters.toml"
    assert len(chapters()) >= 3


def test_the_table_of_contents_has_every_page_and_no_other_and_no_two_pages_have_one_name():
    assert not homeless(PAGES, toc())
    assert toc() <= {path.with_suffix("").as_posix() for path in PAGES}
    assert not twins(PAGES)


# --- The checks see what they are for.


@pytest.fixture
def good() -> nbformat.NotebookNode:
    cell = new_code_cell("print(2)", outputs=[new_output("stream", text="2\n")], execution_count=1)
    cell.metadata["tags"] = [notebooks.CHECKED]
    return notebooks.normalised(new_notebook(cells=[new_markdown_cell("# Title"), cell]))


def written(notebook, folder: Path) -> Path:
    path = folder / "x.ipynb"
    path.write_text(notebooks.text_of(notebook), encoding="utf8")
    return path


def test_a_good_notebook_passes(good, tmp_path):
    assert not rough(written(good, tmp_path))
    assert not any(check(good) for check in (notebooks.unstored, failed, long_cells, fetching, unseen))


def test_a_stray_output_or_a_random_id_is_rough(good, tmp_path):
    good.cells.append(new_code_cell("3", outputs=[new_output("stream", text="3\n")], execution_count=2, id="cell-002"))
    assert rough(written(good, tmp_path))
    assert not rough(written(notebooks.normalised(good), tmp_path))
    good.cells[-1] = new_code_cell("3", id="b1946ac9")
    assert rough(written(good, tmp_path))


def test_what_is_not_as_a_run_leaves_it_is_told_what_mends_it(good, tmp_path, capsys):
    """Normalising alone would leave the checked cells of a page that a notebook editor has written without outputs."""
    mend = ".venv/bin/python scripts/notebooks.py run"
    path = written(good, tmp_path)
    assert notebooks.main(["check", str(path)]) == 0
    good.cells[1].outputs = []
    for text, said in (
        (notebooks.text_of(notebooks.normalised(good)), f"{path}: no stored output in cell-001; run: {mend} {path}\n"),
        (notebooks.text_of(good) + " ", f"{path} is not normalised; run: {mend} {path}\n"),
    ):
        path.write_text(text, encoding="utf8")
        assert notebooks.main(["check", str(path)]) == 1
        assert capsys.readouterr().err == said


def test_a_students_notebook_that_was_edited_is_told_where_to_edit(good, tmp_path, capsys):
    folder = tmp_path / "exercises" / "start"
    folder.mkdir(parents=True)
    path = written(good, folder)
    path.write_text(path.read_text() + " ")
    assert notebooks.main(["check", str(path)]) == 1
    assert "edit solutions/start/x.ipynb instead, and run make exercises, which overw" in capsys.readouterr().err
    path = path.rename(folder.parent / path.name)
    assert notebooks.main(["check", str(path)]) == 1
    assert "edit solutions/x.ipynb instead, and run make exercises, which overwrites" in capsys.readouterr().err


@pytest.mark.parametrize("field, nothing", [("outputs", []), ("execution_count", None)])
def test_a_checked_cell_without_output_or_count_is_seen(good, field, nothing):
    good.cells[1][field] = nothing
    assert notebooks.unstored(good) == ["cell-001"]


def test_a_stored_error_is_seen_unless_announced(good):
    good.cells[1].outputs = [new_output("error", ename="ValueError", evalue="", traceback=[])]
    assert failed(good) == ["cell-001"]
    good.cells[1].metadata["tags"].append("raises-exception")
    assert not failed(good)


def test_a_long_cell_is_seen(good):
    good.cells[1].source = "\n".join(["x = 1"] * LONGEST_CELL)
    assert not long_cells(good)
    good.cells[1].source += "\nx = 2"
    assert long_cells(good) == ["cell-001: 26 lines"]
    good.cells[1].metadata["nbgrader"] = {"grade": True}
    assert not long_cells(good)


@pytest.mark.parametrize(
    "source",
    ["!pip install torch", "%pip install torch", "%%bash\nls", "! wget http://x.org/a", "urlretrieve(address)",
     "MNIST('.', download=True)", "requests.get(address)"],
)  # fmt: skip
def test_an_installation_or_a_download_is_seen(good, source):
    good.cells[1].source = source
    assert fetching(good) == ["cell-001"]


def test_a_figure_without_words_is_seen(good):
    good.cells[1].source = "figure, ax = plt.subplots()"
    assert unseen(good) == ["cell-001"]
    good.cells[1].metadata["mystnb"] = {"image": {"alt": "figure"}}
    assert unseen(good) == ["cell-001"], "one word describes nothing"
    good.cells[1].metadata["mystnb"] = {"image": {"alt": "A curve that falls from left to right."}}
    assert not unseen(good)
    good.cells[1].metadata.pop("mystnb")
    good.cells[1].source = "def draw(x):\n    plt.figure()\n\n\ny = 1"
    assert not unseen(good), "nothing is drawn until somebody calls it"


def test_a_page_outside_the_table_of_contents_and_twins_are_seen():
    entries = toc_entries({"root": "index", "parts": [{"chapters": [{"file": "a", "sections": [{"file": "b/c"}]}]}]})
    assert entries == {"index", "a", "b/c"}
    assert homeless([Path("index.md"), Path("b/c.md"), Path("b/d.ipynb")], entries) == ["b/d.ipynb"]
    assert twins([Path("a/x.md"), Path("a/x.ipynb"), Path("b/x.md")]) == ["a/x"]
