"""Read an answer before it runs, and refuse what no answer needs but every cheat does.

An answer shares its process with the tests, so it must not reach into them: no other modules than those for computing,
no look at the caller's frame, no exchange of library functions. The sandbox protects the machine, this protects the
marks. It does not find everything: a refused answer is shown to the instructor, who decides.
"""

import ast
import dis
import sys
import warnings
from collections.abc import Iterator
from types import CodeType


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


# Top-level packages that an answer to any exercise may import: of the standard library no others, whatever a chapter
# imports for itself, because most of it reaches files, processes, sockets or the interpreter.
IMPORTS = words(
    """
    __future__ abc bisect cmath collections contextlib copy course dataclasses decimal enum fractions functools heapq
    itertools math matplotlib numbers numpy operator random re scipy statistics string time torch tqdm typing warnings
    """
)
# Never, neither imported nor as attributes of harmless modules (torch.sys): the interpreter, the kernel, the grader,
# what replaces functions (pytest), and what runs programs or loads code (pickles, shared libraries).
MODULES = words(
    """
    sys os builtins inspect gc ctypes importlib subprocess socket traceback pickle grading
    IPython ipykernel jupyter_client nbclient nbformat nbgrader pytest joblib cloudpickle dill cffi psutil
    """
)
# What of `course` reads and writes files, starts others or imports by name.
CLOSED = (
    "course.files", "course.cli", "course.check", "course.processes", "course.reproduce",
    "course.data.registry", "course.data.download", "course.data.location", "course.data.commands",
)  # fmt: skip
# Frames, and doors to builtins, pickles, shared libraries, hooks, and strings or annotations that are evaluated.
ATTRIBUTES = MODULES | words(
    """
    bltns import_module resolve_name serialization sympy sympify f2py crackfortran myeval unpickle
    tb_frame tb_next f_back f_globals f_locals f_builtins f_code gi_frame gi_code cr_frame cr_code ag_frame ag_code
    with_traceback hub cpp_extension ctypeslib runstring rundocs load_library package library overrides
    TorchFunctionMode TorchDispatchMode get_type_hints singledispatch singledispatchmethod attrgetter methodcaller
    make_dataclass update_wrapper Formatter get_field
    """
)
# Refused where they mean the builtin function; a parameter or a variable of the answer may have these names.
NAMES = words("eval exec compile globals locals vars setattr delattr open input breakpoint exit quit help get_ipython")
# Harmless when called plainly, a way around this file as values. `wraps` is imported, so that a local name may be it.
BUILTINS_CALLED_ONLY = words("getattr type")
CALLED_ONLY = BUILTINS_CALLED_ONLY | {"wraps"}
DUNDERS = words(
    """
    __init__ __post_init__ __call__ __len__ __getitem__ __setitem__ __contains__ __iter__ __next__ __repr__ __str__
    __enter__ __exit__ __name__ __class__ __doc__ __version__ __add__ __sub__ __mul__ __matmul__ __neg__ __lt__ __hash__
    """
)
UNDERSCORED = words("_replace _asdict _fields _make")  # namedtuple's public names
LEVELS = 150  # of a syntax tree; what reads trees recurses, and Python allows it about 220


class TooDeep(ValueError):
    """Code whose expressions or blocks are nested too deeply to be read."""


def parsed(source: str) -> ast.Module:
    """The syntax tree of a piece of code.

    Raises:
        SyntaxError, ValueError: it is no Python; the error is the one that running it would give.
        TooDeep: it has more than `LEVELS` levels, or Python's own parser gives up on it.
    """
    too_deep = TooDeep(f"it is nested more than {LEVELS} levels deep")
    try:
        with warnings.catch_warnings(action="ignore"):  # an option of Python may turn them into errors
            tree = ast.parse(source)
        nodes: list[ast.AST] = [tree]
        for _ in range(LEVELS):
            nodes = [child for node in nodes for child in ast.iter_child_nodes(node)]
        if nodes:
            raise too_deep
        compiled(tree)  # finds more, such as a parameter that is global, too
    except (RecursionError, MemoryError) as error:
        raise too_deep from error
    return tree


def compiled(tree: ast.Module) -> CodeType:
    """What the kernel runs, with its asserts."""
    with warnings.catch_warnings(action="ignore"):
        return compile(tree, "answer", "exec", dont_inherit=True, optimize=0)


Lookup = tuple[bool, str, int, int | None]  # Python may be told to keep no columns


