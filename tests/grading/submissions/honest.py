"""What honest students write, as careful or as odd as they are: everything counts that "Run All" would let pass.

Each kind: why it is here, and what differs from an ordinary submission: the cells of the three answers (``mean``,
``centred``, ``last``), cells ``before`` all others and ``after`` them. Marks are (2, 3, 1) unless it says otherwise.
"""

MEAN = "def mean(x):\n    return x.mean()"

KINDS = {
    "a loop at the top level": {
        "why": "a table that the answer needs is filled by a loop",
        "mean": f"weights = []\nfor k in range(3):\n    weights.append(1.0)\n{MEAN} * weights[2]",
    },
    "an if at the top level": {"why": "a choice", "mean": f"if torch.ones(1) > 0:\n    unit = 1.0\n{MEAN} * unit"},
    "a try at the top level": {
        "why": "a package that may be absent",
        "mean": f"try:\n    import no_such_package\nexcept ImportError:\n    unit = 1.0\n{MEAN} * unit",
    },
    "a with at the top level": {
        "why": "a table computed without gradients",
        "mean": f"with torch.no_grad():\n    unit = torch.ones(())\n{MEAN} * unit",
    },
    "a sum by +=": {"why": "an augmented assignment", "mean": f"unit = 0\nunit += 1\n{MEAN} * unit"},
    "a walrus": {"why": "a name bound in an expression", "mean": f"print(unit := 1.0)\n{MEAN} * unit"},
    "an attribute of the function": {
        "why": "f.calls counts",
        "mean": "def mean(x):\n    mean.calls += 1\n    return x.mean()\nmean.calls = 0",
    },
    "a wrapped function": {
        "why": "f = wrap(f)",
        "mean": "def halved(f):\n    return lambda x: f(x) / 2\ndef mean(x):\n    return 2 * x.mean()\nmean = halved(mean)",
    },
    "a decorator": {
        "why": "functools",
        "mean": f"import functools\ndef plain(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n"
        f"    return g\n@plain\n{MEAN}",
    },
    "a global counter": {
        "why": "global n",
        "mean": "n = 0\ndef mean(x):\n    global n\n    n += 1\n    return x.mean()",
    },
    "a helper defined anew for each task": {
        "why": "two functions of one name, each right for its task",
        "mean": "def helper(x):\n    return x.sum()\ndef mean(x):\n    return helper(x) / len(x)",
        "last": "def helper(items):\n    return items[-1]\ndef last(items):\n    return helper(items)",
        "centred": "def helper(x):\n    return x.sum() / len(x)\ndef centred(x):\n    return x - helper(x)",
    },
    "an import below the answer": {
        "why": "it is there when the function is called",
        "mean": "def mean(x):\n    return torch.tensor(fsum(x) / len(x))\nfrom math import fsum",
    },
    "a module of its own": {"why": "statistics is in the standard library", "mean": "import statistics as s\n" + MEAN},
    "a variable called input": {"why": "input hides a builtin", "mean": "def mean(input):\n    return input.mean()"},
    "variables called vars, help, open, eval": {
        "why": "names of builtins as variables",
        "mean": "vars = help = open = eval = exec = 1.0\n" + MEAN + " * vars * help * open * eval * exec",
    },
    "eval of a constant": {"why": "odd, and harmless", "mean": "def mean(x):\n    return eval('x.mean()')"},
    "os, sys and inspect": {
        "why": "modules that reach files and frames, used for nothing bad",
        "mean": "import os, sys, inspect, gc, pickle\n" + MEAN,
    },
    "a lambda": {"why": "no def", "mean": "mean = lambda x: x.mean()"},
    "a partial function": {
        "why": "functools.partial",
        "mean": "from functools import partial\ndef power(p, x):\n    return (x**p).mean() ** (1 / p)\nmean = partial(power, 1)",
    },
    "an object with __call__": {
        "why": "a class as the answer",
        "mean": "class Mean:\n    def __call__(self, x):\n        return x.mean()\nmean = Mean()",
    },
    "a static method": {
        "why": "a class as a box",
        "mean": "class All:\n    @staticmethod\n    def mean(x):\n        return x.mean()\nmean = All.mean",
    },
    "a cell magic": {"why": "%%time above the answer", "mean": "%%time\n" + MEAN},
    "line magics and a shell command": {
        "why": "IPython's own lines",
        "mean": "%matplotlib inline\n!echo hello > /dev/null\n" + MEAN + "\n%timeit -n 1 -r 1 mean(torch.ones(2))",
    },
    "help by a question mark": {"why": "len?", "before": ["len?"]},
    "a float": {"why": "the value is right, its type is Python's", "mean": "def mean(x):\n    return float(x.mean())", "marks": (0, 3, 1)},
    "an array": {"why": "NumPy in place of a tensor", "mean": "def mean(x):\n    return torch.tensor(np.mean(x.numpy()))"},
    "a result with its graph": {
        "why": "it needs a gradient nowhere",
        "mean": "scale = torch.ones((), requires_grad=True)\n" + MEAN + " * scale",
    },
    "a generator as the result": {"why": "last of a string by iteration", "last": "def last(items):\n    return [*items][-1]"},
    "annotations": {"why": "types", "mean": "def mean(x: torch.Tensor) -> torch.Tensor:\n    return x.mean()"},
    "letters of another alphabet": {"why": "π and é in names", "mean": "é = 1.0\n" + MEAN + " * é"},
    "a match statement": {
        "why": "new syntax",
        "last": "def last(items):\n    match items:\n        case [*_, x]:\n            return x\n        case _:\n            return items[-1]",
    },
    "an answer in three cells": {
        "why": "constants, a helper and the function apart",
        "mean": "half = 0.5",
        "before": ["def helper(x):\n    return 2 * half * x.mean()", "def mean(x):\n    return helper(x)"],
    },
    "a right definition at the end": {
        "why": "mended below the tests, and never run again",
        "mean": "def mean(x):\n    return x[0]",
        "after": [MEAN],
    },
    "a wrong definition at the end": {
        "why": "overwritten by a later experiment: where its check stood it was right",
        "after": ["def mean(x):\n    return 0"],
    },
    "a name that is deleted later": {"why": "del mean, after its tests", "after": ["del mean, last"]},
    "a cell with an error before the answers": {"why": "a scratch cell that fails", "before": ["1 / 0", "this is no Python"]},
    "an experiment that raises": {"why": "it costs nothing else", "after": ["raise ValueError('no')"]},
    "float64 for good": {
        "why": "a default that no other task expects",
        "mean": "torch.set_default_dtype(torch.float64)\n" + MEAN,
    },
    "a device for good": {"why": "new tensors are made nowhere", "last": "torch.set_default_device('meta')\ndef last(items):\n    return items[-1]"},
    "no gradients for good": {"why": "torch.set_grad_enabled(False)", "before": ["torch.set_grad_enabled(False)"]},
    "a seed for good": {"why": "torch.manual_seed", "before": ["torch.manual_seed(3); np.random.seed(3)"]},
    "warnings as errors": {"why": "a filter for the whole process", "before": ["import warnings\nwarnings.simplefilter('error')"]},
    "floating-point errors as exceptions": {"why": "np.seterr", "before": ["np.seterr(all='raise')"]},
    "four threads": {"why": "they do not outlive a fork", "before": ["torch.set_num_threads(4)\ntorch.ones(500, 500) @ torch.ones(500, 500)"]},
    "a thread of its own": {
        "why": "it runs while the process forks",
        "before": ["import threading, time\nthreading.Thread(target=lambda: time.sleep(30), daemon=True).start()"],
    },
    "a figure": {"why": "matplotlib", "after": ["import matplotlib.pyplot as plt\nplt.plot([1, 2]);"]},
    "a file of its own": {
        "why": "written and read in its own folder",
        "mean": "open('one.txt', 'w').write('1.0')\ndef mean(x):\n    return x.mean() * float(open('one.txt').read())",
    },
    "another process": {
        "why": "subprocess",
        "before": ["import subprocess\nassert subprocess.run(['true']).returncode == 0"],
    },
    "a data loader with workers": {
        "why": "processes that PyTorch starts",
        "after": ["from torch.utils.data import DataLoader\nprint(len([*DataLoader([1, 2, 3], num_workers=1)]))"],
    },
    "much output": {"why": "a hundred thousand lines", "after": ["for k in range(100_000):\n    print(k)"]},
    "tests deleted": {"why": "the cells of tests are gone", "without_tests": True},
    "tests edited": {"why": "they print more", "tests": "print('mine')"},
    "metadata lost": {"why": "another program has saved it", "without_metadata": True},
    "cells reversed": {"why": "from bottom to top", "reversed": True},
    "an answer turned into text": {"why": "the cell became Markdown", "as_text": "mean"},
    "a cell twice": {"why": "copied with its id", "twice": "mean"},
    "an untouched notebook": {"why": "nothing is nothing", "empty": True, "marks": (0, 0, 0)},
    "a wrong name": {
        "why": "the hint tells it",
        "mean": "def means(x):\n    return x.mean()",
        "centred": "def centred(x):\n    return x - x.mean()",
        "marks": (0, 3, 1),
        "note": "name 'mean' is not defined; 'means' is: rename it",
    },
    "no Python": {"why": "a bracket is missing", "mean": "def mean(x):\n    return x.mean(", "marks": (0, 0, 1)},
    "an answer that prints": {"why": "what it prints is no failure", "mean": "def mean(x):\n    print(x)\n    return x.mean()"},
    "an answer that warns": {"why": "nor is a warning", "mean": "import warnings\ndef mean(x):\n    warnings.warn('!')\n    return x.mean()"},
    "an await": {"why": "IPython allows it at the top level", "before": ["import asyncio\nawait asyncio.sleep(0)"]},
    "a deep recursion": {
        "why": "it counts to a thousand",
        "last": "import sys\nsys.setrecursionlimit(5000)\ndef down(n):\n    return n and down(n - 1)\ndef last(items):\n    down(2000)\n    return items[-1]",
    },
}  # fmt: skip
