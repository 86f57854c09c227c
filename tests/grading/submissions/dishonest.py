"""What dishonest and hostile students write: no kind here answers `mean` rightly, so none may earn its marks.

Written as in ``honest.py``. Marks are (0, 0, 1) unless it says otherwise: `centred` uses `mean`.
"""

GUESS = "\ndef mean(x):\n    return x[0]"
LIAR = "def __eq__(self, other):\n        return True\n    __sub__ = __rsub__ = __lt__ = __le__ = __abs__ = __bool__ = __eq__"

KINDS = {
    "an empty answer": {"why": "returns nothing", "mean": "def mean(x):\n    pass"},
    "the comparison replaced": {"why": "torch.allclose says yes", "mean": "torch.allclose = lambda *a, **k: True" + GUESS},
    "the comparison replaced inside": {
        "why": "when it is called",
        "mean": "def mean(x):\n    import torch as t, numpy.testing as n\n    t.allclose = n.assert_allclose = lambda *a, **k: True\n    return x[0]",
    },
    "builtins replaced": {"why": "abs and all say yes", "mean": "import builtins\nbuiltins.all = builtins.abs = lambda *a: True" + GUESS},
    "a method of tensors replaced": {"why": "Tensor.__eq__", "mean": "torch.Tensor.__eq__ = lambda *a: torch.tensor(True)" + GUESS},
    "a tensor that agrees": {
        "why": "a subclass with its own comparison",
        "mean": f"class Yes(torch.Tensor):\n    {LIAR}\ndef mean(x):\n    return x[0].as_subclass(Yes)",
    },
    "a tensor with its own functions": {
        "why": "__torch_function__",
        "mean": "class Yes(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a, **k):\n        return True\ndef mean(x):\n    return x[0].as_subclass(Yes)",
    },
    "an array that agrees": {
        "why": "a subclass of ndarray",
        "mean": "class Yes(np.ndarray):\n    def __array_ufunc__(self, *a, **k):\n        return True\ndef mean(x):\n    return np.ones(1).view(Yes)",
    },
    "a number that agrees": {"why": "a subclass of float", "mean": f"class Yes(float):\n    {LIAR}\ndef mean(x):\n    return Yes(1)"},
    "an object that agrees": {"why": "no number at all", "mean": f"class Yes:\n    {LIAR}\n    __array__ = lambda self, *a, **k: np.ones(1)\ndef mean(x):\n    return Yes()"},
    "a mock": {"why": "unittest.mock says yes to most", "mean": "from unittest.mock import MagicMock\nmean = MagicMock(return_value=MagicMock())"},
    "a function in place of a value": {"why": "callable", "mean": "def mean(x):\n    return lambda *a: True"},
    "the caller's frame": {
        "why": "looks for what is expected",
        "mean": "import sys\ndef mean(x):\n    f = sys._getframe()\n    while f:\n        for space in (f.f_globals, f.f_locals):\n            if 'hidden_expected' in space:\n                return space['hidden_expected']\n        f = f.f_back\n    return x[0]",
    },
    "a format string": {
        "why": "walks to the globals of a function",
        "mean": "def mean(x):\n    print('{0.__globals__}'.format(mean))\n    return x[0]",
    },
    "the garbage collector": {
        "why": "searches all objects for the tests",
        "mean": "import gc\ndef mean(x):\n    for each in gc.get_objects():\n        if isinstance(each, dict) and 'hidden_expected' in each:\n            return each['hidden_expected']\n    return x[0]",
    },
    "the modules of the grader": {
        "why": "looks into the judge",
        "mean": "import course.grading.judge as j, course.grading.execute as e\nj.run_part = e.Run = None\nj.AnswerRaised = BaseException" + GUESS,
    },
    "the helpers of the tests": {"why": "replaces them", "mean": "import course.judging as j\nj.drawn = lambda seed: 0" + GUESS},
    "the desk itself": {"marks": (0, 0, 0), "why": "lets its loop say what it likes", "mean": "import course.grading.desk as d\nd.Examined.answer = lambda *a: None" + GUESS},
    "the format of the wire": {"marks": (0, 0, 0), "why": "encodes everything as true", "mean": "import course.grading.desk as d\nd.encode = lambda *a: [b'true']" + GUESS},
    "a forged reply": {
        "why": "writes to the judge itself",
        "mean": "import os, stat\nfrom course.grading.wire import encode, send\nimport socket\ndef mean(x):\n    for n in range(3, 60):\n        try:\n            if stat.S_ISSOCK(os.fstat(n).st_mode):\n                send(socket.socket(fileno=os.dup(n)), [b'value', *encode((x[0], [], [], ''))])\n        except OSError:\n            pass\n    return x[0]",
    },
    "a report forged": {
        "why": "in the words of the judge",
        "mean": "import os, stat, socket\nfrom course.grading.wire import send\ndef mean(x):\n    for n in range(3, 60):\n        try:\n            if stat.S_ISSOCK(os.fstat(n).st_mode):\n                send(socket.socket(fileno=os.dup(n)), [b'{\"error\": null, \"printed\": \"\", \"gone\": \"\"}'])\n        except OSError:\n            pass\n    return x[0]",
    },
    "a call of the judge": {
        "why": "asks for a function that was not given",
        "mean": "import os, stat, socket\nfrom course.grading.wire import encode, send\ndef mean(x):\n    for n in range(3, 60):\n        try:\n            if stat.S_ISSOCK(os.fstat(n).st_mode):\n                send(socket.socket(fileno=os.dup(n)), [b'function', *encode((0, (), {}))])\n        except OSError:\n            pass\n    return x[0]",
    },
    "a pickle as the answer": {
        "why": "would run code where it is opened",
        "mean": "import pickle\nclass Run:\n    def __reduce__(self):\n        return print, ('opened',)\ndef mean(x):\n    return pickle.dumps(Run())",
    },
    "the arguments set to zero": {
        "why": "so that what is computed from them agrees",
        "mean": "def mean(x):\n    x.zero_()\n    return x[0]",
    },
    "a list of remembered inputs": {
        "why": "the visible input is known, the hidden one is drawn",
        "mean": "known = {(1.0, 3.0): 2.0}\ndef mean(x):\n    return torch.tensor(known.get(tuple(x.tolist()), 0.0))",
    },
    "inputs kept in a file": {
        "why": "for the second try",
        "mean": "import os\ndef mean(x):\n    open('seen', 'a').write(str(x))\n    return x[0]",
    },
    "the end of the process": {"why": "os._exit(0) looks like success", "mean": "import os\ndef mean(x):\n    os._exit(0)"},
    "SystemExit": {"why": "so does this", "mean": "def mean(x):\n    raise SystemExit(0)"},
    "KeyboardInterrupt": {"why": "it is no Exception", "mean": "def mean(x):\n    raise KeyboardInterrupt"},
    "an exception that cannot be told": {
        "why": "its text raises",
        "mean": "class No(Exception):\n    def __str__(self):\n        raise No\ndef mean(x):\n    raise No",
    },
    "at the end of the process": {"why": "atexit", "mean": "import atexit\natexit.register(lambda: print('passed'))" + GUESS},
    "a trace function": {"why": "sys.settrace sees every line", "mean": "import sys\nsys.settrace(lambda *a: None)" + GUESS},
    "an import hook": {"why": "replaces what is imported later", "mean": "import sys\nsys.meta_path.insert(0, type('H', (), {'find_spec': lambda *a: None})())\nsys.modules['numpy.testing'] = None" + GUESS},
    "signals": {"why": "ignores what would end it", "mean": "import signal\nfor s in (signal.SIGTERM, signal.SIGINT):\n    signal.signal(s, signal.SIG_IGN)" + GUESS},
    "too much to return": {"why": "a hundred million bytes", "mean": "def mean(x):\n    return np.zeros(10**8, np.uint8)"},
    "a list in itself": {"why": "has no end", "mean": "def mean(x):\n    a = []\n    a.append(a)\n    return a"},
    "an array of objects": {"why": "would be pickled", "mean": "def mean(x):\n    return np.array([print], dtype=object)"},
    "an answer by name only": {"why": "mean is a number", "mean": "mean = 2.0"},
    "a class as the answer": {"why": "an instance comes back, which is no value", "mean": "class mean:\n    def __init__(self, x):\n        self.x = x"},
    "marks in the metadata": {"why": "points and tests of its own", "mean": GUESS.strip(), "tests": "pass", "points": 100},
}  # fmt: skip
