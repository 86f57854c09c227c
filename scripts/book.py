"""Build the book into `_build/html`, executing the notebooks whose outputs are out of date.

Sphinx reads again the pages that have changed, and those that include what has changed: it knows for itself which
these are. It warns about a page only when it reads it, so after a build that failed or was killed all are read again;
and so are they when the extensions, the settings or the installed versions have changed. Reading executes nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys

from dependencies import ROOT, closure, mentioned, modules
from execution import BUILD, execute_stale, fill, notebooks, settle_kernels
from jupyter_cache import get_cache

from course.files import write_whole

CACHE = BUILD / ".jupyter_cache"
DOCTREES = BUILD / ".doctrees"
STAMP = BUILD / "read-with.sha256"


def reading() -> str:
    """A digest of what the reading of every page depends on."""
    extensions = sorted((ROOT / "book" / "_ext").glob("*.py"))
    # The pages with tables are always read again; the others use of `course` what these extensions import.
    sources = [path.read_text(encoding="utf8") for path in extensions if path.name != "tables.py"]
    used = closure(name for source in sources for name in mentioned(source, strings=False))
    files = [*extensions, *(modules()[name] for name in sorted(used)), ROOT / "_config.yml", ROOT / "requirements.txt"]
    return hashlib.sha256(b"\0".join([sys.version.encode(), *(file.read_bytes() for file in files)])).hexdigest()


def main() -> int:
    now = reading()
    if not STAMP.exists() or STAMP.read_text() != now:
        print("The last build is absent, unfinished or outdated: every page is read again.", flush=True)
        shutil.rmtree(DOCTREES, ignore_errors=True)
    STAMP.unlink(missing_ok=True)  # until the build has succeeded: a failure or a kill must not pass the next time
    os.environ.update(settle_kernels(BUILD / "ipython"))
    executed = notebooks()
    if not execute_stale(executed):
        print("make: the book was not built: a notebook failed, as the lines above say.", file=sys.stderr)
        return 1
    valid = fill(CACHE, executed)
    # A page with source code gets its anchors from the API pages, but is written anew only when the code has changed.
    shutil.rmtree(BUILD / "html" / "_modules", ignore_errors=True)
    # python -P keeps the scripts folder off the path of what is started
    command = [sys.executable, "-P", "-c", "from jupyter_book.cli.main import main; main()", "build", "book"]
    command += ["--config", "_config.yml", "--path-output", ".", "-W", "-n", "--keep-going"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        print("make: the book was not built; the warnings above say where.", file=sys.stderr)
        return 1
    if not valid == len(executed) == len(get_cache(CACHE).list_cache_records()):
        print("make: Jupyter Book executed a notebook by itself; it must find all in the cache.", file=sys.stderr)
        return 1
    write_whole(STAMP, now)
    index = BUILD / "html" / "index.html"
    print(f"\nThe book is in {index.parent}")
    print(f"Open it in a browser:  {index.as_uri()}")
    print("Or serve it:           make serve")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("make: interrupted; call make again.")
    except OSError as error:
        sys.exit(f"make: {error}. Put it right (a full disk? no right to write?) and call make again.")
