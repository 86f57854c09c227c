"""Find the answers in a submission and put them into the original notebook.

Students split, copy, move and delete cells. So a coded answer is looked up by the *name* that the task asks for,
anywhere in the submission, together with the helpers, imports and constants that it uses; a written answer by its
cell's id and its neighbours. Everything else (text, tests, points) comes from the original.
"""

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from .harmless import harmless_attachments, harmless_text
from .vetting import IMPORTS, imported_names, objections, packages, parsed

BINDING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


@dataclass(frozen=True)
class Statement:
    """One top-level statement of a notebook that binds names; `cell` and `line` say where it stands."""

    source: str
    names: frozenset[str]
    shape: str  # the syntax tree without positions: equal for equal code
    unfinished: bool
    cell: int
    line: int


def grade_id(cell: NotebookNode) -> str | None:
    """The name under which nbgrader knows a cell; None for a student's own cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


IPYTHON = re.compile(r"[%!?].*|[\w.*]+\?{1,2}\s*")  # at the beginning of a line


def plain_python(source: str) -> str:
    """A cell without its IPython lines (``%time``, ``!pip``, ``f?``); what Python can read stays as it is."""
    if is_python(source):
        return source
    return "\n".join("pass" if IPYTHON.fullmatch(line) else line for line in source.split("\n"))


def is_python(source: str) -> bool:
    """Can Python read it, and the grader, too?"""
    try:
        parsed(source)
    except (SyntaxError, ValueError):
        return False
    return True


def blocks(source: str) -> list[tuple[int, str]]:
    """The top-level blocks of a cell, each with the number of its first line; they need not be Python."""
    found: list[tuple[int, list[str]]] = []
    decorated = False
    for number, line in enumerate(source.split("\n")):
        starts = bool(line) and not line[0].isspace() and line[0] not in ")]}#"
        if not found or (starts and not decorated):
            found.append((number, []))
        found[-1][1].append(line)
        if starts:
            decorated = line.startswith("@")
    return [(number, "\n".join(lines)) for number, lines in found]


def parsable_parts(source: str) -> list[tuple[int, str]]:
    """The cell itself when Python can read it, otherwise those of its top-level blocks that Python can read."""
    return [(0, source)] if is_python(source) else [part for part in blocks(source) if is_python(part[1])]


def bound_names(node: ast.stmt) -> frozenset[str]:
    """The names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset([node.name])
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset((alias.asname or alias.name).split(".")[0] for alias in node.names)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = (part for target in targets for part in ast.walk(target))  # f.x = 1 and f[0] = 1 bind nothing
    return frozenset(part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))


def is_unfinished(node: ast.stmt) -> bool:
    """Does the definition still end with ``raise NotImplementedError()``?"""
    last = node.body[-1] if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
    return isinstance(last, ast.Raise) and last.exc is not None and "NotImplementedError" in ast.unparse(last.exc)


def statements(source: str, cell: int = 0) -> list[Statement]:
    """The top-level statements of one cell that bind names, in order."""
    found = []
    for offset, text in parsable_parts(plain_python(source)):
        lines = re.split(r"\r\n?|\n", text)  # as Python does
        for node in parsed(text).body:
            if not isinstance(node, BINDING):
                continue
            first = min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])
            piece = [line.encode() for line in lines[first - 1 : node.end_lineno]]  # columns count bytes
            piece[-1] = piece[-1][: node.end_col_offset]
            piece[0] = piece[0][node.col_offset :]
            piece = b"\n".join(piece).decode()
            line = offset + node.lineno
            found.append(Statement(piece, bound_names(node), ast.dump(node), is_unfinished(node), cell, line))
    return found


def used_names(source: str) -> set[str]:
    """The global names that a piece of code looks up, at once or when called."""

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symtable.symtable(source, "answer", "exec")))


