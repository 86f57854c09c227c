"""`course data list|fetch|verify`: what data there are and where, bring one here, and read one to the end."""

import argparse
import os
import sys
import time
from collections.abc import Iterable

from course.data.location import PART, cache_folder, fetched, own_folder, remedy
from course.data.registry import REGISTRY, Entry, entry, load, size
from course.data.sets import DataError


def where(found: Entry) -> str:
    """Where a data set is: ``embedded``, ``$COURSE_DATA``, ``cache``, ``incomplete`` or ``absent``."""
    if found.kind == "embedded":
        return "embedded"
    if own_folder(found.name) is not None:
        return "$COURSE_DATA"
    there = [(cache_folder(found.name) / file.path).exists() for file in found.files]
    if all(there) if found.files else fetched(cache_folder(found.name)):
        return "cache"
    parts = (cache_folder(found.name) / f"{file.path}{PART}" for file in found.files)
    return "incomplete" if any(there) or any(part.exists() for part in parts) else "absent"


def list_sets(options: argparse.Namespace) -> int:
    """Print a table of all data sets and of where they are."""
    rows = [("name", "kind", "where", "download", "licence")]
    for found in REGISTRY.values():
        download = size(found.bytes) if found.files else "-"
        rows.append((found.name, found.kind, where(found), download, found.licence))
    print(aligned(rows))
    print(f"\nCOURSE_DATA: {os.environ.get('COURSE_DATA') or 'not set'}\ncache:       {cache_folder('x').parent}")
    return 0


def aligned(rows: Iterable[tuple[str, ...]]) -> str:
    """A table in columns of equal width."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def fetch_set(options: argparse.Namespace) -> int:
    """Show what would be downloaded, ask, and download it."""
    from course.data.download import fetch

    found = entry(options.name)
    if found.files:
        print(terms(found))
        require_consent(found, options.yes)
    folder = fetch(found)
    print(f"{found.name} is in {folder}")
    if own_folder(found.name) is not None:
        print(f"but {own_folder(found.name)} is there too, and is what will be read")
    return 0


def terms(found: Entry) -> str:
    """What a reader should know before agreeing to a download."""
    lines = [f"{found.name}: {found.title}", f"owner:   {found.citation}", f"licence: {found.licence}"]
    lines += [f"file:    {file.url} ({size(file.bytes)})" for file in found.files]
    return "\n".join([*lines, f"total:   {size(found.bytes)}, into {cache_folder(found.name)}"])


def require_consent(found: Entry, agreed: bool) -> None:
    """Ask for consent unless it was given with ``--yes``.

    Raises:
        DataError: if it is refused, or nobody is there to be asked.
    """
    if agreed:
        return
    if not sys.stdin.isatty():
        raise DataError(f"nobody is there to agree: read the licence, then run `course data fetch {found.name} --yes`")
    try:
        answer = input("Download? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise DataError("nothing was downloaded")


def verify_sets(options: argparse.Namespace) -> int:
    """Read each named set to the end, or each that is on this machine; the exit status is 1 if one is not right."""
    chosen = [entry(name) for name in options.names]
    failures = 0
    for found in chosen or REGISTRY.values():
        if not chosen and where(found) in ("absent", "incomplete"):
            print(f"-     {found.name:12}  {where(found)}: {remedy(found.name, found.source)}")
            continue
        started = time.perf_counter()
        try:
            data = load(found.name)
        except DataError as error:
            failures += 1
            print(f"FAIL  {found.name:12}  {error}")
        else:
            shown = f"{len(data)} parts" if isinstance(data, dict) else data
            print(f"OK    {found.name:12}  {shown} ({where(found)}, {time.perf_counter() - started:.1f} s)")
    return int(failures > 0)


def add_parser(subparsers) -> None:
    """Register ``course data list|fetch|verify``."""
    parser = subparsers.add_parser("data", help="list, fetch and verify data sets")
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="all data sets, and where they are")
    listing.set_defaults(run=list_sets)
    fetching = actions.add_parser("fetch", help="download a real data set from its owner, after asking")
    fetching.add_argument("name", help="as `course data list` names it")
    fetching.add_argument("--yes", action="store_true", help="agree to licence and size without being asked")
    fetching.set_defaults(run=fetch_set)
    verifying = actions.add_parser("verify", help="read data sets to the end and compare with what they should hold")
    verifying.add_argument("names", nargs="*", metavar="name", help="default: all that are on this machine")
    verifying.set_defaults(run=verify_sets)