def global_lookups(statement: ast.stmt) -> Iterator[Lookup]:
    """Each use of a global name by a statement, or by a function in it: is it deleted, name, line and column.

    Read from the compiled code, so that Python itself decides what is local: the names of parameters, comprehensions,
    patterns, enclosing functions. Only a name that is looked up as a global one can reach the builtin function.
    """
    codes = [compiled(ast.Module([statement], []))]
    for code in codes:  # it grows
        codes += [part for part in code.co_consts if isinstance(part, CodeType)]
        for step in dis.get_instructions(code):
            named = step.opcode in dis.hasname and not step.opname.startswith(("STORE_", "IMPORT_"))
            if named and not step.opname.endswith(("_ATTR", "_METHOD")):
                deleted = step.opname.startswith("DELETE_")
                yield deleted, step.argval, step.positions.lineno or 0, step.positions.col_offset


def surely_bound(statement: ast.stmt) -> set[str]:
    """The global names that exist once a top-level statement has run: by ``def``, ``class`` and ``name = …`` only."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def packages(source: str) -> frozenset[str]:
    """The modules that code of the course imports and that its readers may import: none of the standard library.

    They are named as they are imported, ``sklearn.linear_model``: the rest of a large package stays closed.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    parts = [name.split(".") for name in names]
    harmless = [
        each
        for each in parts
        if each[0] not in sys.stdlib_module_names and not any(part in MODULES or part[0] == "_" for part in each)
    ]
    return frozenset(each[0] if each[0] in IMPORTS else ".".join(each) for each in harmless)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as a text; what is no chain of names is not part of it."""
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def root_of(node: ast.expr) -> ast.expr:
    """The ``a`` of ``a.b[c].d``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node


def is_inner(name: str) -> bool:
    """Is an attribute of this name a way to what an answer may not see?"""
    return name in ATTRIBUTES or (name.startswith("__") and name.endswith("__") and name not in DUNDERS)


def is_private(name: str) -> bool:
    """May a string or a pattern not name this attribute?"""
    return is_inner(name) or name.startswith("_") or name in CALLED_ONLY


def is_plain(call: ast.Call) -> bool:
    """Is it ``type(x)``, or getattr with a constant name that an answer may read?"""
    if getattr(call.func, "id", None) == "type":
        return len(call.args) == 1 and not call.keywords
    name = call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], ast.Constant) else None
    return isinstance(name, str) and not is_private(name)


