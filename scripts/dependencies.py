"""What the outputs of a notebook depend on, as one digest; it is executed again when the digest is another.

That is its code; the modules of `course` that it imports, directly or not, and the data files beside them; the files
beside the notebook, and what those with code import; the result files that it reads; the variables COURSE_… of the
environment; the pinned versions and Python's own; its kernel; and the script that executes it.

Imports are read from statements and strings, also `course.{}` and `course/moving.py`. Cells that start another program,
run text as code, import by a name that is computed or cannot be read are taken to need all of `course`. What is not
seen: files elsewhere, such as the content of $COURSE_DATA; names put together from pieces none of which ends in
"course." (`"cou" + "rse"`); what other packages read. An execution too many costs seconds, one too few is a wrong page.
"""

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from chapters import LIST, ROOT

ALWAYS = ("requirements.txt", "scripts/execution.py")
NAMED = re.compile(r"\bcourse(?:[./]\w+)+")
COMPOSED = re.compile(r"\bcourse(?:[./]\w+)*[./](?=[%{]|\Z)")  # f"course.data.{name}" is known up to here
# Its strings name the recipes, which `course reproduce` runs and no page; a test holds the pages to that.
UNREAD = {"course.reproduce"}
# What gives the shell or another Python something to do, runs text as code or imports by name: it may import anything.
STARTS_OTHERS = re.compile(
    r"\.(?:system|getoutput|run_cell_magic)\(|run_line_magic\((?!'(?:matplotlib|config|xmode)')|getattr\(\s*course\b"
    r"|(?<![\w.])(?:exec|eval)\(|\bfrom os import"
    r"|\b(?:subprocess|multiprocessing|runpy|importlib|__import__|popen|spawn\w+)\b"
)
COUNTED = re.compile(r"COURSE_(?!(?:QUIET|SVG|CACHE)\Z)")  # these three: the build sets them, or they change no output
# A name of a result that is computed (its argument is no string), or the folder of results without a file in it.
ANY_RESULT = re.compile(
    r"""\b(?:show|load_result)\((?!\s*(?:\)|(["'])[\w-]+\1\s*[,)]))|\bRESULTS\b|\bresults(?:["']|/(?![\w-]+\.json))"""
)
READ_BY_THE_BOOK = {"_toc.yml", LIST.name, "references.bib"}
EVERYTHING = "course.*"
HIDDEN = re.compile(r"(?:^|/)(?:\.|__pycache__)")


def files_below(folder: Path) -> list[Path]:
    """All files of a folder but for those in hidden folders and caches, which git ignores, too."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [file for file in files if not HIDDEN.search(file.relative_to(folder).as_posix())]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The modules and packages of `course` by their dotted names."""
    found = {}
    for path in files_below(root / "course"):
        if path.suffix == ".py":
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
            found = {*NAMED.findall(node.value), *(start + "*" for start in COMPOSED.findall(node.value))}
            names |= {name.replace("/", ".") for name in found}
    return frozenset(names)


def closure(names: Iterable[str], root: Path = ROOT, unread: set[str] = UNREAD) -> set[str]:
    """The modules of `course` that are loaded when these are: they, their packages, and all that those mention.

    The strings of the modules in ``unread`` do not count.
    """
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
            waiting += mentioned(known[each].read_text(encoding="utf8"), package, each not in unread)
    return found


def imported(cells: Iterable[str], root: Path = ROOT, unread: set[str] = UNREAD) -> set[str]:
    """The modules of `course` that a notebook with these code cells may load."""
    from IPython.core.inputtransformer2 import TransformerManager

    names: set[str] = set()
    for cell in cells:
        code = TransformerManager().transform_cell(cell)  # %magic and !command become calls
        try:
            names |= {EVERYTHING} if STARTS_OTHERS.search(code) else mentioned(code)
        except SyntaxError:  # shown on purpose
            names.add(EVERYTHING)
    return closure(names, root, unread)


def data_files(loaded: set[str], root: Path = ROOT) -> list[Path]:
    """The files of the packages among these modules that are no modules, such as moving.js."""
    packages = {path.parent for name, path in modules(root).items() if path.name == "__init__.py" and name in loaded}
    files = (path for path in files_below(root / "course") if path.suffix != ".py")
    return [file for file in files if next(up for up in file.parents if (up / "__init__.py").exists()) in packages]


def results_read(cells: Iterable[str], loaded: set[str], root: Path = ROOT) -> list[Path]:
    """The result files that these cells may read: those whose recipes or files they name, or all.

    All, where a name is not written out where it is used, or where none is found.
    """
    text = "\n".join(cells)
    if "course.reproduce.results" not in loaded and "results" not in text:
        return []
    files = list((root / "book" / "results").glob("*"))
    named = [file for file in files if re.sub("-(quick|full)$", "", file.stem) in text]
    return named if named and not ANY_RESULT.search(text) else files


def beside(folder: Path) -> list[Path]:
    """The files in the folder of a page that its code may read: neither pages nor what the book is listed in."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [path for path in files if path.suffix not in (".ipynb", ".md") and path.name not in READ_BY_THE_BOOK]


def digest(cells: list[str], root: Path = ROOT, key: str = "", folder: Path | None = None) -> str:
    """One sum over all that the outputs of these code cells depend on.

    ``key`` is what else tells them apart, and ``folder`` the one that they are executed in.
    """
    own = beside(folder) if folder else []
    code = [*cells, *(path.read_text(encoding="utf8") for path in own if path.suffix == ".py")]
    loaded = imported(code, root)
    files = {path for name, path in modules(root).items() if name in loaded}
    files.update(data_files(loaded, root), results_read(code, loaded, root), (root / name for name in ALWAYS))
    variables = sorted(f"{name}={value}" for name, value in os.environ.items() if COUNTED.match(name))
    total = hashlib.sha256("\0".join([sys.version, key, *variables, *cells]).encode())
    for file in (*sorted(files), *own):
        name = file.name if file in own else file.relative_to(root).as_posix()
        total.update(b"\0" + name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
