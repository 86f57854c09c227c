"""Run an assembled notebook for nbgrader: its own cells, the answers under guard, and the tests of each task."""

import asyncio
import time

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Any, Bool

from .answers import grade_id
from .harmless import harmless_output
from .kernel import KernelLost, Session, error_output
from .sandbox import Limits

GUARD = "__import__('course.grading.guard', fromlist=['GUARD']).GUARD"
SETUP, ANSWER, TEST = "setup", "answer", "test"


def kind_of(cell: NotebookNode) -> str | None:
    """What a cell is for; None for text."""
    if cell.cell_type != "code" or not cell.source.strip():
        return None
    return ANSWER if is_solution(cell) else TEST if is_grade(cell) else SETUP


def failed(outputs: list[NotebookNode]) -> bool:
    """Is there an error among the outputs of a cell?"""
    return any(output.output_type == "error" for output in outputs)


class Run:
    """One notebook in one session. A cell that loses the kernel costs its own marks: the rest goes on in a new one."""

    def __init__(self, notebook: NotebookNode, session: Session):
        self.notebook = notebook
        self.session = session
        self.deadline = time.monotonic() + session.limits.total_seconds
        self.lost: set[int] = set()  # cells that cost the kernel its life, and are not run again
        self.notes: list[str] = []

    async def code(self, source: str) -> list[NotebookNode]:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise KernelLost(f"all {self.session.limits.total_seconds} s of this submission are used up")
        return await self.session.run(source, min(self.session.limits.cell_seconds, left))

    async def load(self, cell: NotebookNode, source: str) -> list[NotebookNode]:
        names = cell.metadata.get("course", {}).get("names", [])
        return await self.code(f"{GUARD}.load({source!r}, {list(names)!r}, globals())")

    async def test(self, cell: NotebookNode) -> list[NotebookNode]:
        """The tests between two looks of the guard. A warning is no failure, though nbgrader would take it for one."""
        await self.code(f"{GUARD}.before()")
        outputs = await self.code(cell.source)
        verdict = await self.code(f"{GUARD}.after()")
        if failed(verdict):
            self.notes.append(f"{cell.metadata.nbgrader.grade_id}: {verdict[-1].evalue}")
        for output in outputs:
            if output.output_type == "stream":
                output.name = "stdout"
        return outputs + [output for output in verdict if output.output_type == "error"]

    async def cell(self, position: int) -> None:
        """Run one cell and store its outputs in it."""
        cell = self.notebook.cells[position]
        kind = kind_of(cell)
        if kind == ANSWER and (refused := cell.metadata.get("course", {}).get("refused")):
            cell.outputs = [error_output("NotRun", "the grader does not run this answer: " + "; ".join(refused))]
            self.notes.append(f"{cell.metadata.nbgrader.grade_id}: refused: {'; '.join(refused)}")
        elif kind == ANSWER:
            cell.outputs = await self.load(cell, cell.source)
        elif kind == TEST:
            cell.outputs = await self.test(cell)
            if failed(cell.outputs):
                await self.try_alternative(position)
        else:
            cell.outputs = await self.code(cell.source)

    async def try_alternative(self, position: int) -> None:
        """The submission defined the name twice: if the second definition passes the tests, it is the answer."""
        before = [cell for cell in self.notebook.cells[:position] if kind_of(cell) == ANSWER]
        alternative = before[-1].metadata.get("course", {}).get("alternative") if before else None
        if not alternative:
            return
        if failed(await self.load(before[-1], alternative)):
            return
        outputs = await self.test(self.notebook.cells[position])
        if not failed(outputs):
            before[-1].source = alternative
            self.notebook.cells[position].outputs = outputs
        before[-1].metadata.course.alternative = None

    async def again(self, position: int) -> None:
        """In a new kernel: everything before `position` that later cells may need."""
        for number, cell in enumerate(self.notebook.cells[:position]):
            refused = cell.metadata.get("course", {}).get("refused")
            if number in self.lost or refused:
                continue
            if kind_of(cell) == SETUP:
                await self.code(cell.source)
            elif kind_of(cell) == ANSWER:
                await self.load(cell, cell.source)

    async def everything(self) -> None:
        fresh = True
        for position, cell in enumerate(self.notebook.cells):
            if kind_of(cell) is None:
                continue
            try:
                if not fresh:
                    await self.again(position)
                    fresh = True
                await self.cell(position)
            except KernelLost as reason:
                self.lost.add(position)
                fresh = False
                cell.outputs = [error_output("KernelLost", str(reason))]
                self.notes.append(f"{grade_id(cell) or f'cell {position}'}: {reason}")


class GuardedExecute(NbGraderPreprocessor):
    """nbgrader's step "execute", in the sandbox and under guard."""

    limits = Any(Limits()).tag(config=True)
    sandboxed = Bool(True).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        async def main() -> dict[str, object]:
            session = Session(self.limits, self.sandboxed)
            run = Run(nb, session)
            try:
                await run.everything()
            finally:
                await session.stop()
            return {"notes": run.notes, "lost": len(run.lost)}

        nb.metadata["course"] = asyncio.run(main())
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [harmless_output(output) for output in cell.outputs]
        return nb, resources
