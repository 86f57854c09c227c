"""What the book is made of: its pages, its table of contents, its notebooks and their cells."""

import importlib.util
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
BOOK = ROOT / "book"
SITE = ROOT / "_build" / "html"


def script(name: str):
    """A module of the folder `scripts`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


notebooks, the_list = script("notebooks"), script("chapters")


def sources(root: Path, suffix: str) -> list[Path]:
    """The files below ``root`` with this suffix, without the copies that JupyterLab makes."""
    return sorted(path for path in root.rglob("*" + suffix) if ".ipynb_checkpoints" not in path.parts)


def chapters() -> list[Path]:
    """The notebooks that the reader reads: those of the book that are not exercises."""
    return [path for path in sources(BOOK, ".ipynb") if "exercises" not in path.relative_to(BOOK).parts]


def read(path: Path):
    return nbformat.read(path, as_version=4)


def toc_entries(node) -> set[str]:
    """Every page that a table of contents names, however deep, without its suffix."""
    if isinstance(node, list):
        return set().union(*map(toc_entries, node))
    if not isinstance(node, dict):
        return set()
    own = {node[key] for key in ("root", "file") if key in node}
    return own.union(*(toc_entries(value) for value in node.values()))


def toc() -> set[str]:
    return toc_entries(yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf8")))
