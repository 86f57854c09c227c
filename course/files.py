"""A file is written whole or not at all: at any moment its name leads to the old content or to the new."""

import json
import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, dated_as: Path | None = None) -> Path:
    """Write ``path`` in one step; return it once file and name are on the disk and would survive a power cut.

    The content goes to ``<name>.partial`` first, which then takes the place of the old file. A kill leaves at most that
    partial file, which the next call overwrites; so two processes must not write one path at the same time.

    Args:
        path: the file; its folder is made.
        content: text, which is written in UTF-8, or bytes.
        dated_as: a file whose dates the new one gets.

    Raises:
        OSError: if it cannot be written, for example to a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    if dated_as is not None:
        os.utime(partial, ns=(dated_as.stat().st_atime_ns, dated_as.stat().st_mtime_ns))
    to_disk(partial)
    partial.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        to_disk(path.parent)
    return path


def write_json(path: Path, content: object) -> Path:
    """Write a JSON file in one step, :func:`write_whole`; NaN, which JSON does not have, is a ValueError."""
    return write_whole(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def to_disk(path: Path) -> None:
    """Wait until what a file or folder contains is on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
