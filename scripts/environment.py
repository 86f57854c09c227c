"""Create `.venv` and install the course into it, once; a second call does nothing.

The stamp inside `.venv` holds a digest of what was installed. It is written last, so an interrupted or failed
installation leaves no stamp, and the next call starts from an empty `.venv` (half a package is never trusted).
Standard library only: this runs before anything is installed, on whatever `python3` is.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.sha256"
NEEDED_GIB = 9  # measured: 5.9 GiB installed, and pip keeps the wheels beside it while it unpacks


def fail(message):
    sys.exit("make: " + message)


def digest():
    """Two sums: of what `.venv` is made for (this Python, this folder), and of what is installed into it."""
    parts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml")]
    sums = (f"{sys.version}\0{ROOT}".encode(), b"\0".join(parts))
    return " ".join(hashlib.sha256(each).hexdigest() for each in sums)


def run(command, remedy):
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        fail(remedy)


def main():
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        fail(f"Python >= 3.11 is needed, this is {found} ({sys.executable}). Name a newer one: make PYTHON=python3.12")
    wanted = digest()
    found = STAMP.read_text() if STAMP.exists() and PYTHON.exists() else ""
    if found == wanted:
        return
    complete = found.split(" ")[0] == wanted.split(" ")[0]  # otherwise another Python's, or moved: made anew
    free_gib = shutil.disk_usage(ROOT).free / 2**30
    if not complete and free_gib < NEEDED_GIB:
        fail(f"{free_gib:.1f} GiB free in {ROOT}, about {NEEDED_GIB} are needed. Free some space and call make again.")
    print(f"Setting up {VENV} (a few minutes, once) ...", flush=True)
    STAMP.unlink(missing_ok=True)
    if not complete:
        remedy = "no virtual environment could be made (on Debian: apt-get install python3-venv). Then call make again."
        run([sys.executable, "-m", "venv", "--clear", str(VENV)], remedy)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    remedy = "the installation stopped (no network? a full disk?). Call make again; what was downloaded is kept by pip."
    run([*pip, "-r", "requirements.txt"], remedy)
    run([*pip, "--no-deps", "--editable", "."], remedy)
    partial = STAMP.with_suffix(".partial")
    partial.write_text(wanted)
    partial.replace(STAMP)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; call make again.")
    except OSError as error:
        fail(f"{error}. Put it right (a full disk? no right to write?) and call make again.")
