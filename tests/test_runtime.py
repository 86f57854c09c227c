"""The device, the generators, the precision and the progress bars."""

import fcntl
import json
import os
import pty
import struct
import sys
import termios
from contextlib import nullcontext

import pytest
import torch

from course import runtime
from course.errors import CourseError


@pytest.fixture
def machine(monkeypatch):
    """Pretend that torch finds so many CUDA devices and MPS."""

    def pretend(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.delenv("COURSE_DEVICE", raising=False)

    return pretend


def test_the_best_device_is_taken(machine):
    for cuda, mps, expected in ((2, True, "cuda"), (0, True, "mps"), (0, False, "cpu"), (1, False, "cuda")):
        machine(cuda, mps)
        assert runtime.device() == torch.device(expected)


def test_the_variable_overrides_the_machine_and_the_argument_overrides_both(machine, monkeypatch):
    machine(cuda=2)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")
    assert runtime.device("cuda:1") == torch.device("cuda:1")
    assert runtime.device(torch.device("cuda")) == torch.device("cuda")
    monkeypatch.setenv("COURSE_DEVICE", "")
    assert runtime.device() == torch.device("cuda")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["gpu", "cuda:x", "xla", "meta", ""], "'{}'.* choose cuda, cuda:N, mps or cpu"),
        (["cuda:2", "mps", "cpu:1"], r"'{}' is not available .* offers cuda \(2\), cpu \(1\)"),
        ([None], r"'gpu' \(from \$COURSE_DEVICE\)"),
    ],
)
def test_a_name_of_no_device_or_an_absent_one(machine, monkeypatch, names, message):
    machine(cuda=2)
    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    for name in names:
        with pytest.raises(CourseError, match=message.format(name)):
            runtime.device(name)


def test_a_generator_repeats_and_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    first, second = (torch.rand(3, generator=runtime.generator(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(3, generator=runtime.generator(8)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_steps_generator_depends_on_seed_and_step_alone():
    def draw(seed, step):
        return tuple(runtime.step_generator(seed, step).random(2))

    assert draw(1, 5) == draw(1, 5)
    near = {draw(seed, step) for seed in range(100) for step in range(100)}
    far = {draw(seed, step) for seed, step in ((0, 1_000_003), (1, 2**32), (1 + 2**32, 0), (2**62, 5), (5, 2**62))}
    assert len(near | far) == 10_005


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (0, -1), (0.5, 0), (2**63, 0), (True, 0)])
def test_a_steps_generator_has_a_seed_and_a_step(seed, step):
    with pytest.raises(ValueError, match=r"(seed|step) must be a whole number from 0 to"):
        runtime.step_generator(seed, step)


def test_autocast_only_where_bfloat16_is_quick(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    for device, options in (("cuda", {}), ("cpu", {}), (torch.device("mps"), {}), ("cuda:0", {"enabled": False})):
        assert isinstance(runtime.autocast(device, **options), nullcontext)


@pytest.mark.gpu
def test_autocast_on_a_gpu():
    x = torch.rand(4, 4, device="cuda")
    with runtime.autocast(x.device):
        assert (x @ x).dtype == torch.bfloat16


@pytest.fixture
def told_nothing(monkeypatch):
    for name in ("CI", "COURSE_QUIET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel.zmqshell", raising=False)


@pytest.mark.parametrize(
    ("variables", "terminal", "drawn"),
    [
        ({}, True, True), ({"CI": "false", "COURSE_QUIET": "0"}, True, True), ({}, False, False),
        ({"CI": "1"}, True, False), ({"COURSE_QUIET": "1"}, True, False),
    ],
)  # fmt: skip
def test_progress_is_drawn_on_a_terminal_unless_told(monkeypatch, told_nothing, capsys, variables, terminal, drawn):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert list(runtime.progress(range(3), desc="counting")) == [0, 1, 2]
    assert ("counting" in capsys.readouterr().err) == drawn == (not runtime.quiet())
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)  # a notebook
    assert runtime.quiet() == (not drawn and terminal)


@pytest.mark.parametrize(("columns", "lines"), [(0, 0), (40, 10), (100, 30)])
def test_progress_is_drawn_in_a_terminal_of_any_size(monkeypatch, told_nothing, columns, lines):
    screen, keyboard = pty.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    os.set_blocking(screen, False)
    with os.fdopen(screen, "rb", 0) as drawn, os.fdopen(keyboard, "w", encoding="utf8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(runtime.progress(range(3), desc="counting")) == [0, 1, 2]
        monkeypatch.undo()
        first = (drawn.read(10_000) or b"").decode().partition("\r")[2].partition("\r")[0]
    assert first.startswith("counting:   0%|")
    assert len(first) <= (columns or 80)


def test_the_environment_fits_into_a_result_file():
    facts = json.loads(json.dumps(runtime.environment()))
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cores"] >= 1
    assert facts["cpu"]
    assert (facts["gpu"] is None) == (not torch.cuda.is_available() and not torch.backends.mps.is_available())
    assert facts.keys() == {"cpu", "cores", "threads", "gpu", "system", "python", "torch", "course"}
