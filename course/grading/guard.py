"""Inside the kernel: keeps answers and tests apart, and notices when an answer changes what the tests rely on.

An answer runs in a name space of its own; only the names that its task asks for reach the tests. The public functions
of the libraries cannot be replaced by assignment, and after each test cell everything that was replaced by other means
is found, put back, and counts as a failure.
"""

import ast
import builtins
import importlib
import linecache
import random
import sys
import types
from dataclasses import dataclass
from typing import Any

WATCHED = ("torch", "numpy", "scipy", "course", "math", "cmath", "operator", "random", "statistics", "functools")
COMPARING = ("numpy.testing", "numpy.linalg", "torch.testing", "torch.linalg")
# Of classes only these: others (optimisers) are completed by their own library when they are first used.
CLASSES = ("torch.", "torch.nn.modules.", "torch.nn.parameter.", "course.")
# The kernel itself exchanges these for each cell.
KERNELS_OWN = {"input", "display", "get_ipython", "exit", "quit", "print", "open"}


class TamperingError(AssertionError):
    """An answer replaced something that the tests rely on."""


class Locked(types.ModuleType):
    """A module whose names an answer cannot replace. The libraries themselves and the tests may."""

    def __setattr__(self, name: str, value: Any) -> None:
        GUARD.allow(sys._getframe(1), self, name)
        super().__setattr__(name, value)
        GUARD.accept(self, name, value)

    def __delattr__(self, name: str) -> None:
        GUARD.allow(sys._getframe(1), self, name)
        super().__delattr__(name)


def is_watched(name: str) -> bool:
    """Does a dotted name belong to what an answer must not change?"""
    parts = name.rstrip(".").split(".")
    return parts[0] in WATCHED and not any(part.startswith("_") for part in parts[1:]) and "grading" not in parts


def is_watched_class(value: Any) -> bool:
    """Is ``value`` a class that an answer must not change?"""
    if not issubclass(type(value), type):
        return False
    module = f"{value.__module__}."
    return is_watched(module) and (module == CLASSES[0] or module.startswith(CLASSES[1:]))


def members(owner: Any) -> dict[str, Any]:
    """The public functions, classes and modules that `owner` holds (found by type: some objects warn when touched)."""
    kinds = (types.ModuleType, property, classmethod, staticmethod)
    return {
        name: value
        for name, value in list(vars(owner).items())
        if not name.startswith("_") and (hasattr(type(value), "__call__") or issubclass(type(value), kinds))  # noqa: B004
    }


def functions_in(value: Any) -> list[types.FunctionType]:
    """The Python functions that a member is made of (found by type, as above)."""
    parts = [value]
    if issubclass(type(value), staticmethod | classmethod):
        parts = [value.__func__]
    elif issubclass(type(value), property):
        parts = [value.fget, value.fset, value.fdel]
    return [part for part in parts if type(part) is types.FunctionType]


@dataclass(frozen=True)
class Body:
    """What a function does when called; all of it can be exchanged while the function stays the same object."""

    code: types.CodeType
    defaults: tuple | None
    keywords: dict[str, Any] | None

    @classmethod
    def of(cls, function: types.FunctionType) -> "Body":
        keywords = function.__kwdefaults__
        return cls(function.__code__, function.__defaults__, None if keywords is None else dict(keywords))

    def is_in(self, function: types.FunctionType) -> bool:
        """By identity: defaults may be arrays, which do not compare to one truth."""
        own, now = self.keywords or {}, function.__kwdefaults__ or {}
        return (
            function.__code__ is self.code
            and function.__defaults__ is self.defaults
            and own.keys() == now.keys()
            and all(now[name] is value for name, value in own.items())
        )

    def put_into(self, function: types.FunctionType) -> None:
        function.__code__, function.__defaults__, function.__kwdefaults__ = self.code, self.defaults, self.keywords


