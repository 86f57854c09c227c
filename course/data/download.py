"""Fetching a real data set from its owner: resumed where it was cut, tried again, and under its own name only when
it is complete.

A download grows in ``<file>.part``, which nothing ever reads but the next attempt. Only when it is complete and its
checksum is right does it get its name, in one atomic step; so a kill at any moment leaves a good file or a part to go
on from. (``pooch`` names the cache and computes the checksum; ``pooch.retrieve`` cannot resume.)
"""

import errno
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from filelock import FileLock, Timeout

from course import runtime
from course.data.location import LOCK, PART, cache_folder, remedy
from course.data.registry import Entry, RemoteFile, size
from course.data.sets import DataError

CHUNK = 1 << 16
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # answers that may be better a moment later


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    Attributes:
        attempts: how often, at most, each file is asked for *without any progress* in between.
        pause: seconds before the second attempt; doubled before each further one.
        connect: seconds to wait for a connection.
        read: seconds to wait for the next bytes.
    """

    attempts: int = 5
    pause: float = 1.0
    connect: float = 10.0
    read: float = 30.0


class Interrupted(Exception):
    """A transfer ended early for a reason that may pass."""


def fetch(entry: Entry, *, patience: Patience = Patience(), report: Callable[[str], None] = print) -> Path:
    """Bring all files of a real data set into the cache; those that are already there are kept.

    This asks nobody: ``course data fetch`` shows licence, size and address and asks before it calls this.

    Args:
        entry: of the registry.
        patience: how often and how long to try.
        report: receives a line for each file.

    Returns:
        The folder that holds the files.

    Raises:
        DataError: if the set has nothing to fetch, or a file is not to be had: no network, no such file, an owner too
            slow, a wrong checksum, a full disk. The files that have their names then are complete and right.
    """
    if not entry.files:
        if entry.source:
            raise DataError(f"{entry.name} cannot be fetched: {remedy(entry.name, entry.source)}")
        raise DataError(
            f"{entry.name} is made on this machine: there is nothing to fetch, load({entry.name!r}) is enough"
        )
    folder = cache_folder(entry.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            turn = lock.acquire(timeout=0)
        except Timeout:
            report(f"another fetch of {entry.name} is running: waiting for it to end")
            turn = lock.acquire()
        with turn:
            for file in entry.files:
                fetch_file(file, folder, patience, report)
    except OSError as error:
        raise disk_error(folder, error) from error
    return folder


def fetch_file(file: RemoteFile, folder: Path, patience: Patience, report: Callable[[str], None]) -> None:
    """Bring one file into ``folder``, with the right checksum or not at all."""
    target, part = folder / file.path, folder / f"{file.path}{PART}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if md5(target) == file.md5:
            report(f"{file.path}: already there, checksum right")
            return
        report(f"{file.path}: there, but its checksum is wrong; fetching it again")
        target.unlink()
    resumed = part.exists()
    found = transfer_and_sum(file, part, patience)
    if found != file.md5 and resumed:  # the part may have been what was wrong
        report(f"{file.path}: what was there from an earlier attempt was damaged; fetching it from the beginning")
        found = transfer_and_sum(file, part, patience)
    if found != file.md5:
        raise DataError(
            f"{file.url} has the MD5 checksum {found}, expected {file.md5}; the file was removed. "
            "Something on the way, such as a log-in page, may have answered instead of the owner, or the owner has "
            "changed the file: try again on another network, or put the files into a folder of your own (COURSE_DATA)"
        )
    part.replace(target)
    report(f"{file.path}: {size(target.stat().st_size)}, checksum right")


def transfer_and_sum(file: RemoteFile, part: Path, patience: Patience) -> str:
    """Complete ``part`` and return its checksum; a part with a wrong one is removed."""
    need_space(part, file.bytes)
    transfer(file, part, patience)
    found = md5(part)
    if found != file.md5:
        part.unlink()
    return found


def transfer(file: RemoteFile, part: Path, patience: Patience) -> None:
    """Let ``part`` grow until the owner says that it is complete, with a pause after each failure."""
    failures, pause = 0, patience.pause
    while True:
        before = held(part)
        try:
            receive(file, part, patience)
            return
        except Interrupted as error:
            reason = error
        if held(part) > before:  # it went on: only attempts in vain count
            failures, pause = 0, patience.pause
        failures += 1
        if failures == patience.attempts:
            kept = f"; {size(held(part))} are kept, the same command goes on from there" if held(part) else ""
            raise DataError(
                f"{file.url} could not be fetched: {reason}, {failures} times in a row{kept}. "
                "Check the network, then try again"
            ) from reason
        time.sleep(pause)
        pause *= 2


def receive(file: RemoteFile, part: Path, patience: Patience) -> None:
    """Ask once for what ``part`` lacks and append it.

    Raises:
        Interrupted: if the transfer failed in a way that may pass.
        DataError: if it failed in one that will not.
    """
    start = held(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    timeout = (patience.connect, patience.read)
    try:
        with requests.get(file.url, headers=headers, stream=True, timeout=timeout) as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                if answer.headers.get("Content-Range") != f"bytes */{start}":  # else there was nothing left to send
                    part.unlink()
                    raise Interrupted("the owner's file is shorter than what was fetched of it")
                return
            require_success(answer, file)
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                start = 0  # a server that cannot send ranges sends all of it
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise Interrupted(f"the server sent the range {answer.headers.get('Content-Range')!r}")
            write(answer, file, part, start)
    except requests.exceptions.SSLError as error:
        raise DataError(f"{file.url}: no trusted connection ({error}): check the clock and the network") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(failure(error, urlsplit(file.url).hostname)) from error


def failure(error: Exception, host: str | None) -> str:
    """What went wrong on the way, in a reader's words."""
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return f"{host} did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return f"no connection to {host}"
    return f"the connection to {host} broke"


