"""`scripts/dependencies.py`: a notebook is executed again exactly when it must be."""

import ast
import importlib
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
dependencies = importlib.import_module("dependencies")
chapters = importlib.import_module("chapters").chapters()

# Modules that load others by name. Whoever joins them: the names must be strings in its source, in full (or in part,
# as in f"course.data.{name}"), or be left out as those of the recipes are.
LOADERS = {"applications/saving", "cli", "data/registry", "reproduce/__init__"}


def package(root: Path, **sources: str) -> Path:
    """A `course` of these modules; `a__b` is course/a/b.py, and `a` beside it is course/a/__init__.py."""
    for name, source in ({"": ""} | sources).items():
        path = root / "course" / name.replace("__", "/")
        is_package = not name or any(other.startswith(f"{name}__") for other in sources)
        path = path / "__init__.py" if is_package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    for name in dependencies.ALWAYS:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")
    return root


@pytest.mark.parametrize(
    "source",
    [
        "import course.a.b",
        "import course.a.b as c, math",
        "from course.a import b",
        "from course.a.b import f",
        "from .b import f",
        "from . import b",
        "from ..a import b",
        "from ..a.b import f",
        "def f():\n    if True:\n        from course.a.b import g",
        "class A:\n    try:\n        import course.a.b\n    except ImportError:\n        pass",
        "LOADER = {'b': ('course.a.b:load', 1)}",
        "import_module(f'course.a.{name}')",
        "import_module('course.a.%s' % name)",
        "import_module('course.a.{}'.format(name))",
        "print(open('../course/a/b.py').read())",
        "from course.a import *",
    ],
)
def test_every_way_to_import_is_seen(tmp_path, source):
    root = package(tmp_path, a="", a__b="", a__own=source, other="")
    wanted = {"course", "course.a", "course.a.b", "course.a.own"}
    assert dependencies.closure(["course.a.own"], root) == wanted


@pytest.mark.parametrize(
    "source", ["'''As course.a.b does.'''", "import other.a.b", "# from course.a import b", "x = 'b'"]
)
def test_what_loads_nothing_is_passed_over(tmp_path, source):
    root = package(tmp_path, a="", a__b="", own=source)
    assert dependencies.closure(["course.own"], root) == {"course", "course.own"}


def test_packages_and_cycles_are_followed(tmp_path):
    root = package(tmp_path, a="from .b import f", a__b="from course.c import g", c="from course import a", d="")
    assert dependencies.imported(["from course.c import g"], root) == {"course", "course.a", "course.a.b", "course.c"}


def test_a_page_that_shows_results_does_not_depend_on_the_recipes(tmp_path):
    root = package(tmp_path, reproduce="R = {'a': 'course.recipe:A'}\nfrom course import used", recipe="", used="")
    assert dependencies.closure(["course.reproduce"], root) == {"course", "course.reproduce", "course.used"}


@pytest.mark.parametrize(
    "cell",
    [
        "!course reproduce",
        "%run x.py",
        "%sx course reproduce",
        "%%bash\ncourse check",
        "import subprocess",
        "def f(:",
        "x = ! ls",
        "os.popen('course check')",
        "from os import system",
        "__import__(name)",
        "from importlib import import_module as load",
        "exec(text)",
        "eval(text)",
        "getattr(course, 'a')",
    ],
)
def test_a_cell_that_cannot_be_read_or_starts_others_may_load_everything(tmp_path, cell):
    root = package(tmp_path, a="", a__b="", c="")
    assert dependencies.imported(["1 + 1", cell], root) == set(dependencies.modules(root))


@pytest.mark.parametrize("cell", ["model.eval()", "%matplotlib inline", "getattr(x, 'course')", "retrieval(queries)"])
def test_what_only_looks_like_starting_others_does_not(tmp_path, cell):
    assert dependencies.imported([cell], package(tmp_path, a="")) == set()


def test_the_digest_follows_the_files_beside_the_page_and_what_they_import(tmp_path):
    root = package(tmp_path / "root", a="", b="")
    folder = tmp_path / "book"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    contents = {"helper.py": "import course.a", "senses.csv": "1"}
    others = ("page.ipynb", "other.md", ".ipynb_checkpoints/x.csv", *dependencies.READ_BY_THE_BOOK)

    def digest() -> str:
        return dependencies.digest(["import helper"], root, folder=folder)

    for name, content in contents.items():
        (folder / name).write_text(content)
    before = digest()
    for name in others:
        (folder / name).write_text("x")
        assert digest() == before, name
    (root / "course" / "b.py").write_text("x = 1")
    assert digest() == before
    for path in (root / "course" / "a.py", folder / "senses.csv", folder / "helper.py"):
        path.write_text("x = 2")
        assert digest() != before
        before = digest()


@pytest.mark.parametrize(
    ("name", "counts"),
    [("COURSE_DATA", True), ("COURSE_DEVICE", True), ("COURSE_SVGS", True)]
    + [(name, False) for name in ("COURSE_QUIET", "COURSE_SVG", "COURSE_CACHE", "OTHER")],
)
def test_the_variables_of_the_course_count_where_they_may_change_an_output(tmp_path, monkeypatch, name, counts):
    root = package(tmp_path)
    monkeypatch.delenv(name, raising=False)
    before = dependencies.digest(["1"], root)
    monkeypatch.setenv(name, "somewhere")
    assert (dependencies.digest(["1"], root) != before) == counts


