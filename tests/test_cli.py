"""The command line: finds its commands, starts fast, and reports what is wrong with a machine."""

import subprocess
import sys
from unittest.mock import Mock

import pytest

from course import check, cli
from course.checkpoints import CheckpointError
from course.data import DataError
from course.grading.layout import GradingError
from course.grading.sandbox import SandboxError


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"course {command}" in capsys.readouterr().out


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["fly"])
    assert stop.value.code == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["reproduce"]])
def test_help_does_not_import_torch(arguments):
    code = f"import sys, course.cli; course.cli.parser_for({arguments}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DataError("no such set"), 1, "no such set"),
        (GradingError("no such chapter"), 2, "no such chapter"),
        (SandboxError("no bubblewrap"), 2, "no bubblewrap"),
        (CheckpointError("damaged"), 1, "damaged"),
        (FloatingPointError("step 3 is NaN"), 1, "step 3 is NaN"),
        (OSError(28, "No space left", "file"), 1, "[Errno 28] No space left: 'file'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_the_user_can_put_right_is_one_line(error, status, line, monkeypatch, capsys):
    monkeypatch.setattr(check, "findings", Mock(side_effect=error))
    assert cli.main(["check"]) == status
    assert capsys.readouterr().err == f"course: {line}\n"


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, RuntimeError])
def test_an_error_of_programming_is_not_caught(error, monkeypatch):
    monkeypatch.setattr(check, "findings", Mock(side_effect=error))
    with pytest.raises(error):
        cli.main(["check"])


def test_check_passes_on_this_machine(capsys):
    assert cli.main(["check"]) == 0
    assert "packages" in capsys.readouterr().out


def test_check_names_a_wrong_and_a_missing_package(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==0.0.1  # too old\nno-such-package==1.0\n", encoding="utf8")
    findings = list(check.packages(requirements))
    assert [finding.state for finding in findings] == ["FAIL", "FAIL"]
    assert "pip install numpy==0.0.1" in findings[0].detail
    assert "nothing installed" in findings[1].detail


def test_check_fails_on_a_data_folder_that_is_absent(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "absent"))
    assert cli.main(["check"]) == 1
    assert "absent" in capsys.readouterr().out


def test_check_names_the_real_sets_that_the_data_folder_holds(monkeypatch, tmp_path):
    for name in ("emoji", "omniglot", "holiday"):  # `emoji` is embedded; a folder of this name may hold `noto_emoji`
        (tmp_path / name).mkdir()
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert [finding.detail for finding in check.data()] == [f"{tmp_path} holds omniglot, noto_emoji"]
