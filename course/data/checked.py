"""Texts as they were given out: files compared by checksum, and texts that are made once and kept in the cache.

A changed letter in a text cannot be told from the text, as a damaged picture can. So here every byte counts.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackagePath, distribution, version
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from filelock import FileLock

from course.data.location import LOCK, cache_folder, locate
from course.data.registry import entry
from course.data.sets import Damaged, DataError
from course.files import write_whole

# What a damaged zip file makes zipfile raise; RuntimeError: a flag that says `encrypted`.
BROKEN_ZIP = (OSError, EOFError, SyntaxError, ValueError, RuntimeError, zlib.error, BadZipFile)


def owners_files(name: str) -> dict[str, bytes]:
    """What the files of a real set hold, by their paths in its folder.

    Raises:
        Damaged: if a file is missing, or its checksum is not the one in the registry.
    """
    folder = locate(name)
    return {file.path: checked(folder / file.path, file.md5) for file in entry(name).files}


def checked(path: Path, md5: str) -> bytes:
    """The content of a file whose checksum is known."""
    if not path.exists():
        raise Damaged(f"{path} is missing")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path} cannot be read ({error.strerror})") from error
    if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise Damaged(f"{path} ({len(content):,} bytes) has the MD5 checksum {found}, its owner's file has {md5}")
    return content


def files_in(path: Path, pattern: re.Pattern[str]) -> dict[str, bytes]:
    """What the files hold whose names match, in a zip file, or in the folder that it unpacks to.

    Names are those in the zip file, such as ``bli_datasets/en-de/yacle.test.freq.2k.en-de.tsv``, so those in a folder
    begin with the folder's own name.

    Raises:
        Damaged: if there is neither, or the zip file is damaged.
    """
    if path.is_dir():
        files = {file.relative_to(path.parent).as_posix(): file for file in path.rglob("*") if file.is_file()}
        return {name: file.read_bytes() for name, file in files.items() if pattern.fullmatch(name)}
    if not path.exists():
        raise Damaged(f"{path} is missing")
    try:
        with ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if pattern.fullmatch(name)}
    except BROKEN_ZIP as error:
        raise Damaged(f"{path} is damaged or cut short ({error})") from error


def made_once(name: str, packages: tuple[str, ...], sources: Sequence[str], make: Callable[[], object]) -> object:
    """What ``make()`` returns (anything that JSON holds), from the cache if it was made there before.

    The file in the cache carries the digest of its content, and in its name that of the ``packages``' versions and of
    the files ``sources`` with the rules that make it. So another version, another rule, or a damaged file lets it be
    made again.
    """
    recipe = [f"{package}=={version(package)}" for package in packages]
    rules = [Path(source).read_text(encoding="utf8") for source in sources]
    key = hashlib.sha256("\n".join([*recipe, *rules]).encode()).hexdigest()
    path = cache_folder(name) / f"{key[:16]}.json"
    if (content := kept(path)) is None:
        content = json.dumps(make(), ensure_ascii=False).encode()
        with suppress(OSError):  # where nothing can be written, as in a sandbox, it is made each time
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / LOCK):  # two processes write in turn
                write_whole(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    return json.loads(content)


def kept(path: Path) -> bytes | None:
    """The content of a file in the cache, without the digest on its first line; ``None`` if unreadable or damaged."""
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest().encode() == digest else None


def package_files(package: str) -> list[PackagePath]:
    """The files of an installed package by its installer's list.

    Raises:
        DataError: if there is no such list, as where a Linux distribution has installed the package.
    """
    if (found := distribution(package).files) is None:
        raise DataError(f"{package} is installed without the list of its files (RECORD): run make env")
    return found
