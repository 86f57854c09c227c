"""Downloads against a real server in every manner: what is there is right, and nothing bad is left behind."""

import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from unittest.mock import Mock

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


def fetched(entry, attempts=3, pause=0.0):
    """Fetch quickly; return what is reported."""
    lines = []
    fetch(entry, patience=replace(QUICK, attempts=attempts, pause=pause), report=lines.append)
    return lines


def left(folder):
    """What a cache folder holds, without the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_fetches_and_keeps(owner, tmp_path):
    owner.files["b.bin"] = b"short"
    lines = fetched(owner.entry())
    assert left(tmp_path / "small") == owner.files
    assert owner.asked == [("a.bin", None), ("b.bin", None)]
    assert fetch(owner.entry(), patience=QUICK, report=lines.append) == tmp_path / "small"
    assert len(owner.asked) == 2
    assert [line.split(":")[0] for line in lines] == ["a.bin", "b.bin"] * 2
    assert "already there" in lines[2]


def test_files_of_the_same_name_lie_in_folders_of_their_own(owner, tmp_path):
    owner.files = {"english/text.txt": b"good day", "french/text.txt": BODY}
    owner.manners["french/text.txt"] = [70_000]
    fetched(owner.entry())
    assert left(tmp_path / "small") == owner.files
    assert owner.asked[2] == ("french/text.txt", "bytes=70000-")
    fetched(owner.entry())
    assert len(owner.asked) == 3


@pytest.mark.parametrize(
    ("part", "manners", "asked"),
    [
        (None, [70_000, 30_000], [None, "bytes=70000-", "bytes=100000-"]),  # goes on where it was cut
        (None, [70_000, "no ranges"], [None, "bytes=70000-"]),  # a server without ranges sends all again
        (None, ["status 503", "status 429"], [None] * 3),  # a busy server is asked again
        (BODY, [], ["bytes=200000-"]),  # killed between the last byte and the new name
        (BODY + b"more", [], ["bytes=200004-", None]),
        (bytes(60_000), [], ["bytes=60000-", None]),  # damaged: the whole has a wrong checksum
    ],
    ids=["cut", "no ranges", "busy", "complete part", "too long a part", "damaged part"],
)
def test_ends_as_the_right_file(owner, tmp_path, part, manners, asked):
    (tmp_path / "small").mkdir()
    if part:
        (tmp_path / "small" / "a.bin.part").write_bytes(part)
    owner.manners["a.bin"] = manners
    fetched(owner.entry())
    assert owner.asked == [("a.bin", wanted) for wanted in asked]
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
        fetched(owner.entry(), attempts=7)
    except DataError:
        assert "a.bin" not in left(tmp_path / "small")
        owner.manners.clear()
        fetched(owner.entry(), attempts=7)
    assert left(tmp_path / "small") == {"a.bin": BODY}


def test_a_cut_that_never_ends_keeps_the_part_for_the_next_time(owner, tmp_path):
    owner.manners["a.bin"] = [50_000, 0, 0, 0]
    with pytest.raises(DataError, match=r"a\.bin could not be fetched: .* 3 times in a row; 50\.0 kB are kept, the"):
        fetched(owner.entry())
    assert left(tmp_path / "small") == {"a.bin.part": BODY[:50_000]}
    owner.manners.clear()
    fetched(owner.entry())
    assert owner.asked[-1] == ("a.bin", "bytes=50000-")
    assert left(tmp_path / "small") == {"a.bin": BODY}


@pytest.mark.parametrize(
    ("manners", "message", "part"),
    [
        (
            ["hang 1000", *["hang 0"] * 3],
            r"127\.0\.0\.1 did not answer in time, 3 times in a row; 1\.0 kB are",
            BODY[:1000],
        ),
        (["endless"], r"sends more than 1\.0 MB, expected 200\.0 kB", b""),  # the disk must not fill
    ],
    ids=["too slow", "endless"],
)
def test_an_answer_without_an_end(owner, tmp_path, manners, message, part):
    owner.manners["a.bin"] = manners
    with pytest.raises(DataError, match=message):
        fetched(owner.entry())
    assert left(tmp_path / "small") == {"a.bin.part": part}


def test_a_wrong_file_is_removed(owner, tmp_path):
    entry = owner.entry()
    owner.files["a.bin"] = b"<html>Please log in</html>"
    with pytest.raises(DataError, match=r"a\.bin has the MD5 checksum \w{32}, expected \w{32}; the file was removed"):
        fetched(entry)
    assert left(tmp_path / "small") == {}


def test_a_good_file_stays_when_the_next_one_fails(owner, tmp_path):
    owner.files["b.bin"] = b"short"
    owner.manners["b.bin"] = ["status 404"]
    with pytest.raises(DataError, match=r"b\.bin cannot be had, the server answered 404 Not Found: .*COURSE_DATA"):
        fetched(owner.entry())
    assert left(tmp_path / "small") == {"a.bin": BODY}
    assert [name for name, _ in owner.asked] == ["a.bin", "b.bin"]  # 404 is not asked for again


def test_a_damaged_file_in_the_cache_is_fetched_again(owner, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a.bin").write_bytes(BODY[:-1])
    assert "checksum is wrong" in fetched(owner.entry())[0]
    assert left(tmp_path / "small") == {"a.bin": BODY}


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("http", r"no connection to 127\.0\.0\.1, 3 times in a row\. Check the network"),
        ("https", r"no trusted connection .*: check the clock and the network"),
    ],
)
def test_no_network_and_no_trusted_connection(owner, tmp_path, scheme, message):
    entry, address = owner.entry(), owner.address.replace("http:", "https:")
    if scheme == "http":
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(DataError, match=message):
        fetched(replace(entry, files=(replace(entry.files[0], url=f"{address}/a.bin"),)))
    assert left(tmp_path / "small") == {}


def test_pauses_double_and_only_failures_in_a_row_count(owner, monkeypatch):
    pauses = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    owner.manners["a.bin"] = ["status 503", "status 503", 10, "status 503", "status 503"]
    fetched(owner.entry(), attempts=4, pause=1.0)
    assert pauses == [1.0, 2.0, 1.0, 2.0, 4.0]


def test_a_full_disk_is_seen_before_and_while_writing(owner, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(DataError, match=r"is full: make room, or let COURSE_CACHE .* goes on"):
            fetched(owner.entry())
    assert "a.bin" not in left(tmp_path / "small")
    (tmp_path / "small" / "a.bin.part").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "disk_usage", lambda _: Mock(free=150_000))
        with pytest.raises(DataError, match=r"has 150\.0 kB left, 200\.0 kB more are needed"):
            fetched(owner.entry())


def test_a_cache_that_cannot_be_written_to(owner, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write to the cache .*: let COURSE_CACHE name a folder"):
        fetched(owner.entry())


def test_two_at_once_take_turns(owner, tmp_path):
    owner.manners["a.bin"] = [1000, 1000, 1000]
    entry, lines = owner.entry(), []
    both = [threading.Thread(target=lambda: lines.extend(fetched(entry, pause=0.1))) for _ in range(2)]
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
    fetched(owner.entry())
    assert owner.asked == [("a.bin", None), ("a.bin", f"bytes={len(found['a.bin.part'])}-")]
    assert left(tmp_path / "small") == {"a.bin": BODY}


def test_an_embedded_set_has_nothing_to_fetch():
    with pytest.raises(DataError, match="glyphs is made on this machine: there is nothing to fetch"):
        fetched(REGISTRY["glyphs"])
