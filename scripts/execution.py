"""Execute the notebooks of the book whose outputs are out of date, as many at once as there are cores.

`_build/executed` holds each notebook as it was executed last, with the digest of all that its outputs depend on
(`dependencies.py`): digest and outputs are one file, which is written whole or not at all, so outputs whose digest is
not the present one are never used, whenever a build was killed. Jupyter Book gets the outputs in the cache that it
looks into; that one is filled anew by each build, with the valid ones only.
"""

import math
import os
import shutil
import sys
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import nbformat
import yaml
from dependencies import ROOT, digest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.db import NbCacheRecord, session_context
from jupyter_cache.executors.utils import single_nb_execution

from course.files import write_whole

BUILD = ROOT / "_build"
MADE_ONCE = ("emoji", "prose", "wiki")  # by course.data.checked.made_once, and kept in the reader's cache
# A kernel warns that it talks to its notebook over TCP. On one machine that is how it is meant to be.
KERNELS = """import logging
logging.getLogger("IPKernelApp").addFilter(lambda record: "TCP without encryption" not in record.getMessage())
get_config().HistoryManager.enabled = False
"""


def settle_kernels(folder: Path) -> dict[str, str]:
    """Settings for the kernels of the build, apart from the reader's own; the variables that lead to them."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNELS)
    quiet = {"COURSE_QUIET": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return quiet | {"IPYTHONDIR": str(folder), "COURSE_SVG": "1"}  # elsewhere figures are PNGs, as it suits any page


@dataclass(frozen=True)
class Notebook:
    """A page of the book that is executed, by its name without a suffix: ``crossmodal/cca``."""

    name: str
    path: Path

    @cached_property
    def content(self) -> nbformat.NotebookNode:
        from myst_nb.core.config import NbParserConfig
        from myst_nb.core.read import create_nb_reader
        from myst_parser.config.main import MdParserConfig

        text = self.path.read_text(encoding="utf8")
        return create_nb_reader(str(self.path), MdParserConfig(), NbParserConfig(), text).read(text)

    def digest(self) -> str:
        # tags count, too: they decide which cells may fail
        cells = [cell for cell in self.content.cells if cell.cell_type == "code"]
        key = (
            f"{self.name} {self.content.metadata.get('kernelspec', {}).get('name')} {[cell.metadata for cell in cells]}"
        )
        return digest([cell.source for cell in cells], key=key, folder=self.path.parent)

    @property
    def kept(self) -> Path:
        return BUILD / "executed" / f"{self.name}.ipynb"

    def executed(self) -> nbformat.NotebookNode | None:
        """The last execution, whatever has changed since; ``metadata.executed`` has its digest and its seconds."""
        return nbformat.read(self.kept, as_version=4) if self.kept.exists() else None

    def valid(self) -> bool:
        executed = self.executed()
        return executed is not None and executed.metadata.executed.digest == self.digest()


def execution_settings() -> dict:
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))["execute"]


def notebooks() -> list[Notebook]:
    """All pages with code that the build executes, in the order of the contents."""
    from myst_nb.core.read import is_myst_markdown_notebook
    from sphinx_external_toc.parsing import parse_toc_yaml

    found = []
    for name in parse_toc_yaml(ROOT / "book" / "_toc.yml"):
        notebook, text = ROOT / "book" / f"{name}.ipynb", ROOT / "book" / f"{name}.md"
        if notebook.exists() and not any(fnmatch(f"{name}.ipynb", p) for p in execution_settings()["exclude_patterns"]):
            found.append(Notebook(name, notebook))
        elif text.exists() and is_myst_markdown_notebook(text.read_text(encoding="utf8")):
            found.append(Notebook(name, text))
    return found


def execute(notebook: Notebook) -> float:
    """Execute a notebook and keep it; the seconds that it took.

    Raises:
        RuntimeError: with the traceback if a cell fails, and if something was edited meanwhile.
    """
    before, content = notebook.digest(), notebook.content
    code = [(number, cell) for number, cell in enumerate(content.cells, 1) if cell.cell_type == "code"]
    for _, cell in code:  # the notebook keeps the outputs that nbval compares
        cell.execution_count, cell.outputs = None, []
    folder, timeout = str(notebook.path.parent), execution_settings()["timeout"]
    try:
        done = single_nb_execution(content, cwd=folder, timeout=timeout, allow_errors=False)
        said = done.err and str(done.err).rstrip()  # the cell and its traceback
    except Exception:  # such as a kernel that died
        said = traceback.format_exc()
    if said:
        started = [number for number, cell in code if cell.execution_count or cell.outputs]
        raise RuntimeError(f"{said}\n{notebook.path}: cell {started[-1] if started else code[0][0]} failed, see above")
    if Notebook(notebook.name, notebook.path).digest() != before:
        raise RuntimeError(f"{notebook.path} or something that it needs was edited while it ran; build again")
    content.metadata.executed = {"digest": before, "seconds": done.time}
    write_whole(notebook.kept, nbformat.writes(content))
    return done.time


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_texts(wanted: Iterable[Notebook]) -> None:
    """Load, before the clocks run, the sets that these notebooks load and that a machine makes only once."""
    cells = "\n".join(cell.source for notebook in wanted for cell in notebook.content.cells)
    for name in MADE_ONCE:
        if f'load("{name}"' in cells:
            from course import data  # which loads torch: only when it is needed

            data.load(name)


def execute_stale(wanted: Iterable[Notebook]) -> bool:
    """Execute those whose outputs are out of date, the longest first; False when one has failed."""
    stale = [notebook for notebook in wanted if not notebook.valid()]
    make_texts(stale)

    def last_time(notebook: Notebook) -> float:
        executed = notebook.executed()
        return executed.metadata.executed.seconds if executed else math.inf

    good = True
    with ProcessPoolExecutor(min(cores(), len(stale)) or 1) as pool:  # one that waits would say so on Ctrl-C, at length
        runs = {pool.submit(execute, each): each for each in sorted(stale, key=last_time, reverse=True)}
        for run in as_completed(runs):
            if run.exception():
                good = False
                print(run.exception(), file=sys.stderr, flush=True)
            else:
                print(f"executed {runs[run].name} in {run.result():.1f} s", flush=True)
    return good


def fill(folder: Path, wanted: Iterable[Notebook]) -> int:
    """Fill Jupyter Book's cache in ``folder`` with the valid outputs of these notebooks, and no others: how many."""
    shutil.rmtree(folder, ignore_errors=True)
    cache = get_cache(folder)
    valid = [notebook for notebook in wanted if notebook.valid()]
    for notebook in valid:
        executed = notebook.executed()
        bundle = CacheBundleIn(
            executed, str(notebook.path), data={"execution_seconds": executed.metadata.executed.seconds}
        )
        record = cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        with session_context(cache.db) as session:  # the page of run times shows when it was executed
            created = datetime.fromtimestamp(notebook.kept.stat().st_mtime, UTC)
            session.get(NbCacheRecord, record.pk).created = created
            session.commit()
    return len(valid)