def require_success(answer: requests.Response, file: RemoteFile) -> None:
    """Raise unless the server answers with the file."""
    status = f"{answer.status_code} {answer.reason}".strip()
    if answer.status_code in TRY_AGAIN:
        raise Interrupted(f"the server answered {status}")
    if answer.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise DataError(
            f"{file.url} cannot be had, the server answered {status}: the owner may have moved it. "
            "Look for it on the owner's page and put it into a folder of your own (COURSE_DATA)"
        )


def write(answer: requests.Response, file: RemoteFile, part: Path, start: int) -> None:
    """Append the body of an answer to ``part``, from byte ``start`` on; urllib3 raises if it ends too early."""
    announced = answer.raw.length_remaining
    total = None if announced is None else start + announced
    limit = max(2 * file.bytes, 1 << 20)  # an endless answer must not fill the disk
    bar = runtime.progress(total=total, initial=start, unit="B", unit_scale=True, desc=file.path)
    with bar, part.open("ab") as stream:
        stream.truncate(start)
        while chunk := answer.raw.read1(CHUNK, decode_content=False):  # what is there; iter_content waits for all of it
            stream.write(chunk)
            bar.update(len(chunk))
            if stream.tell() > limit:
                stream.truncate(0)
                raise DataError(
                    f"{file.url} sends more than {size(limit)}, expected {size(file.bytes)}: not the owner's file"
                )
        stream.flush()
        os.fsync(stream.fileno())


def held(part: Path) -> int:
    """How many bytes of a download are there."""
    return part.stat().st_size if part.exists() else 0


def md5(path: Path) -> str:
    """The checksum that owners give out."""
    return pooch.file_hash(str(path), alg="md5")


def need_space(part: Path, expected: int) -> None:
    """Raise DataError unless the rest of the file fits on the disk."""
    missing, free = expected - held(part), shutil.disk_usage(part.parent).free
    if missing > free:
        raise DataError(f"{part.parent} has {size(free)} left, {size(missing)} more are needed: {MAKE_ROOM}")


MAKE_ROOM = "make room, or let COURSE_CACHE name a folder on another disk"


def disk_error(folder: Path, error: OSError) -> DataError:
    """What a failed write to the cache means to the reader."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"the disk of {folder} is full: {MAKE_ROOM}; the same command then goes on")
    return DataError(
        f"cannot write to the cache {folder} ({error}): let COURSE_CACHE name a folder that can be written to"
    )
