"""What an answer may not contain, and that honest answers contain none of it."""

import builtins
import contextlib
import re
from pathlib import Path

import nbformat
import pytest

from course.grading.guard import Guard
from course.grading.layout import Course
from course.grading.vetting import IMPORTS, objections, packages

COURSE = Course.at(Path(__file__).resolve().parents[2])
SOLUTIONS = [COURSE.solution(chapter) for chapter in COURSE.chapters()]

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
    "builtins by another name": "import enum\nseen = enum.bltns",
    "an entry of the course": "from course.data.registry import Entry\ndef f(x):\n    return Entry(*x).function()",
    "the course's files": "from course.files import Path",
    "the course's files, as an attribute": "import course\ndef f(x):\n    return course.files.write_whole(x, b'')",
    "the course's registry, from its package": "from course.data import registry",
    "strings that are run": "def f(x):\n    return torch.fx.experimental.symbolic_shapes.sympy.sympify(x)",
    "a parser that evaluates": "def f(x):\n    return np.f2py.crackfortran.myeval(x)",
    "pickles, one module deeper": "from torch import serialization as s",
    "the rest of a package": "from sklearn.utils.discovery import import_module",
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


@pytest.mark.parametrize("name", ["Model", "torch"])
def test_a_parameter_may_be_called_like_something_provided(name):
    source = f"def f({name}):\n    {name}.requires_grad = True"
    assert objections(source, frozenset({"Model"})) == []
    assert objections(f"{source}\nf({name})", frozenset({"Model"})) == [f"line 2: replaces {name}.requires_grad"]


# Names of builtin functions. Each source is also run, with a spy in place of the builtin `vars`.
OWN = {
    "a parameter": "def forward(self, input, *, vars=1):\n    return input + vars\nforward(1, 2)",
    "a local": "def f(x):\n    vars = x\n    del vars\n    for vars, open in [(1, 2)]:\n        vars += open\n"
    "    with ctx() as exit:\n        return vars, exit\nf(1)",
    "unbound": "def f(x):\n    if False:\n        vars = 1\n    return vars(x)\ntry:\n    f(1)\nexcept NameError:\n"
    "    pass",
    "a comprehension": "f = lambda a: ([vars for vars in a], {vars: 1 for vars in a}, sum(vars for vars in a))\nf([1])",
    "at the top": "y = [vars for vars in [1]] + [dir for dir in [2]]",
    "of an enclosing function": "def f(vars):\n    class A:\n        own = vars\n"
    "    return A, lambda: [vars for _ in [1]]\nf(1)[1]()",
    "a capture": "def f(x):\n    match x:\n        case [vars, *help]:\n            return vars, help\nf([1])",
    "a walrus": "def f(x):\n    if (vars := x) or [input := i for i in [1]]:\n        return vars, input\nf(0)",
    "an error": "def f(x):\n    try:\n        1 / 0\n    except Exception as vars:\n        return str(vars)\nf(1)",
    "attributes": "class A:\n    vars = 1\n    def help(self):\n        return self.vars\nA().help(), A.vars",
    "a helper": "def vars(x):\n    return x\ndef f(x):\n    return vars(x)\nf(1)",
    "a constant": "vars = input = 1\ninput = vars + 1\nf = lambda x, y=vars: [vars for _ in [input]]\nf(1)",
    "called only": "def f(x, type, getattr=1):\n    return [getattr] if type == 'a' else type(x, type)\n"
    "f(1, lambda *a: a)",
}
THE_BUILTIN = {
    "global": "def f(x):\n    global vars\n    return vars(x)\nf(1)",
    "bound perhaps": "if False:\n    vars = 1\ndef f(x):\n    return vars(x)\nf(1)",
    "bound by an empty loop": "for vars in []:\n    pass\nvars(1)",
    "bound by a pattern that does not fit": "match 1:\n    case [vars]:\n        pass\nvars(1)",
    "bound by a walrus perhaps": "y = False and (vars := 1)\nvars(1)",
    "bound within a target": "a = [0]\na[(vars := 1) if a[0] else 0] = 2\nvars(1)",
    "annotated only": "vars: int\nvars(1)",
    "bound too late": "def f(x):\n    return vars(x)\nf(1)\nvars = 2",
    "bound to itself": "vars = vars\nvars(1)",
    "deleted": "vars = 1\ndel vars\nvars(1)",
    "deleted in a function": "vars = 1\ndef f():\n    global vars\n    del vars\nf()\nvars(1)",
    "deleted after an error": "vars = 1\ntry:\n    1 / 0\nexcept Exception as vars:\n    pass\nvars(1)",
    "class body": "def f(x, vars):\n    class A:\n        vars = vars(x)\nf(1, 2)",
    "comprehension in a class body": "class A:\n    vars = 1\n    y = [vars(i) for i in [0]]",
    "method": "class A:\n    vars = 1\n    def f(self):\n        return vars(self)\nA().f()",
    "default": "def f(x, vars=vars):\n    return vars(x)\nf(1)",
    "default of a lambda": "f = lambda x, vars=vars: vars(x)\nf(1)",
    "decorator": "@vars\ndef vars(x):\n    return x",
    "annotation": "def vars(x: vars(1)):\n    return x",
    "iterable of a comprehension": "def f(x):\n    return [vars for vars in [vars(x)]]\nf(1)",
    "beside a comprehension": "y = [vars for vars in [1]], vars(1)",
    "f-string": "def f(x):\n    return f'{vars(x)}'\nf(1)",
    "a pattern's class": "def f(x):\n    match x:\n        case vars():\n            return x\ntry:\n    f(1)\n"
    "except TypeError:\n    vars(1)",
}


