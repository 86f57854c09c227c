"""Which tools live: the newest release of each package and the newest commit of each repository, and when we looked.

    python benchmarks/tools/packages.py LIST CLONES --output book/results/tools-packages.json

LIST is a list of the Python package index, separated by tabs, with the columns ``name``, ``version`` (the newest) and
``month`` (of that release). CLONES is a folder with a git directory for each of ``REPOSITORIES``, named as there. Lists
and clones are copies: what came after them is not seen, so the output says how far each reaches.
"""

import argparse
import csv
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

PACKAGES = (
    "torch", "tensorflow", "keras", "jax", "transformers", "open-clip-torch", "timm", "accelerate", "librosa",
    "torchaudio", "speechbrain", "learn2learn", "higher", "torchopt", "easyfsl", "torchmeta", "cca-zoo",
)  # fmt: skip
REPOSITORIES = {
    "cbfinn/maml": "cbfinn+maml",
    "orobix/Prototypical-Networks-for-Few-shot-Learning-PyTorch": "orobix",
    "openai/CLIP": "CLIP",
    "mlfoundations/open_clip": "open_clip",
    "learnables/learn2learn": "learn2learn",
    "facebookresearch/higher": "higher",
    "metaopt/torchopt": "torchopt",
    "sicara/easy-few-shot-learning": "easyfsl",
    "jameschapman19/cca_zoo": "cca_zoo",
    "pliang279/MultiBench": "MultiBench",
}


def releases(lines: Iterable[str], packages: Iterable[str]) -> tuple[dict, str]:
    """Version and month of each package, and the newest month of the whole list.

    Raises:
        ValueError: if a package is not in the list.
    """
    rows = {row["name"]: row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}
    missing = [name for name in packages if name not in rows]
    if missing:
        raise ValueError(f"not in the list of packages: {', '.join(missing)}")
    found = {name: {key: rows[name][key] for key in ("version", "month")} for name in packages}
    return found, max(row["month"] for row in rows.values())


def newest_commit(clone: Path) -> dict:
    """The newest commit of a clone and its day."""
    words = ["git", "-C", str(clone), "log", "-1", "--format=%H %cs"]
    commit, day = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return {"commit": commit, "date": day}


def build_error(package: str) -> str:
    """What stops the release of a package from being built here: the first error of the compiler, or ``""``."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, package]
        done = subprocess.run(words, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines() if done.returncode else []
    errors = [line.strip() for line in lines if re.search(r":\d+: (fatal )?error:", line)]
    return next(iter(errors), "unknown" if done.returncode else "")


def main() -> None:
    from course.files import write_json

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--build", default="learn2learn==0.2.0", help="a release to build, which takes half a minute")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with options.list.open(encoding="utf8", newline="") as lines:
        found, newest = releases(lines, PACKAGES)
    content = {
        "date": date.today().isoformat(),
        "list_reaches": newest,
        "packages": found,
        "build": {"what": options.build, "python": platform.python_version(), "error": build_error(options.build)},
        "repositories": {name: newest_commit(options.clones / folder) for name, folder in REPOSITORIES.items()},
    }
    print(write_json(options.output, content).read_text())


if __name__ == "__main__":
    main()