class Guard:
    """One for each kernel: the answers' name space, and what the libraries looked like before any answer ran."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {}
        self.given: dict[str, Any] = {}  # what the answers' name space has from the notebook
        self.taken: set[str] = set()
        self.pictures: dict[int, tuple[Any, dict[str, Any]]] = {}
        self.bodies: dict[int, tuple[types.FunctionType, Body]] = {}
        self.answers = 0

    def picture(self) -> None:
        """Remember the members of modules and classes that were loaded since the last call, and lock the modules."""
        for name in COMPARING:  # loaded when first used: be there before an answer is
            if name.split(".")[0] in sys.modules:
                importlib.import_module(name)
        modules = [module for name, module in list(sys.modules.items()) if is_watched(name) or name == "builtins"]
        for module in modules:
            if id(module) in self.pictures or not isinstance(module, types.ModuleType):
                continue
            held = members(module)
            if module is builtins:
                held = {name: value for name, value in held.items() if name not in KERNELS_OWN}
            self.keep(module, held)
            for value in held.values():
                if is_watched_class(value) and id(value) not in self.pictures:
                    self.keep(value, members(value))
            if type(module) is types.ModuleType and module is not builtins:
                module.__class__ = Locked

    def keep(self, owner: Any, held: dict[str, Any]) -> None:
        """Remember the members of a module or class, and the bodies of those that are written in Python."""
        self.pictures[id(owner)] = (owner, held)
        for function in (part for value in held.values() for part in functions_in(value)):
            self.bodies.setdefault(id(function), (function, Body.of(function)))

    def allow(self, frame: types.FrameType, module: types.ModuleType, name: str) -> None:
        """Raise when the code of an answer sets or deletes a name of a module."""
        if frame.f_globals is self.space:
            raise AttributeError(f"an answer may not replace {module.__name__}.{name}")

    def accept(self, module: types.ModuleType, name: str, value: Any) -> None:
        """A library changed a name of its own."""
        held = self.pictures[id(module)][1]
        if name in held:
            held[name] = value

    def load(self, source: str, names: list[str], namespace: dict[str, Any]) -> None:
        """Run an answer in the answers' own name space, and give the tests the `names` that the task asks for."""
        self.picture()
        for name, value in namespace.items():  # as it is now, unless an answer has put its own there
            if name not in self.taken and self.space.get(name) is self.given.get(name):
                self.space[name] = self.given[name] = value
        self.answers += 1
        filename = f"<answer {self.answers}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        tree = ast.parse(source, filename)
        compile(tree, filename, "exec")  # of what cannot be compiled, and so was not checked, not even a part is run
        last = tree.body.pop() if not names and tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, filename, "exec"), self.space)
        if last is not None:  # an open experiment may end with a value to show
            value = eval(compile(ast.Expression(last.value), filename, "eval"), self.space)
            sys.displayhook(value)
        for name in names:
            if name in self.space:
                namespace[name] = self.space[name]
                self.taken.add(name)

    def before(self) -> None:
        """Give every test cell the same start: seeds, default type, gradients on."""
        self.picture()
        random.seed(0)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(0)  # an answer may use the global generator
        if torch := sys.modules.get("torch"):
            torch.manual_seed(0)
            torch.set_default_dtype(torch.float32)
            torch.set_grad_enabled(True)

    def after(self) -> None:
        """Raise :class:`TamperingError` when a function, class or method is not what it was; put it back first."""
        replaced = []
        for function, body in self.bodies.values():
            if not body.is_in(function):
                replaced.append(f"the body of {function.__module__}.{function.__qualname__}")
                body.put_into(function)
        for owner, held in self.pictures.values():
            now = vars(owner)
            is_module = isinstance(owner, types.ModuleType)
            for name, value in held.items():
                if now.get(name) is not value:
                    replaced.append(f"{owner.__name__}.{name}")
                    if is_module:
                        now[name] = value
                    else:
                        setattr(owner, name, value)
            added = () if is_module else members(owner).keys() - held.keys()
            for name in added:
                if any(name in vars(base) for base in owner.__mro__[1:]):  # hides the inherited method
                    replaced.append(f"{owner.__name__}.{name}")
                    delattr(owner, name)
        if replaced:
            raise TamperingError(f"the answer replaced {', '.join(sorted(replaced)[:5])} while the tests ran")


GUARD = Guard()
