"""When all pages are read again.

Sphinx reads again the pages that have changed, and those that include what has changed: it knows for itself which
these are. It warns about a page only when it reads it, so after a build that failed or was killed all are read again;
and so are they when the extensions, the settings or the pinned versions have changed. Reading executes nothing.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from dependencies import ROOT, closure, mentioned, modules

from course.files import write_whole

STAMP = "read-with.sha256"


def reading() -> str:
    """A digest of what the reading of every page depends on."""
    extensions = sorted((ROOT / "book" / "_ext").glob("*.py"))
    # The pages with tables are always read again; the others use of `course` what these extensions import.
    sources = [path.read_text(encoding="utf8") for path in extensions if path.name != "tables.py"]
    used = closure(name for source in sources for name in mentioned(source, strings=False))
    files = [*extensions, *(modules()[name] for name in sorted(used)), ROOT / "_config.yml", ROOT / "requirements.txt"]
    return hashlib.sha256(b"\0".join([sys.version.encode(), *(file.read_bytes() for file in files)])).hexdigest()


def begin(folder: Path) -> str:
    """Begin a build in ``folder``; what to hand to `succeeded` at its end."""
    now, stamp = reading(), folder / STAMP
    if not stamp.exists() or stamp.read_text() != now:
        print("The last build is absent, unfinished or outdated: every page is read again.", flush=True)
        shutil.rmtree(folder / ".doctrees", ignore_errors=True)
    stamp.unlink(missing_ok=True)  # until the build has succeeded: a failure or a kill must not pass the next time
    return now


def succeeded(folder: Path, began_with: str) -> None:
    """The pages that were read in ``folder`` are good, and need not be read again."""
    write_whole(folder / STAMP, began_with)
