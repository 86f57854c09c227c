"""Downloads against a real server in every manner: what is there is right, and nothing bad is left behind."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import owner_of, wait_until

from course.data import DataError, download
from course.data.download import Patience, fetch
from course.data.registry import REGISTRY

BODY = random.Random(0).randbytes(200_000)
QUICK = Patience(attempts=3, pause=0.0, connect=2.0, read=0.3)


@pytest.fixture(scope="module")
def running():
    with owner_of({"a.bin": BODY}) as owner:
        yield owner


@pytest.fixture
def owner(running, tmp_path, monkeypatch):
    """The owner of one file in good manners, and an empty cache."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.files, running.manners, running.asked = {"a.bin": BODY}, {}, []
    return running


def quiet(_):
    pass


def left(folder):
    """What a cache folder holds, without the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_fetches_and_keeps(owner, tmp_path):
    owner.files["b.bin"] = b"short"
    lines = []
    assert fetch(owner.entry(), patience=QUICK, report=lines.append) == tmp_path / "small"
    assert left(tmp_path / "small") == owner.files
    assert owner.asked == [("a.bin", None), ("b.bin", None)]
    assert fetch(owner.entry(), patience=QUICK, report=lines.append) == tmp_path / "small"
    assert len(owner.asked) == 2
    assert [line.split(":")[0] for line in lines] == ["a.bin", "b.bin"] * 2
    assert "already there" in lines[2]


def test_files_of_the_same_name_lie_in_folders_of_their_own(owner, tmp_path):
    owner.files = {"english/text.txt": b"good day", "french/text.txt": BODY}
    owner.manners["french/text.txt"] = [70_000]
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert left(tmp_path / "small") == owner.files
    assert owner.asked[2] == ("french/text.txt", "bytes=70000-")
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert len(owner.asked) == 3


def test_goes_on_where_it_was_cut(owner, tmp_path):
    owner.manners["a.bin"] = [70_000, 30_000]
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert owner.asked == [("a.bin", None), ("a.bin", "bytes=70000-"), ("a.bin", "bytes=100000-")]
    assert left(tmp_path / "small") == {"a.bin": BODY}


def test_a_server_without_ranges_sends_all_again(owner, tmp_path):
    owner.manners["a.bin"] = [70_000, "no ranges"]
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert owner.asked == [("a.bin", None), ("a.bin", "bytes=70000-")]
    assert left(tmp_path / "small") == {"a.bin": BODY}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    manners=st.lists(
        st.integers(0, 250_000)
        | st.sampled_from(["no ranges", "wrong range", "status 503", "unannounced 1000", "unannounced 250000"]),
        max_size=5,
    )
)
def test_whatever_happens_the_file_is_right_or_absent(owner, tmp_path, manners):
    shutil.rmtree(tmp_path / "small", ignore_errors=True)
    owner.manners["a.bin"] = list(manners)
    try:
        fetch(owner.entry(), patience=replace(QUICK, attempts=7), report=quiet)
    except DataError:
        assert "a.bin" not in left(tmp_path / "small")
        owner.manners.clear()
        fetch(owner.entry(), patience=replace(QUICK, attempts=7), report=quiet)
    assert left(tmp_path / "small") == {"a.bin": BODY}


@pytest.mark.parametrize(
    ("manners", "message", "kept"),
    [
        ([50_000, 0, 0], r"could not be fetched: .* 3 times in a row; 50\.0 kB are kept, the same", BODY[:50_000]),
        (["hang 1000", "hang 0", "hang 0"], "did not answer in time, 3 times in a row; 1.0 kB are kept", BODY[:1000]),
        (["status 503"] * 3, r"the server answered 503 .*, 3 times in a row\. Check the network", None),
        (["status 404"], "cannot be had, the server answered 404 Not Found: .*COURSE_DATA", None),  # asked for once
        (["endless"], r"sends more than 1\.0 MB, expected 200\.0 kB", b""),
    ],
)
def test_a_failure_says_why_and_the_next_time_goes_on_from_there(owner, tmp_path, manners, message, kept):
    owner.files = {"a.bin": b"short", "b.bin": BODY}
    owner.manners["b.bin"] = list(manners)
    with pytest.raises(DataError, match=rf"b\.bin.*{message}"):
        fetch(owner.entry(), patience=QUICK, report=quiet)
    assert left(tmp_path / "small") == {"a.bin": b"short"} | ({} if kept is None else {"b.bin.part": kept})
    assert owner.manners["b.bin"] == [] and len(owner.asked) == 1 + len(manners)
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert owner.asked[-1] == ("b.bin", f"bytes={len(kept)}-" if kept else None)
    assert left(tmp_path / "small") == owner.files


def test_a_wrong_file_is_removed(owner, tmp_path):
    entry = owner.entry()
    owner.files["a.bin"] = b"<html>Please log in</html>"
    with pytest.raises(DataError, match=r"a\.bin has the MD5 checksum \w{32}, expected \w{32}; the file was removed"):
        fetch(entry, patience=QUICK, report=quiet)
    assert left(tmp_path / "small") == {}


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        (BODY, 1),  # killed between the last byte and the new name
        (BODY + b"more", 2),
        (bytes(60_000), 2),  # damaged: the whole has a wrong checksum, so it is fetched from the beginning
    ],
    ids=["complete", "too long", "damaged"],
)
def test_any_part_ends_as_the_right_file(owner, tmp_path, part, asked):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a.bin.part").write_bytes(part)
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert left(tmp_path / "small") == {"a.bin": BODY}
    assert len(owner.asked) == asked


def test_a_damaged_file_in_the_cache_is_fetched_again(owner, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a.bin").write_bytes(BODY[:-1])
    lines = []
    fetch(owner.entry(), patience=QUICK, report=lines.append)
    assert left(tmp_path / "small") == {"a.bin": BODY}
    assert "checksum is wrong" in lines[0]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:1/a.bin", r"no connection to 127\.0\.0\.1, 3 times in a row\. Check the network"),
        ("https://127.0.0.1:{port}/a.bin", "no trusted connection .*: check the clock and the network"),
    ],
)
def test_no_network_or_no_trusted_connection(owner, tmp_path, address, message):
    entry = owner.entry()
    file = replace(entry.files[0], url=address.format(port=owner.server.server_port))
    with pytest.raises(DataError, match=message):
        fetch(replace(entry, files=(file,)), patience=QUICK, report=quiet)
    assert left(tmp_path / "small") == {}


def test_pauses_double_and_only_failures_in_a_row_count(owner, monkeypatch):
    pauses = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    owner.manners["a.bin"] = ["status 503", "status 429", 10, "status 503", "status 503"]
    fetch(owner.entry(), patience=replace(QUICK, attempts=4, pause=1.0), report=quiet)
    assert pauses == [1.0, 2.0, 1.0, 2.0, 4.0]


def test_a_full_disk_is_seen_before_and_while_writing(owner, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", full)
        with pytest.raises(DataError, match=r"is full: make room, or let COURSE_CACHE .* goes on"):
            fetch(owner.entry(), patience=QUICK, report=quiet)
    assert "a.bin" not in left(tmp_path / "small")
    (tmp_path / "small" / "a.bin.part").unlink()
    with monkeypatch.context() as patch:
        usage = namedtuple("usage", "total used free")
        patch.setattr(download.shutil, "disk_usage", lambda _: usage(0, 0, 150_000))
        with pytest.raises(DataError, match=r"has 150\.0 kB left, 200\.0 kB more are needed"):
            fetch(owner.entry(), patience=QUICK, report=quiet)


def test_a_cache_that_cannot_be_written_to(owner, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write to the cache .*: let COURSE_CACHE name a folder"):
        fetch(owner.entry(), patience=QUICK, report=quiet)


def test_two_at_once_take_turns(owner, tmp_path):
    owner.manners["a.bin"] = [1000, 1000, 1000]
    entry, patience, lines = owner.entry(), replace(QUICK, pause=0.1), []
    both = [threading.Thread(target=lambda: fetch(entry, patience=patience, report=lines.append)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert left(tmp_path / "small") == {"a.bin": BODY}
    assert len(owner.asked) == 4  # by one of them only
    assert sum("waiting" in line for line in lines) == sum("already there" in line for line in lines) == 1


def test_killed_in_the_middle_and_resumed(owner, tmp_path):
    owner.manners["a.bin"] = ["hang 120000"]
    script = (
        "from loopback import *; from course.data.download import fetch; from course.data.registry import *; fetch({})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script.format(repr(owner.entry()))],
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
    )
    part = tmp_path / "small" / "a.bin.part"
    wait_until(lambda: child.poll() is not None or (part.exists() and part.stat().st_size > 0))
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    found = left(tmp_path / "small")
    assert found.keys() == {"a.bin.part"}
    assert BODY.startswith(found["a.bin.part"])
    fetch(owner.entry(), patience=QUICK, report=quiet)
    assert owner.asked == [("a.bin", None), ("a.bin", f"bytes={len(found['a.bin.part'])}-")]
    assert left(tmp_path / "small") == {"a.bin": BODY}


def test_an_embedded_set_has_nothing_to_fetch():
    with pytest.raises(DataError, match="glyphs is made on this machine: there is nothing to fetch"):
        fetch(REGISTRY["glyphs"], report=quiet)


def test_a_set_without_checksums_is_had_from_its_owner(monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"xling_eval cannot be fetched: its owner offers the folder .*; put that into a"
    ):
        fetch(REGISTRY["xling_eval"], report=quiet)