class _Reader(ast.NodeVisitor):
    def __init__(self, foreign: set[str], allowed: frozenset[str]):
        self.foreign = foreign
        self.allowed = allowed
        self.found: list[tuple[int, str]] = []
        self.not_allowed = False  # is a package imported that is not in `allowed`?
        # Where getattr and type stand. Before Python 3.12, a name in an f-string may seem to stand where another is.
        self.plain: set[tuple[int, int]] = set()
        self.not_plain: set[tuple[int, int]] = set()

    def object_to(self, node: ast.AST, reason: str) -> None:
        self.found.append((getattr(node, "lineno", 0), reason))

    def check_name(self, node: ast.AST, name: str) -> None:
        if is_inner(name):
            self.object_to(node, f"uses {name}")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.check_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.check_import(node, node.module or ".")
        for alias in node.names:
            self.check_name(node, alias.name)
            self.check_closed(node, f"{node.module or ''}.{alias.name}")
            self.check_load(node, (node.module or "").split(".")[0], alias.name)
            if alias.name == "wraps" and alias.asname:
                self.object_to(node, f"renames {alias.name}")
            if alias.name in NAMES - {"compile"} | BUILTINS_CALLED_ONLY:  # re.compile is honest, and harmless
                self.object_to(node, f"uses {alias.name}")

    def check_import(self, node: ast.AST, module: str) -> None:
        first, *rest = module.split(".")
        if first not in IMPORTS and module not in self.allowed:
            self.not_allowed = True
            self.object_to(node, f"imports {module}")
        for name in rest:
            self.check_name(node, name)
            if name.startswith("_"):
                self.object_to(node, f"imports {module}")

    def check_closed(self, node: ast.AST, name: str) -> None:
        if f"{name}.".startswith(tuple(f"{module}." for module in CLOSED)):
            self.object_to(node, f"uses {name}")

    def check_load(self, node: ast.AST, owner: str, name: str) -> None:
        if owner in ("torch", "np", "numpy") and name in ("load", "memmap", "fromfile"):
            self.object_to(node, f"reads files with {owner}.{name}")

    def visit_Name(self, node: ast.Name) -> None:
        inner = node.id != "__name__" and node.id.startswith("__") and node.id.endswith("__")
        if inner:
            self.object_to(node, f"uses {node.id}")
        if node.id in BUILTINS_CALLED_ONLY:  # plain calls do not come here
            self.not_plain.add((node.lineno, node.col_offset))
        if node.id == "wraps" and isinstance(node.ctx, ast.Load):
            self.object_to(node, "uses wraps otherwise than in a plain call")

    def check_globals(self, lookups: list[tuple[ast.stmt, list[Lookup]]]) -> None:
        """Find the builtin functions that the statements of an answer use, after they have been visited."""
        own: set[str] = set()  # what the statements so far have bound for good: nothing may delete these names
        for statement, looked_up in lookups:
            for deleted, name, line, column in looked_up:
                if name not in NAMES | BUILTINS_CALLED_ONLY or (name in own and not deleted):
                    continue
                if name in NAMES or deleted:
                    self.found.append((line, f"uses {name}"))
                elif (line, column) not in self.plain - self.not_plain:
                    self.found.append((line, f"uses {name} otherwise than in a plain call"))
            own |= surely_bound(statement) if "*" not in self.foreign else set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root = root_of(node)
        own = isinstance(root, ast.Name) and root.id in ("self", "cls") and root is node.value
        self.check_name(node, node.attr)
        self.check_closed(node, dotted(node))
        if node.attr in CALLED_ONLY - {"type"}:  # x.type is a tensor's
            self.object_to(node, f"uses {node.attr} otherwise than in a plain call")
        if isinstance(node.value, ast.Name):
            self.check_load(node, node.value.id, node.attr)
        if node.attr.startswith("_") and not node.attr.startswith("__") and not own and node.attr not in UNDERSCORED:
            self.object_to(node, f"uses the private {node.attr}")
        if not isinstance(node.ctx, ast.Load):
            self.check_store(node, root)
        self.generic_visit(node)

    def check_store(self, node: ast.Attribute, root: ast.expr) -> None:
        """``torch.allclose = …``, ``type(x).__eq__ = …``: changes something that the answer does not own."""
        through_class = any(isinstance(part, ast.Attribute) and part.attr == "__class__" for part in ast.walk(node))
        of_call = (
            isinstance(root, ast.Call)
            and isinstance(root.func, ast.Name)
            and root.func.id in ("type", "getattr", "super")
        )
        of_module = isinstance(root, ast.Name) and root.id in self.foreign
        if through_class or of_call or of_module:
            self.object_to(node, f"replaces {ast.unparse(node)}")

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = getattr(function, "id", None) or getattr(function, "attr", None)
        if isinstance(function, ast.Name) and name in BUILTINS_CALLED_ONLY:
            (self.plain if is_plain(node) else self.not_plain).add((function.lineno, function.col_offset))
            self.read_arguments(node)
        elif name == "wraps" and len(node.args) == 1 and not node.keywords:
            if isinstance(function, ast.Attribute):
                self.visit(function.value)
            self.read_arguments(node)
        else:
            self.generic_visit(node)

    def read_arguments(self, node: ast.Call) -> None:
        for argument in [*node.args, *node.keywords]:
            self.visit(argument)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """``case object(gi_frame=f)`` reads an attribute, too."""
        for name in filter(is_private, node.kwd_attrs):
            self.object_to(node, f"uses the private {name}")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name.startswith("__"):  # __eq__ or __torch_function__ would let a result agree with everything
            self.check_name(node, node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef


def imported_names(tree: ast.AST) -> set[str]:
    """Every name that an import binds in `tree`, and every name set to one of those (``t = torch``)."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in names:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def objections(source: str, provided: frozenset[str] = frozenset(), allowed: frozenset[str] = IMPORTS) -> list[str]:
    """What speaks against running `source`; empty for an honest answer, and for what is no Python and will not run.

    `provided` are names that the notebook itself imports or defines: an answer may use them, but not change them.
    `allowed` are the packages and modules that it may import besides those of :data:`IMPORTS`.
    """
    try:
        tree = parsed(source)
    except TooDeep as error:
        return [str(error)]
    except (SyntaxError, ValueError):
        return []
    try:
        lookups = [(statement, list(global_lookups(statement))) for statement in tree.body]
    except SyntaxError as error:  # in an annotation, under `from __future__ import annotations`
        return [f"line {error.lineno}: {error.msg}"]
    # A parameter may be called like something provided, where the answer does not use that.
    used = {name for _, looked_up in lookups for _, name, *_ in looked_up}
    reader = _Reader(imported_names(tree) | (used & (provided | {"torch", "np", "numpy"})), allowed)
    reader.visit(tree)
    reader.check_globals(lookups)
    hint = [f"an answer to this exercise may import {', '.join(sorted(allowed))}"] if reader.not_allowed else []
    return [f"line {line}: {reason}" for line, reason in sorted(set(reader.found))] + hint