def test_hidden_folders_hold_no_modules_and_no_data(tmp_path):
    root = package(tmp_path, a="")
    hidden = root / "course" / ".ipynb_checkpoints"
    hidden.mkdir()
    before = dependencies.digest(["import course.a"], root)
    for name in ("a-checkpoint.py", "data.json"):
        (hidden / name).write_text("import course.b")
    assert set(dependencies.modules(root)) == {"course", "course.a"}
    assert dependencies.digest(["import course.a"], root) == before


def test_the_digest_follows_code_versions_and_data_files(tmp_path):
    root = package(tmp_path, a="", a__b="", c="", c__d="")
    (root / "course" / "a" / "moving.js").write_text("1")
    (root / "course" / "c" / "other.js").write_text("1")
    cells = ["%matplotlib inline\nfrom course.a import b"]
    before = dependencies.digest(cells, root)
    (root / "course" / "c" / "other.js").write_text("2")
    assert dependencies.digest(cells, root) == before
    for file in ("course/a/moving.js", *dependencies.ALWAYS):
        (root / file).write_text("2")
        assert dependencies.digest(cells, root) != before
        before = dependencies.digest(cells, root)
    assert dependencies.digest([*cells, "1"], root) != before
    assert dependencies.digest(cells, root, key="another page") != before


def test_results_count_by_the_name_of_their_recipe_or_all(tmp_path):
    root = package(tmp_path, reproduce="", reproduce__results="")
    results = root / "book" / "results"
    results.mkdir(parents=True)
    for name in ("one-quick", "one-more-quick", "two-full"):
        (results / f"{name}.json").write_text("")
    start = "from course.reproduce.results import show\n"

    def names(cell):
        return {file.stem for file in dependencies.results_read([cell], dependencies.imported([cell], root), root)}

    assert names(start + "show('one')") == {"one-quick"}
    assert names(start + 'load_result("two", preset)') == {"two-full"}
    assert names(start + "show(name)") == {"one-quick", "one-more-quick", "two-full"}
    assert names("show('one')") == set()
    every = {"one-quick", "one-more-quick", "two-full", "bench-one"}
    (results / "bench-one.json").write_text("")
    label = "label = {'two': 'Two'}\n"  # a name in quotes hides no other
    assert names(start + label + "open('../results/bench-one.json')") == {"two-full", "bench-one", "one-quick"}
    assert names(start + label + "show('one')") == {"two-full", "one-quick"}
    for cell in (
        "show('one' + '-more')",
        "show(name)",
        "show(f'{name}')",
        "load_result(name, preset)",
        "list(RESULTS.iterdir())",
        "open(f'../results/{name}.json')",
        "(Path('..') / 'results').glob('*')",
    ):
        assert names(start + label + cell) == every, cell
    assert names(start + label + "plt.show()") == {"two-full"}
    (results / "bench-one.json").unlink()
    before = dependencies.digest([start + "show('one')"], root)
    (results / "one-full.json").write_text("")  # one that was not there
    assert dependencies.digest([start + "show('one')"], root) != before


@pytest.mark.parametrize("chapter", chapters, ids=lambda chapter: chapter.name)
def test_the_digest_of_a_page_follows_its_modules_and_no_others(chapter, tmp_path):
    shutil.copytree(ROOT / "course", tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book" / "results", tmp_path / "book" / "results")
    for name in dependencies.ALWAYS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    cells = [cell.source for cell in nbformat.read(chapter.page, as_version=4).cells if cell.cell_type == "code"]
    loaded, before = dependencies.imported(cells, tmp_path), dependencies.digest(cells, tmp_path)
    assert {"course", "course.plotting", "course.moving"} <= loaded
    assert not {"course.cli", "course.grading", "course.reproduce.commands"} & loaded, "nor may it run a recipe"
    assert "recipe_class" not in "".join(cells), "it would load a module whose name is not followed"
    known = dependencies.modules(tmp_path)
    for name in loaded:
        source = known[name].read_text()
        known[name].write_text(source + "# touched\n")
        assert dependencies.digest(cells, tmp_path) != before, name
        known[name].write_text(source)
    for name in known.keys() - loaded:  # all together: each alone would take as long again
        with known[name].open("a") as module:
            module.write("# touched\n")
    assert dependencies.digest(cells, tmp_path) == before


def test_whoever_loads_modules_by_name_is_known():
    loading = set()
    for path in dependencies.modules().values():
        calls = [each.func for each in ast.walk(ast.parse(path.read_text("utf8"))) if isinstance(each, ast.Call)]
        names = {getattr(each, "attr", getattr(each, "id", "")) for each in calls}
        if names & {"import_module", "resolve_name", "__import__", "run_module", "run_path"}:
            loading.add(path.relative_to(ROOT / "course").with_suffix("").as_posix())
    assert loading == LOADERS