@dataclass
class Submission:
    """The statements of a submitted notebook, and the cells they come from."""

    notebook: NotebookNode
    code: dict[int, str] = field(init=False)  # the source of each cell with code, by the cell's number
    statements: list[Statement] = field(init=False)

    def __post_init__(self) -> None:
        self.code = {
            number: cell.source
            for number, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code" or (is_solution(cell) and "def " in cell.source)
        }
        self.statements = [part for number, source in self.code.items() for part in statements(source, number)]

    def candidates(self, name: str, stubs: set[str], tests: set[str]) -> tuple[Statement, Statement] | None:
        """The definition of `name` in force when the task's tests run from top to bottom, and the notebook's last one.

        The student saw the tests judge the first; often both are the same. None without a definition: untouched stubs
        (`stubs`) are none.
        """
        named = [part for part in self.statements if name in part.names and part.shape not in stubs]
        finished = [part for part in named if not part.unfinished] or named
        last_test = max([n for n, cell in enumerate(self.notebook.cells) if grade_id(cell) in tests], default=-1)
        in_force = [part for part in finished if part.cell <= last_test]
        return ((in_force or finished)[-1], finished[-1]) if finished else None

    def unreadable(self, name: str) -> str | None:
        """The last cell with a definition of `name` that Python cannot read; None when there is none."""
        definition = re.compile(rf"^(?:async +def|def|class) +{re.escape(name)}\b", re.MULTILINE)
        cells = [plain_python(source) for source in self.code.values()]
        broken = [
            cell
            for cell in cells
            if not is_python(cell) and any(definition.search(text) and not is_python(text) for _, text in blocks(cell))
        ]
        return broken[-1] if broken else None

    def with_helpers(self, answer: Statement, given: set[str]) -> list[Statement]:
        """`answer` after everything of the student's that it uses and that is not `given` by the notebook."""
        ordered: list[Statement] = []
        seen: set[Statement] = set()

        def visit(statement: Statement) -> None:
            if statement in seen:
                return
            seen.add(statement)
            for name in sorted(used_names(statement.source) - given):
                helpers = [other for other in self.statements if name in other.names]
                near = [other for other in helpers if other.cell == answer.cell]
                if helpers and name not in answer.names:
                    visit((near or helpers)[-1])
            ordered.append(statement)

        stars = [other for other in self.statements if "*" in other.names]
        visit(answer)
        return [star for star in stars if star not in ordered] + ordered

    def program(self, answers: dict[str, Statement], given: set[str]) -> list[Statement]:
        """The answers to a task, by name, with all that they use and that is not `given`; nothing comes twice."""
        parts = [self.with_helpers(answer, given - {name}) for name, answer in answers.items()]
        return list(dict.fromkeys(part for helped in parts for part in helped))


def answer_names(released: NotebookNode, solution: NotebookNode) -> list[str]:
    """The names that a solution cell asks for: those of the student's stub, or of the solution without a stub."""
    for cell in (released, solution):
        names = [name for statement in statements(cell.source) for name in sorted(statement.names)]
        if names:
            return names
    return []


@dataclass(frozen=True)
class Task:
    """A cell to fill in, the names it must define, and the ids of the test cells that follow it."""

    position: int
    names: tuple[str, ...]
    tests: tuple[str, ...]


def tasks(released: NotebookNode, solution: NotebookNode) -> list[Task]:
    """The coded tasks of a notebook, in order."""
    solutions = {grade_id(cell): cell for cell in solution.cells if grade_id(cell)}
    found: list[Task] = []
    for position, cell in enumerate(released.cells):
        if cell.cell_type == "code" and is_solution(cell):
            names = () if is_grade(cell) else tuple(answer_names(cell, solutions[grade_id(cell)]))
            found.append(Task(position, names, ()))
        elif cell.cell_type == "code" and is_grade(cell) and found:
            found[-1] = replace(found[-1], tests=(*found[-1].tests, grade_id(cell)))
    return found


def cells_between(released: NotebookNode, submitted: NotebookNode, position: int) -> list[NotebookNode]:
    """What stands in the submission where the original has cell `position`; empty when that is untouched or gone.

    Cells are matched by id and by equal text; what lies between the matches before and after it belongs to the answer.
    """
    original = released.cells[position]
    matches: dict[int, int] = {}  # from a cell of the submission to the cell of the original that it is
    by_id = {grade_id(cell): number for number, cell in enumerate(released.cells) if grade_id(cell)}
    by_text = {cell.source.strip(): number for number, cell in enumerate(released.cells) if cell.source.strip()}
    for number, cell in enumerate(submitted.cells):
        match = by_id.get(grade_id(cell), by_text.get(cell.source.strip()))
        if match is not None:
            matches[number] = match
    own = [number for number, match in matches.items() if match == position]
    before = [number for number, match in matches.items() if match < position]
    start = own[0] if own else max(before) + 1 if before else 0
    end = own[-1] + 1 if own else start
    while end < len(submitted.cells) and end not in matches:
        end += 1
    numbers = [number for number in sorted({*own, *range(start, end)}) if matches.get(number, position) == position]
    cells = [submitted.cells[n] for n in numbers if n in own or submitted.cells[n].cell_type == original.cell_type]
    return [cell for cell in cells if cell.source.strip() not in ("", original.source.strip())]


