"""Run and normalise notebooks, so that a committed notebook is the single source and its diffs are small.

A normalised notebook keeps outputs and execution counts only on cells tagged ``nbval-check-output`` (the cells whose
output nbval compares), has ids that follow from the position of the cell, and carries no other metadata.

    .venv/bin/python scripts/notebooks.py run PATH ...         execute, store the checked outputs, normalise
    .venv/bin/python scripts/notebooks.py normalise PATH ...   normalise only
    .venv/bin/python scripts/notebooks.py check PATH ...       exit 1 and name those that are not as `run` leaves them
"""

import argparse
import os
import sys
from pathlib import Path

import nbformat

from course.files import write_whole

CHECKED = "nbval-check-output"
CELL_METADATA = ("tags", "mystnb", "nbgrader", "deletable", "editable")
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def is_checked(cell) -> bool:
    return cell.cell_type == "code" and CHECKED in cell.metadata.get("tags", [])


def unstored(notebook) -> list[str]:
    """Checked cells that nbval would never compare (no output) or always reject (no count)."""
    return [cell.id for cell in notebook.cells if is_checked(cell) and not (cell.outputs and cell.execution_count)]


def advice(path: Path) -> str:
    """What makes a notebook as it should be."""
    for folder in path.resolve().parents[:2]:
        if folder.name == "exercises":  # written from the solution
            source = path.resolve().relative_to(folder).as_posix()
            return f"edit solutions/{source} instead, and run make exercises, which overwrites this one"
    return f"run: .venv/bin/python scripts/notebooks.py run {path}"


def plain_output(output):
    """An output without counts and without the pictures, which nbval does not compare."""
    output = nbformat.from_dict(output)
    if "execution_count" in output:
        output.execution_count = None
    if "data" in output:
        output.data = {kind: value for kind, value in output.data.items() if kind == "text/plain"}
        output.metadata = {}
    return output


def joined(outputs):
    """The outputs with neighbouring pieces of one stream put together: where they are cut depends on the clock."""
    result = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            result.append(output)
    return result


def normalised(notebook):
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for position, cell in enumerate(notebook.cells):
        # nbgrader finds its cells by grade_id: use it, so that an inserted cell does not rename the others
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.id = grade_id or f"cell-{position:03d}"
        cell.metadata = {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        cell.source = cell.source.rstrip()
        if cell.cell_type != "code":
            cell.pop("attachments", None)
            continue
        if is_checked(cell):
            count += 1
            cell.execution_count = count
            cell.outputs = joined(plain_output(output) for output in cell.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
        else:
            cell.execution_count, cell.outputs = None, []
    nbformat.validate(notebook)
    return notebook


def text_of(notebook) -> str:
    return nbformat.writes(notebook, indent=1) + "\n"


def execute(path: Path):
    from nbclient import NotebookClient

    os.environ.setdefault("COURSE_QUIET", "1")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    return client.execute()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "normalise", "check"])
    parser.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    bad = False
    for path in options.paths:
        notebook = execute(path) if options.action == "run" else nbformat.read(path, as_version=4)
        text = text_of(normalised(notebook))
        if options.action != "check":
            write_whole(path, text)
        elif text != path.read_text(encoding="utf8"):
            print(f"{path} is not normalised; {advice(path)}", file=sys.stderr)
            bad = True
        elif empty := unstored(notebook):
            print(f"{path}: no stored output in {', '.join(empty)}; {advice(path)}", file=sys.stderr)
            bad = True
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
