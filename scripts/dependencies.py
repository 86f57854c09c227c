"""What the outputs of a notebook depend on, as one digest; it is executed again when the digest is another.

That is its code; the modules of `course` that it imports, directly or not, and the data files beside them; the result
files that it reads; the pinned versions and Python's own; and the script that executes it. What cannot be read from
the sources is taken to be needed: an execution too many costs seconds, one too few is a wrong page.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("requirements.txt", "scripts/execution.py")
NAMED = re.compile(r"\bcourse(?:\.\w+)+")
COMPOSED = re.compile(r"\bcourse(?:\.\w+)*\.\Z")  # f"course.data.{name}" is known up to here
# Its strings name the recipes, which `course reproduce` runs and no page; a test holds the pages to that.
UNREAD = {"course.reproduce"}
# What gives the shell or another Python something to do: it may import anything.
STARTS_OTHERS = re.compile(
    r"\.(?:system|getoutput|run_cell_magic)\(|run_line_magic\(.run|\b(?:subprocess|multiprocessing|runpy)\b"
)
EVERYTHING = "course.*"


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The modules and packages of `course` by their dotted names."""
    found = {}
    for path in sorted((root / "course").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def mentioned(source: str, package: str = "", strings: bool = True) -> frozenset[str]:
    """The dotted names that a source may import: in statements at any depth, and in strings that are no docstrings.

    A name may end in ``.*``, for all modules below it. ``package`` is where a relative import starts.
    """
    names, prose = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            names |= {".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names}
        elif isinstance(node, ast.Expr):
            prose.add(node.value)
        elif strings and isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
            names |= {*NAMED.findall(node.value), *(found + "*" for found in COMPOSED.findall(node.value))}
    return frozenset(names)


def closure(names: Iterable[str], root: Path = ROOT) -> set[str]:
    """The modules of `course` that are loaded when these are: they, their packages, and all that those mention."""
    known = modules(root)
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name.endswith(".*"):
            waiting += [each for each in known if f"{each}.".startswith(name[:-1])]
        parts = name.split(".")
        for each in {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & known.keys() - found:
            found.add(each)
            package = each if known[each].name == "__init__.py" else each.rpartition(".")[0]
            waiting += mentioned(known[each].read_text(encoding="utf8"), package, each not in UNREAD)
    return found


def imported(cells: Iterable[str], root: Path = ROOT) -> set[str]:
    """The modules of `course` that a notebook with these code cells may load."""
    from IPython.core.inputtransformer2 import TransformerManager

    names: set[str] = set()
    for cell in cells:
        code = TransformerManager().transform_cell(cell)  # %magic and !command become calls
        try:
            names |= {EVERYTHING} if STARTS_OTHERS.search(code) else mentioned(code)
        except SyntaxError:  # shown on purpose
            names.add(EVERYTHING)
    return closure(names, root)


def data_files(loaded: set[str], root: Path = ROOT) -> list[Path]:
    """The files of the packages among these modules that are no modules, such as moving.js."""
    packages = {path.parent for name, path in modules(root).items() if path.name == "__init__.py" and name in loaded}
    files = (path for path in (root / "course").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return [file for file in files if next(up for up in file.parents if (up / "__init__.py").exists()) in packages]


def results_read(cells: Iterable[str], loaded: set[str], root: Path = ROOT) -> list[Path]:
    """The result files that these cells may read: of the recipes whose names they hold, or all where there are none."""
    text = "\n".join(cells)
    if "course.reproduce.results" not in loaded and "results/" not in text:
        return []
    files = list((root / "book" / "results").glob("*"))
    named = [file for file in files if re.search(rf"""["']{re.escape(file.stem.rpartition("-")[0])}["'\-]""", text)]
    return named or files


def digest(cells: list[str], root: Path = ROOT, key: str = "") -> str:
    """One sum over all that the outputs of these code cells depend on; ``key`` is what else tells them apart."""
    loaded = imported(cells, root)
    files = {path for name, path in modules(root).items() if name in loaded}
    files.update(data_files(loaded, root), results_read(cells, loaded, root), (root / name for name in ALWAYS))
    total = hashlib.sha256("\0".join([sys.version, key, *cells]).encode())
    for file in sorted(files):
        total.update(b"\0" + file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
