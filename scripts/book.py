"""Build the book into `_build/html`, executing the notebooks whose outputs are out of date."""

import os
import shutil
import subprocess
import sys

from dependencies import ROOT
from execution import BUILD, execute_stale, fill, notebooks, settle_kernels
from jupyter_cache import get_cache
from reading import begin, succeeded

CACHE = BUILD / ".jupyter_cache"


def main() -> int:
    now = begin(BUILD)
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
    succeeded(BUILD, now)
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
