"""What the check misses, the guard sees: run in a process of its own, because it locks the libraries there."""

import json
import select
import subprocess
import sys

import pytest

SECONDS = 60  # importing torch takes more than ten on a busy machine

SERVER = """
import json, os, sys
import numpy as np
import torch
from course.grading.guard import GUARD

GUARD.picture()
for line in sys.stdin:
    if os.fork():
        os.wait()
        continue
    source, test = json.loads(line)
    space = {"torch": torch, "np": np}
    told = []
    for step in (lambda: GUARD.load(source, ["f"], space), lambda: exec(test, space), GUARD.after, GUARD.after):
        try:
            step()
            told.append("")
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
    sound = not torch.allclose(torch.ones(1), torch.zeros(1))
    try:
        np.testing.assert_allclose(1.0, 2.0)
        sound = False
    except AssertionError:
        pass
    print(json.dumps({"told": told, "names": sorted(space), "sound": sound}), flush=True)
    break
"""


@pytest.fixture(scope="module")
def guarded():
    """Load an answer and test it, in a fork of a process that has torch loaded; what each step raised."""
    command = [sys.executable, "-W", "error", "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def call(source: str, test: str = "f(torch.ones(2))") -> dict:
            print(json.dumps([source, test]), file=server.stdin, flush=True)
            answered, _, _ = select.select([server.stdout], [], [], SECONDS)
            assert answered, f"no reply within {SECONDS} s"
            return json.loads(server.stdout.readline())

        try:
            yield call
        finally:
            server.kill()


def test_an_honest_answer_is_left_alone(guarded):
    source = (
        "def f(x):\n    w = torch.nn.Linear(2, 1)\n    o = torch.optim.Adam(w.parameters())\n"
        "    w(x).sum().backward()\n"
        "    o.step()\n    torch.backends.cudnn.benchmark = False\n    return torch.func.vmap(torch.sin)(x)"
    )
    assert guarded(source)["told"] == ["", "", "", ""]


@pytest.mark.parametrize(
    "source",
    [
        "t = torch\ndef f(x):\n    [t][0].allclose = lambda *a, **k: True",
        "def f(x):\n    setattr(torch, 'allclose', lambda *a, **k: True)",
        "def f(x):\n    del torch.allclose",
    ],
)
def test_a_module_cannot_be_changed(source, guarded):
    result = guarded(source)
    assert "may not replace torch.allclose" in result["told"][1]
    assert result["sound"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f(x):\n    vars(torch)['allclose'] = lambda *a, **k: True", "torch.allclose"),
        ("def f(x):\n    np.testing.__dict__['assert_allclose'] = print", "numpy.testing.assert_allclose"),
        ("def f(x):\n    torch.Tensor.all = lambda *a: True", "Tensor.all"),
        (
            "import functools\ndef nothing(*a, **k):\n    pass\ndef f(x):\n    functools.update_wrapper("
            "np.testing.assert_allclose, nothing, assigned=('__code__',), updated=())",
            "the body of numpy.testing",
        ),
        ("def f(x):\n    np.testing.assert_allclose.__kwdefaults__ = {'rtol': 1}", "the body of numpy.testing"),
        ("def f(x):\n    torch.Tensor.backward.__defaults__ = (1,)", "the body of torch._tensor.Tensor.backward"),
        ("def f(x):\n    __builtins__['abs'] = lambda x: 0", "builtins.abs"),
    ],
)
def test_a_change_by_other_means_is_found_and_undone(source, name, guarded):
    result = guarded(source)
    assert name in result["told"][2]
    assert result["told"][3] == ""
    assert result["sound"]


def test_only_the_asked_name_reaches_the_tests(guarded):
    source = "class torch:\n    allclose = staticmethod(print)\nvalue = 1\ndef f(x):\n    return value"
    result = guarded(
        source, "assert f(1) == 1 and torch.allclose is not None and not torch.allclose(torch.ones(1), torch.zeros(1))"
    )
    assert result["told"] == ["", "", "", ""]
    assert result["names"] == ["__builtins__", "f", "np", "torch"]


def test_a_global_statement_stays_in_the_answers_space(guarded):
    source = "def f(x):\n    global torch\n    torch = 1"
    assert guarded(source, "f(1)\ntorch.ones(1)")["told"] == ["", "", "", ""]


def test_the_source_of_an_answer_can_be_read(guarded):
    test = "import inspect\nassert 'return 1' in inspect.getsource(f)"
    assert guarded("def f(x):\n    return 1", test)["told"] == [""] * 4


def test_a_test_may_replace_what_it_likes_and_put_it_back(guarded):
    test = "from unittest import mock\nwith mock.patch.object(torch, 'allclose', print):\n    f(1)"
    assert guarded("def f(x):\n    return 1", test)["told"] == [""] * 4


def test_each_test_cell_starts_alike(guarded):
    source = "def f(x):\n    torch.set_default_dtype(torch.float64)\n    torch.set_grad_enabled(False)"
    test = (
        "f(1)\nfrom course.grading.guard import GUARD\nGUARD.before()\na = torch.rand(1)\nGUARD.before()\n"
        "assert torch.equal(a, torch.rand(1)) and a.dtype == torch.float32 and torch.is_grad_enabled()"
    )
    assert guarded(source, test)["told"] == [""] * 4
