"""`course check`: what this machine has and lacks, as a table that says what to do about each gap."""

import argparse
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course.errors import CourseError

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``state`` is OK, FAIL, or a dash for something optional that is absent."""

    state: str
    what: str
    detail: str


def python() -> Iterator[Finding]:
    """Is this Python new enough?"""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):
        yield Finding("OK", "Python", version)
    else:
        yield Finding("FAIL", "Python", f"{version} found, 3.11 or newer needed")


def pinned_versions(requirements: Path) -> dict[str, str]:
    """The ``name==version`` lines of a requirements file."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text(encoding="utf8").splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line)


def packages(requirements: Path = REQUIREMENTS) -> Iterator[Finding]:
    """Are the packages those that were tested together?"""
    if not requirements.exists():
        yield Finding("-", "packages", f"no {requirements.name} beside the package: versions not compared")
        return
    wrong = 0
    pins = pinned_versions(requirements)
    for name, expected in pins.items():
        try:
            found = importlib.metadata.version(name).split("+")[0]  # 2.11.0+cpu is a build of 2.11.0
        except importlib.metadata.PackageNotFoundError:
            found = "nothing"
        if found != expected:
            wrong += 1
            yield Finding("FAIL", name, f"{found} installed, {expected} tested: pip install {name}=={expected}")
    if not wrong:
        yield Finding("OK", "packages", f"all {len(pins)} of requirements.txt")


def device() -> Iterator[Finding]:
    """Which device will `course` compute on?"""
    from course import runtime

    chosen = runtime.device()
    facts = runtime.environment()
    name = facts.get("gpu") if chosen.type == "cuda" else facts.get("cpu")
    yield Finding("OK", "device", f"{chosen} ({name})")


def data() -> Iterator[Finding]:
    """Which data sets does ``$COURSE_DATA`` hold?"""
    from course.data.location import own_folder
    from course.data.registry import REGISTRY

    folder = os.environ.get("COURSE_DATA")
    if not folder:
        yield Finding("-", "data", "COURSE_DATA is not set: embedded sets and the cache, see `course data list`")
        return
    found = [name for name, known in REGISTRY.items() if known.kind == "real" and own_folder(name) is not None]
    yield Finding("OK", "data", f"{folder} holds {', '.join(found) or 'none of the sets that the course knows'}")


def sandbox() -> Iterator[Finding]:
    """Can submissions be run apart from the rest of the machine?"""
    from course.grading.sandbox import Limits
    from course.grading.sandbox import check as start_in_sandbox

    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        yield Finding("-", "sandbox", "bubblewrap is absent (only grading needs it): apt-get install bubblewrap")
        return
    start_in_sandbox(Limits())  # the very call that `course grade run` makes
    yield Finding("OK", "sandbox", bubblewrap)


def findings() -> Iterator[Finding]:
    """The lines of all checks; what a check refuses is a FAIL."""
    for check in (python, packages, device, data, sandbox):
        try:
            yield from check()
        except CourseError as error:
            yield Finding("FAIL", check.__name__, str(error))


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 when any line says FAIL."""
    found = list(findings())
    for finding in found:
        print(f"{finding.state:4}  {finding.what:10}  {finding.detail}")
    return int(any(finding.state == "FAIL" for finding in found))


def add_parser(subparsers) -> None:
    """Register ``course check``."""
    parser = subparsers.add_parser("check", help="is this machine ready? an OK/FAIL table")
    parser.set_defaults(run=run)
