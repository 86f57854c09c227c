"""What an answer may not contain, and that honest answers contain none of it."""

import re
from pathlib import Path

import nbformat
import pytest

from course.grading.vetting import IMPORTS, objections

EXERCISES = sorted((Path(__file__).resolve().parent.parent.parent / "book/exercises").glob("*/*.ipynb"))

HONEST = {
    "an optimiser": "def f(p):\n    o = torch.optim.Adam([p])\n    o.zero_grad()\n"
    "    p.grad = None\n    p.data = p * 2",
    "a class": "class Stats:\n    def __init__(self):\n        super().__init__()\n"
    "        self._n = 0\n    def __len__(self):\n"
    "        return self._n\n    def __repr__(self):\n        return self.__class__.__name__",
    "state of its own": "def f(state, x):\n    state.count += 1\n    state.mean[0] = x\n    return state",
    "a course import": "from course import data, runtime\ndef f():\n    return data.load('glyphs')",
    "functional torch": "from torch.func import functional_call, grad, vmap\ndef f(x):\n"
    "    return vmap(grad(torch.sum))(x)",
    "a decorator": "import functools\nfrom functools import wraps\ndef f(g):\n    @functools.wraps(g)\n"
    "    def h(*a):\n        return g(*a)\n    return wraps(g)(h)",
    "a match": "def f(x):\n    match x:\n        case torch.Tensor(ndim=2):\n            return x.T\n    return x",
    "constant getattr": "def f(x):\n    return getattr(x, 'shape', None)",
    "named tuples": "from collections import namedtuple\nP = namedtuple('P', 'a')\ndef f(p):\n"
    "    return p._replace(a=1)._asdict()",
    "linear algebra": "import scipy.linalg as la\ndef f(a):\n"
    "    return la.eigh(a)[0][::-1], np.linalg.svd(a), torch.linalg.qr(a)",
    "types": "def f(x):\n    assert type(x) is torch.Tensor\n    return x.type(torch.float64)",
    "signals": "def f(x):\n    import scipy.signal\n    return scipy.signal.convolve(x, x)",
}
CHEATS = {
    "patch": "def f(x):\n    torch.allclose = lambda *a, **k: True",
    "patch below": "def f(x):\n    np.testing.assert_allclose = print",
    "patch an alias": "import torch as t\ns = t\ndef f(x):\n    s.allclose = print",
    "patch by loop": "def f(x):\n    for torch.allclose in [print]: pass",
    "delete": "def f(x):\n    del torch.allclose",
    "patch a class": "def f(x):\n    type(x).__eq__ = lambda a, b: True",
    "patch through the class": "def f(x):\n    x.__class__.mean = print",
    "patch the dictionary": "def f(x):\n    torch.__dict__['allclose'] = print",
    "vars": "def f(x):\n    vars(torch)['allclose'] = print",
    "setattr": "def f(x):\n    setattr(torch, 'allclose', print)",
    "frame": "import sys\ndef f(x):\n    return sys._getframe(1).f_locals",
    "frame by traceback": "def f(x):\n    try:\n        1 / 0\n    except Exception as e:\n"
    "        return e.__traceback__.tb_frame.f_back",
    "generator frame": "def f(x):\n    g = (i for i in x)\n    return g.gi_frame.f_back",
    "hidden module": "def f(x):\n    torch.os._exit(0)",
    "hidden module, imported": "from torch import os\ndef f(x):\n    os.getcwd()",
    "subprocess": "import subprocess\ndef f(x):\n    subprocess.run('ls')",
    "exec": "def f(x):\n    exec('import os')",
    "dunder import": "def f(x):\n    __import__('os')",
    "getattr": "def f(x):\n    return getattr(torch, 'o' + 's')",
    "getattr, constant": "def f(x):\n    return getattr(torch, 'os')",
    "getattr as a value": "g = getattr\ndef f(x):\n    return g((i for i in x), 'gi_frame').f_back",
    "getattr as an argument": "import functools\ndef f(x):\n    return functools.reduce(getattr, ['gi_frame'], x)",
    "getattr in a list": "def f(x):\n    return [getattr][0](x, 'gi_frame')",
    "setattr as a value": "s = setattr\ndef f(x):\n    s(torch, 'allclose', print)",
    "a pattern": "def f(x):\n    match (i for i in x):\n        case object(gi_frame=g):\n            return g",
    "a format": "import string\ndef f(x):\n    return string.Formatter().get_field('0.gi_frame', [x], {})",
    "the code of a function": "import functools\ndef f(x):\n    functools.update_wrapper("
    "np.testing.assert_allclose, f, assigned=('__code__',), updated=())",
    "the code of a function, imported": "from functools import update_wrapper as u\ndef f(x):\n    u(x, f)",
    "the code by wraps": "import functools\ndef f(x):\n    functools.wraps(f, ('__code__',), ())(torch.allclose)",
    "the code by wraps, by name": "from functools import wraps\ndef f(x):\n"
    "    wraps(f, assigned=('__code__',), updated=())(torch.allclose)",
    "wraps as a value": "import functools\nw = functools.wraps\ndef f(x):\n    w(f, ('__code__',))(x)",
    "wraps renamed": "from functools import wraps as w\ndef f(x):\n    w(f, ('__code__',))(x)",
    "subclasses": "def f(x):\n    return ().__class__.__base__.__subclasses__()",
    "globals": "def f(x):\n    return f.__globals__",
    "always equal": "class Yes:\n    def __eq__(self, other):\n        return True",
    "torch function": "class T(torch.Tensor):\n    @classmethod\n"
    "    def __torch_function__(cls, *a):\n        return True",
    "pickle": "def f(x):\n    return torch.load('x', weights_only=False)",
    "the guard": "from course.grading.guard import GUARD\ndef f(x):\n    GUARD.pictures.clear()",
    "exit": "def f(x):\n    exit()",
    "ipython": "def f(x):\n    get_ipython().ast_transformers.append(x)",
    "type by another name": "t = type\ndef f(x):\n    return t('X', (), {'__eq__': lambda a, b: True})()",
    "type with three arguments": "def f(x):\n    return type('X', (), {'__eq__': lambda a, b: True})()",
    "overrides": "from torch.overrides import TorchFunctionMode\ndef f(x):\n    return x",
    "numpy runs strings": "def f(x):\n    np.testing.runstring('import os', {})",
}


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST)
def test_honest_answers_pass(source):
    assert objections(source) == []


@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS)
def test_cheats_are_named(source):
    assert objections(source)


def test_what_the_notebook_provides_is_not_changed():
    source = "def f(x):\n    Model.forward = print"
    assert objections(source, frozenset({"Model"})) == ["line 2: replaces Model.forward"]


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_an_exercise_names_the_modules_that_an_answer_may_import(path):
    intro = nbformat.read(path, as_version=4).cells[0].source
    listed = re.search(r"An answer may import (.*?)\.\s", intro, flags=re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", listed)) == IMPORTS
