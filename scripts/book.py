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
IPYTHON = BUILD / "ipython"
# A kernel warns that it talks to its notebook over TCP. On one machine that is how it is meant to be.
KERNELS = """import logging
logging.getLogger("IPKernelApp").addFilter(lambda record: "TCP without encryption" not in record.getMessage())
"""


def digest() -> str:
    patterns = ("course/**/*.py", "course/*.js", "book/_ext/*.py", "book/results/*.json", "requirements.txt")
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern))
    total = hashlib.sha256()
    for file in files:
        total.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def settle_kernels(folder: Path) -> dict[str, str]:
    """Settings for the kernels of the build, apart from the reader's own; the variables that lead to them."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNELS)
    return {"IPYTHONDIR": str(folder), "COURSE_QUIET": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def main() -> int:
    now = digest()
    if not STAMP.exists() or STAMP.read_text() != now:
        print("The last build is absent, unfinished or outdated: every page is read and executed again.", flush=True)
        for kept in (CACHE, BUILD / ".doctrees"):  # what Sphinx has read once it does not warn about again
            shutil.rmtree(kept, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)  # until the build has succeeded: a failure or a kill must not pass the next time
    # A page with source code gets its anchors from the API pages, but is written anew only when the code has changed.
    shutil.rmtree(BUILD / "html" / "_modules", ignore_errors=True)
    environment = os.environ | settle_kernels(IPYTHON)
    # python -P keeps the scripts folder off the path of what is started
    command = [sys.executable, "-P", "-c", "from jupyter_book.cli.main import main; main()", "build", "book"]
    command += ["--config", "_config.yml", "--path-output", ".", "-W", "-n", "--keep-going"]
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        print("make: the book was not built; the warnings above say where.", file=sys.stderr)
        return 1
    STAMP.write_text(now)
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
