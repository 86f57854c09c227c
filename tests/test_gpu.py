"""`make gpu`: within its limit, continued by the next call, and the same code on a CPU."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import pytest

from course.reproduce import RECIPES

ROOT = Path(__file__).parent.parent
WRITE = "import sys; open(sys.argv[1], 'w').write('{}'); open(sys.argv[2], 'a').write('x')"
# Deaf to SIGTERM, with a child that is, too, and leaves signs of life.
DEAF = "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
CHILD = DEAF + "for _ in range(1000): time.sleep(0.02); open({sign!r}, 'a').write('x')"
PARENT = DEAF + "subprocess.run([sys.executable, '-c', {child!r}])"


@pytest.fixture
def gpu(monkeypatch):
    """The script, with a short grace."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    module = importlib.import_module("gpu")
    monkeypatch.setattr(module, "GRACE", 0.5)
    return module


@pytest.fixture
def call(gpu, tmp_path):
    """A call with the stages ``name=program``; a program is told the name of its result and of one more file."""

    def run(seconds=30, force=False, code=(), **programs):
        work = []
        for name, program in programs.items():
            files = (str(tmp_path / "kept" / "results" / f"{name}.json"), str(tmp_path / name))
            work.append(gpu.Stage(name, ("-c", program, *files), f"{name}.json", 1.0, code))
        return gpu.call(work, tmp_path / "kept", tmp_path / "out", time.monotonic() + seconds, force=force)

    return run


def test_the_limit_is_kept_and_nothing_lives_on(call, tmp_path, capsys):
    begin, sign = time.monotonic(), tmp_path / "sign"
    assert call(3, slow=PARENT.format(child=CHILD.format(sign=str(sign))), later="") == 0
    assert 3 <= time.monotonic() - begin < 7
    lived = sign.stat().st_size
    time.sleep(0.3)
    assert sign.stat().st_size == lived > 0
    assert capsys.readouterr().out.endswith("later: not begun, 0 s\ntime is over; call again to continue\n")


def test_the_next_call_goes_on_and_repeats_only_what_was_changed_or_is_forced(gpu, call, monkeypatch, tmp_path, capsys):
    first, out = tmp_path / "first", tmp_path / "out"
    assert call(2, first=WRITE, second="import time; time.sleep(60)") == 0
    assert json.loads((out / "state.json").read_text())["second"]["status"] == "out of time"
    assert call(first=WRITE, second=WRITE) == 0
    assert first.read_text() == "x" and capsys.readouterr().out.splitlines()[-1] == "everything is done"
    assert {"first.json", "second.json", "log.txt"} <= {path.name for path in out.iterdir()}
    call(first=WRITE, force=True)
    assert first.read_text() == "xx"
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    for text in ("1", "1", "2"):  # code that has changed
        (tmp_path / "a.py").write_text(text)
        assert call(stage=WRITE, code=("*.py",)) == 0
    assert (tmp_path / "stage").read_text() == "xx"


@pytest.mark.parametrize("reason", ["failed: exit status 1", "failed: it wrote no bad.json", "left out: needs absent"])
def test_what_fails_is_named_and_tried_again_and_stops_nothing(gpu, call, monkeypatch, capsys, reason):
    monkeypatch.setattr(gpu, "NEEDS", {"bad": ("absent",)} if "absent" in reason else {})
    for _ in range(2):
        assert call(bad="1 / 0" if "status" in reason else "", good=WRITE) == 1
        shown = capsys.readouterr().out
        assert f"bad: {reason}" in shown and ("ZeroDivisionError" in shown) == ("status" in reason)
        assert "good: done" in shown and "failed or left out: bad; see" in shown.splitlines()[-1]


def test_another_machine_goes_on_from_the_archive_unless_it_has_its_own(gpu, call, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "PART", 100)
    call(first=WRITE)
    assert len(list((tmp_path / "out").glob("kept.tar.gz.*"))) > 1
    other = tmp_path / "other" / "state.json"
    gpu.restore(tmp_path / "out", tmp_path / "other")
    assert other.read_bytes() == (tmp_path / "kept" / "state.json").read_bytes()
    other.write_text("newer")
    gpu.restore(tmp_path / "out", tmp_path / "other")
    assert other.read_text() == "newer"


def test_only_missing_packages_are_unpacked(gpu, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "wheels").mkdir()
    for wheel in ("absent_one-1.0-py2.py3-none-any", "pytest-1.0-py3-none-any", "absent_two-1.0-cp27-cp27-linux"):
        with ZipFile(tmp_path / "wheels" / f"{wheel}.whl", "w") as content:
            content.writestr(f"{wheel.split('-')[0]}.py", "")
    gpu.unpack_wheels(tmp_path)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["absent_one.py"]
    assert capsys.readouterr().out == "absent_two-1.0-cp27-cp27-linux.whl is for another Python\n"


def test_every_recipe_and_every_gpu_test_is_a_part_of_it(gpu, tmp_path):
    tests, _, *recipes = gpu.stages("cpu", "full", tmp_path)
    assert [stage.name for stage in recipes] == list(RECIPES)
    chosen = gpu.stages("cpu", "full", tmp_path, ["omniglot-maml", "mnist-cca"])
    assert [stage.name for stage in chosen] == ["tests", "benchmarks", "omniglot-maml", "mnist-cca"]
    assert {"tests/test_training.py", "tests/crossmodal/test_cca.py"} <= set(tests.command)


def test_the_benchmark_runs_on_a_cpu_too_and_the_book_shows_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    tables, path = importlib.import_module("tables"), tmp_path / "bench-gpu.json"
    assert tables.benchmark_markdown("gpu", tmp_path).endswith("\n`make gpu` runs it.\n")
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--tiny", "--repeats", "1", "--output", path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    text = tables.benchmark_markdown("gpu", tmp_path)
    assert text.count("loop, same device") == 3 and "words a second" in text and "these numbers mean nothing" in text
