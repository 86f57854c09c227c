"""Read an answer before it runs, and refuse what no answer needs but every cheat does.

An answer shares its process with the tests, so it must not reach into them: no other modules than those for computing,
no look at the caller's frame, no exchange of library functions. The sandbox protects the machine, this protects the
marks. It does not find everything: a refused answer is shown to the instructor, who decides.
"""

import ast
import symtable


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


# Top-level packages that an answer may import. None of them runs programs or opens sockets for the asking.
IMPORTS = words(
    """
    __future__ abc bisect cmath collections contextlib copy course dataclasses decimal enum fractions functools heapq
    itertools math matplotlib numbers numpy operator random re scipy statistics string time torch tqdm typing warnings
    """
)
# Modules that hide as attributes of harmless ones (torch.sys), frames, and doors to pickle, shared libraries or hooks.
ATTRIBUTES = words(
    """
    sys os builtins inspect gc ctypes importlib subprocess socket traceback IPython pickle grading
    tb_frame tb_next f_back f_globals f_locals f_builtins f_code gi_frame gi_code cr_frame cr_code ag_frame ag_code
    with_traceback hub cpp_extension ctypeslib runstring rundocs load_library package library overrides
    TorchFunctionMode TorchDispatchMode get_type_hints attrgetter methodcaller make_dataclass
    update_wrapper Formatter get_field
    """
)
NAMES = words("eval exec compile globals locals vars setattr delattr open input breakpoint exit quit help get_ipython")
CALLED_ONLY = words("getattr wraps type")  # harmless when called plainly, a way around this file as values
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
        tree = ast.parse(source)
        symtable.symtable(source, "answer", "exec")  # finds more, such as a parameter that is global, too
    except (RecursionError, MemoryError) as error:
        raise too_deep from error
    nodes: list[ast.AST] = [tree]
    for _ in range(LEVELS):
        nodes = [child for node in nodes for child in ast.iter_child_nodes(node)]
        if not nodes:
            return tree
    raise too_deep


def root_of(node: ast.expr) -> ast.expr:
    """The ``a`` of ``a.b[c].d``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node


class _Reader(ast.NodeVisitor):
    def __init__(self, foreign: set[str]):
        self.foreign = foreign
        self.found: list[tuple[int, str]] = []

    def object_to(self, node: ast.AST, reason: str) -> None:
        self.found.append((getattr(node, "lineno", 0), reason))

    def check_name(self, node: ast.AST, name: str) -> None:
        if name in ATTRIBUTES or (name.startswith("__") and name.endswith("__") and name not in DUNDERS):
            self.object_to(node, f"uses {name}")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.check_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.check_import(node, node.module or ".")
        for alias in node.names:
            self.check_name(node, alias.name)
            self.check_load(node, (node.module or "").split(".")[0], alias.name)
            if alias.name in CALLED_ONLY and alias.asname:
                self.object_to(node, f"renames {alias.name}")

    def check_import(self, node: ast.AST, module: str) -> None:
        first, *rest = module.split(".")
        if first not in IMPORTS:
            self.object_to(node, f"imports {module}")
        for name in rest:
            self.check_name(node, name)
            if name.startswith("_"):
                self.object_to(node, f"imports {module}")

    def check_load(self, node: ast.AST, owner: str, name: str) -> None:
        if owner in ("torch", "np", "numpy") and name in ("load", "memmap", "fromfile"):
            self.object_to(node, f"reads files with {owner}.{name}")

    def visit_Name(self, node: ast.Name) -> None:
        inner = node.id != "__name__" and node.id.startswith("__") and node.id.endswith("__")
        if inner or (node.id in NAMES and isinstance(node.ctx, ast.Load)):
            self.object_to(node, f"uses {node.id}")
        if node.id in CALLED_ONLY and isinstance(node.ctx, ast.Load):  # plain calls do not come here
            self.object_to(node, f"uses {node.id} otherwise than in a plain call")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root = root_of(node)
        own = isinstance(root, ast.Name) and root.id in ("self", "cls") and root is node.value
        self.check_name(node, node.attr)
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
        if isinstance(function, ast.Name) and name == "getattr":
            self.check_getattr(node)
            self.read_arguments(node)
        elif isinstance(function, ast.Name) and name == "type":
            if len(node.args) != 1 or node.keywords:
                self.object_to(node, "makes a class with type()")
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

    def check_getattr(self, node: ast.Call) -> None:
        name = node.args[1] if len(node.args) > 1 else None
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self.check_name(node, name.value)
            if name.value.startswith("_") or name.value in CALLED_ONLY:
                self.object_to(node, f"uses the private {name.value}")
        else:
            self.object_to(node, "uses getattr with a computed name")

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """``case object(gi_frame=f)`` reads an attribute, too."""
        for name in node.kwd_attrs:
            self.check_name(node, name)
            if name.startswith("_") or name in CALLED_ONLY:
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


def objections(source: str, provided: frozenset[str] = frozenset()) -> list[str]:
    """What speaks against running `source`; empty for an honest answer, and for what is no Python and will not run.

    `provided` are names that the notebook itself imports or defines: an answer may use them, but not change them.
    """
    try:
        tree = parsed(source)
    except TooDeep as error:
        return [str(error)]
    except (SyntaxError, ValueError):
        return []
    reader = _Reader(imported_names(tree) | provided | {"torch", "np", "numpy"})
    reader.visit(tree)
    return [f"line {line}: {reason}" for line, reason in sorted(set(reader.found))]
