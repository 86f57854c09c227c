"""Build the book into `_build/html`, executing its notebooks.

The execution cache of Jupyter Book looks at a notebook only. A notebook also depends on `course` and on the result
files it reads, so the cache is dropped whenever one of those has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
STAMP = BUILD / "executed-with.sha256"


def digest() -> str:
    files = sorted([*ROOT.glob("course/**/*.py"), *ROOT.glob("book/results/*.json"), ROOT / "requirements.txt"])
    total = hashlib.sha256()
    for file in files:
        total.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def main() -> int:
    now = digest()
    if STAMP.exists() and STAMP.read_text() != now:
        print("course/ or a result has changed: the notebooks are executed again.", flush=True)
        shutil.rmtree(CACHE, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    STAMP.write_text(now)
    # A page with source code gets its anchors from the API pages, but is written anew only when the code has changed.
    shutil.rmtree(BUILD / "html" / "_modules", ignore_errors=True)
    environment = os.environ | {"COURSE_QUIET": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    # python -P keeps the scripts folder off the path of what is started
    command = [sys.executable, "-P", "-c", "from jupyter_book.cli.main import main; main()", "build", "book"]
    command += ["--config", "_config.yml", "--path-output", ".", "-W", "-n", "--keep-going"]
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        # Otherwise the failed notebook would count as up to date and the next build would pass.
        shutil.rmtree(CACHE, ignore_errors=True)
        print("make: the book was not built; the warnings above say where.", file=sys.stderr)
        return 1
    index = BUILD / "html" / "index.html"
    print(f"\nThe book is in {index.parent}")
    print(f"Open it in a browser:  {index.as_uri()}")
    print("Or serve it:           make serve")
    return 0


if __name__ == "__main__":
    sys.exit(main())
