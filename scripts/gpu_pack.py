"""Fill `gpu/` with what `make gpu` needs on a machine without a network: wheels, and the data sets of the recipes.

    python scripts/gpu_pack.py --python 3.12 --recipes omniglot-maml mnist-cca

The versions are those of `.venv`; `--python` is the other machine's, which runs Linux on x86-64. Without `--recipes`
the data sets of all recipes are packed.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course.data.location import PART, locate
from course.data.sets import DataError
from course.reproduce import RECIPES
from gpu import PACK, ROOT

# What a machine with PyTorch is expected to have, with all that these packages need themselves.
THERE = (
    "accelerate", "hypothesis", "matplotlib", "pytest", "pytest-timeout", "requests", "safetensors", "scikit-learn",
    "scipy", "torch", "torchvision", "transformers",
)  # fmt: skip
IN_TESTS = ["higher"]  # what the tests for a GPU import besides
PLATFORMS = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(17, 36))]
LIMIT = 60 * 2**20  # bytes


def needed(names: list[str]) -> set[str]:
    """These packages and all that they need, by their normalised names."""
    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            found.add(name)
            waiting += [Requirement(line) for line in distribution(name).requires or []]
    return found


def download(folder: Path, python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    missing = sorted(needed([*project["dependencies"], *IN_TESTS]) - needed(list(THERE)))
    pinned = [f"{name}=={distribution(name).version}" for name in missing]
    target = ["--implementation", "cp", "--python-version", python]
    target += [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *target]
    if subprocess.run([*command, "--dest", str(folder), *pinned]).returncode:
        sys.exit("make: pip could not download the wheels; its words above say why")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES), metavar="RECIPE")
    options = parser.parse_args()
    for part in ("wheels", "data", "site"):
        shutil.rmtree(PACK / part, ignore_errors=True)
    download(PACK / "wheels", options.python)
    for name in sorted({name for recipe in options.recipes for name in RECIPES[recipe].data}):
        try:
            shutil.copytree(locate(name), PACK / "data" / name, ignore=shutil.ignore_patterns(".*", f"*{PART}"))
        except DataError as error:
            sys.exit(f"make: {error}")
    sizes = {path.relative_to(PACK): path.stat().st_size for path in sorted(PACK.rglob("*")) if path.is_file()}
    for path, size in sizes.items():
        print(f"{size / 2**20:6.1f} MiB  {path}")
    print(f"{sum(sizes.values()) / 2**20:6.1f} MiB  in {PACK}")
    if sum(sizes.values()) > LIMIT:
        sys.exit(
            f"make: that is more than the {LIMIT / 2**20:.0f} MiB that may be carried: name fewer recipes, RECIPES="
        )


if __name__ == "__main__":
    main()