def write_answer(cell: NotebookNode, parts: list[NotebookNode]) -> None:
    """Put a written answer into its cell: text and attached images (a photographed derivation), made harmless.

    An image gets a name without spaces and accents: a text writes them as ``%20``, which nbconvert does not decode.
    """
    attachments, texts = {}, []
    for part in parts:
        text = part.source.strip()
        for name, data in harmless_attachments(part.get("attachments", {})).items():
            plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
            unique = plain if attachments.get(plain, data) == data else f"{len(attachments)}-{plain}"
            for written in {name, quote(name, safe="~()*!.';/?:@&=+$,#")}:  # as JupyterLab writes it
                text = text.replace(f"(attachment:{written})", f"(attachment:{unique})")
            attachments[unique] = data
        texts.append(text)
    cell.source = harmless_text("\n\n".join(texts), attachments)
    if attachments:
        cell.attachments = attachments


def given_names(released: NotebookNode) -> tuple[set[str], frozenset[str]]:
    """Names that the original's own cells define, and those of them that are imports, functions or classes."""
    names, fixed = set(), set()
    for cell in released.cells:
        if cell.cell_type != "code" or is_solution(cell) or is_grade(cell):
            continue
        clean = plain_python(cell.source)
        fixed |= imported_names(ast.parse(clean))
        for statement in statements(clean):
            names |= statement.names
            if statement.source.lstrip().startswith(("def ", "class ", "@", "async ")):
                fixed |= statement.names
    return names | fixed, frozenset(fixed)


def packages_of(notebook: NotebookNode) -> frozenset[str]:
    """The packages that a notebook of the course imports."""
    sources = [plain_python(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    return frozenset(name for source in sources for _, part in parsable_parts(source) for name in packages(part))


def assemble(
    released: NotebookNode, solution: NotebookNode, submitted: NotebookNode, of_chapter: frozenset[str] = frozenset()
) -> NotebookNode:
    """The original notebook with the student's answers in it.

    The answers may import what the original notebook imports, the packages `of_chapter`, and what every answer may.
    The cells to fill in carry in their metadata, under ``course``: `names` (what to take over from the answer),
    `alternative` (a second definition found in the submission, or None) and `refused` (why the answer is not run).
    """
    notebook = nbformat.from_dict(released)
    submission = Submission(submitted)
    given, fixed = given_names(released)
    allowed = IMPORTS | packages_of(released) | of_chapter
    every_task = tasks(released, solution)
    asked = {name for task in every_task for name in task.names}
    loaded: dict[str, str] = {}  # the student's helpers that an earlier cell has loaded already

    def render(parts: list[Statement]) -> str:
        fresh = [part for part in parts if any(loaded.get(name) != part.source for name in part.names)]
        return "\n\n\n".join(part.source for part in fresh)

    for task in every_task:
        cell = notebook.cells[task.position]
        if not task.names:
            text = "\n\n".join(part.source.strip() for part in cells_between(released, submitted, task.position))
            cell.source = plain_python(text) if text else cell.source
            refused = objections(cell.source, fixed, allowed) if text else []
            cell.metadata["course"] = {"names": [], "alternative": None, "refused": refused}
            continue
        stubs = {statement.shape for statement in statements(cell.source)}
        found = {name: submission.candidates(name, stubs, set(task.tests)) for name in task.names}
        first = submission.program({name: pair[0] for name, pair in found.items() if pair}, given | asked)
        last = submission.program({name: pair[1] for name, pair in found.items() if pair}, given | asked)
        unreadable = next(filter(None, (submission.unreadable(name) for name in found if not found[name])), None)
        # An answer that Python cannot read is run as it is: the error message is what its author needs.
        source = unreadable or render(first)
        refused = objections(source, fixed, allowed)
        if source:
            cell.source = source
        other = unreadable or render(last)
        alternative = other if other != source and not objections(other, fixed, allowed) else None
        cell.metadata["course"] = {"names": list(task.names), "alternative": alternative, "refused": refused}
        if not refused and not unreadable:
            loaded.update({name: part.source for part in first for name in part.names})
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and is_solution(cell):
            parts = cells_between(released, submitted, position)
            if parts:
                write_answer(cell, parts)
    return notebook