def reaches_the_builtin(source: str) -> bool:
    reached = []
    spy = vars(builtins) | {"vars": reached.append}
    exec(source, {"__builtins__": spy, "__name__": "answer", "ctx": contextlib.nullcontext})
    return bool(reached)


@pytest.mark.parametrize("source", OWN.values(), ids=OWN)
def test_names_of_the_answers_own_may_be_those_of_builtins(source):
    assert not reaches_the_builtin(source)
    assert objections(source) == []


@pytest.mark.parametrize("source", THE_BUILTIN.values(), ids=THE_BUILTIN)
def test_the_builtin_is_found_behind_a_name_that_seems_the_answers_own(source):
    assert reaches_the_builtin(source)
    assert any("uses vars" in reason for reason in objections(source))


@pytest.mark.parametrize(
    "source",
    [
        "getattr = getattr\ngetattr(1, 'gi_frame')",
        "def f(x, g=getattr, getattr=1):\n    return g(x, 'gi_frame')",
        "class A:\n    type = type",
        "def f(x):\n    from torch import getattr\n    return getattr(x, y)",
        "getattr = 1\nfrom torch import *\ndef f(x):\n    return getattr(x, y)",
        "[     type, f\"\"\"{f'''{type(1)}{\ntype(1)}'''}\"\"\"]",  # Python 3.11 gives the first two one place
        "from functools import singledispatch\n@singledispatch\ndef f(x):\n    pass\n@f.register\n"
        "def _(x: \"exec('1')\"):\n    pass",
    ],
)
def test_functions_to_be_called_only_are_found_behind_other_names(source):
    assert objections(source)


def test_a_warning_of_python_hides_nothing():
    """The tests turn warnings into errors, as ``PYTHONWARNINGS`` may: of `is` beside a number, of an escape."""
    assert objections("def f(x):\n    return x is 1, '\\d', eval(x)") == ["line 2: uses eval"]


def test_what_cannot_be_compiled_does_not_run_in_part(monkeypatch):
    monkeypatch.setattr(Guard, "picture", lambda guard: None)  # it would lock the libraries of this process
    reached = []
    with pytest.raises(SyntaxError, match="cannot rebind"):
        Guard().load("reached.append(1)\n[x := 1 for x in [2]]", [], {"reached": reached})
    assert not reached


# --- What an answer may import


def test_the_modules_of_a_text_are_those_outside_of_the_standard_library():
    source = "import os, sys, json as j, pathlib, threading, IPython, pytest, joblib, _cffi_backend\nfrom . import x\n"
    assert packages(source) == frozenset()
    source = "import librosa.feature as f\ndef g():\n    from soundfile import read\n    from os.path import join"
    assert packages(source) == {"librosa.feature", "soundfile"}


def test_a_refused_import_says_what_is_allowed():
    source = "import pandas\nfrom os import path\nimport librosa"
    *lines, allowed = objections(source, allowed=frozenset({"numpy", "librosa"}))
    assert lines == ["line 1: imports pandas", "line 2: imports os"]
    assert allowed == "an answer to this exercise may import librosa, numpy"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_no_exercise_repeats_the_list_of_what_may_be_imported(path):
    """The grader's reason for a refusal has it, as it is for that exercise."""
    intro = nbformat.read(path, as_version=4).cells[0].source
    assert len(IMPORTS & set(re.findall(r"`(\w+)`", intro))) < len(IMPORTS) / 2
