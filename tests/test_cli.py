"""The command line: finds its commands, starts fast, and reports what is wrong with a machine."""

import subprocess
import sys

import pytest

from course import check, cli


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


def test_help_does_not_import_torch():
    code = "import sys, course.cli; course.cli.parser_for([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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
