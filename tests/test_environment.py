"""The set-up of `.venv`: wrong Python, full disk, interruption, and nothing to do the second time."""

import ast
import importlib.util
import subprocess
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "environment.py"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The script as a module whose project folder is a copy in `tmp_path` and whose commands are recorded, not run."""
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "installed.sha256")
    module.commands = []

    def record(command, **_):
        module.commands.append([str(part) for part in command])
        if "venv" in command:
            module.PYTHON.parent.mkdir(parents=True, exist_ok=True)
            module.PYTHON.touch()
        return subprocess.CompletedProcess(command, module.exit_status)

    module.exit_status = 0
    monkeypatch.setattr(module.subprocess, "run", record)
    return module


def test_installs_once_and_again_when_the_requirements_change(environment):
    for _ in range(2):
        environment.main()
        assert len(environment.commands) == 3
    (environment.ROOT / "requirements.txt").write_text("changed")
    environment.main()
    assert len(environment.commands) == 5, "the environment is kept, the packages are brought up to date"


def test_failure_leaves_no_stamp_and_the_next_call_recovers(environment):
    environment.exit_status = 1
    with pytest.raises(SystemExit, match="make again"):
        environment.main()
    assert not environment.STAMP.exists()
    environment.exit_status = 0
    environment.main()
    assert environment.STAMP.exists()
    assert "--clear" in environment.commands[-3], "half a package is never trusted"


def test_full_disk_is_noticed_before_anything_is_written(environment, monkeypatch):
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
    with pytest.raises(SystemExit, match=r"1\.0 GiB free"):
        environment.main()
    assert not environment.commands


def test_old_python_is_named_by_a_script_that_it_can_read(environment, monkeypatch):
    """An old Python must get as far as the message about its age: no syntax newer than 3.6."""
    monkeypatch.setattr(environment.sys, "version_info", namedtuple("version", "major minor micro")(3, 10, 2))
    with pytest.raises(SystemExit, match=r"Python >= 3\.11 is needed, this is 3\.10\.2"):
        environment.main()
    ast.parse(SCRIPT.read_text(encoding="utf8"), feature_version=(3, 6))


def make(*arguments: str) -> tuple[int, list[str]]:
    """`make` in the checkout: its exit status, and its lines on standard error."""
    done = subprocess.run(["make", *arguments], cwd=SCRIPT.parent.parent, capture_output=True, text=True)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("line", [None, "exit 1", "true", "echo False", "echo SyntaxError >&2; exit 1"])
def test_make_names_what_is_no_new_python(line, tmp_path):
    """Not there, broken, no Python at all, too old, much too old: before any script is read."""
    python = tmp_path / "python" if line else "no-such-python"
    if line:  # a program that answers every call with one shell command
        python.write_text(f"#!/bin/sh\n{line}\n")
        python.chmod(0o755)
    status, lines = make("env", f"PYTHON={python}")
    assert status == 2
    assert lines[0] == f"make: {python} is not Python 3.11 or newer; name one: make PYTHON=python3.12"
    assert all(line.startswith("make") for line in lines), "make's own line comes last"


def test_make_names_an_unknown_target_and_its_help_is_plain_text():
    status, lines = make("boook")
    assert status == 2
    assert lines[0] == "make: there is no 'boook'; make help lists what there is"
    help_text = subprocess.run(["make", "help"], cwd=SCRIPT.parent.parent, capture_output=True, text=True).stdout
    assert "make serve" in help_text and "$" not in help_text
