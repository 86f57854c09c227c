"""Write the students' notebooks in `book/exercises` from `solutions`, or check that they are up to date.

    python scripts/exercises.py            write them
    python scripts/exercises.py --check    exit 1 and name those that differ

nbgrader removes solutions and hidden tests; its gradebook is thrown away here (`course grade` keeps its own).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat
import notebooks

from course.grading.layout import Course, GradingError, write
from course.grading.release import generate

ROOT = Path(__file__).resolve().parent.parent


def generated(root: Path) -> dict[str, str]:
    """The text of every student notebook, by its path below ``book/exercises``."""
    with tempfile.TemporaryDirectory(prefix="exercises-") as folder:
        course = Course.at(root, Path(folder))
        generate(course, course.grading / "release")
        texts = {}
        for chapter in course.chapters():
            notebook = nbformat.read(course.released(chapter), as_version=4)
            for cell in notebook.cells:  # nbgrader has removed all outputs: there is nothing to compare with
                cell.metadata["tags"] = [
                    tag for tag in cell.metadata.get("tags", []) if tag != notebooks.CHECKED
                ]
                if not cell.metadata["tags"]:
                    del cell.metadata["tags"]
            texts[chapter.file] = notebooks.text_of(notebooks.normalised(notebook))
    return texts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a notebook differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args(arguments)
    folder = options.root / "book" / "exercises"
    wanted = generated(options.root)
    present = {str(path.relative_to(folder)) for path in folder.glob("*/*.ipynb")}
    for name in sorted(present - wanted.keys()):
        if options.check:
            print(
                f"book/exercises/{name} has no source in solutions/; remove it with: make exercises",
                file=sys.stderr,
            )
        else:
            (folder / name).unlink()
    differ = [
        name
        for name, text in sorted(wanted.items())
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf8") != text
    ]
    for name in differ:
        if options.check:
            print(
                f"book/exercises/{name} is not what solutions/{name} gives; run: make exercises",
                file=sys.stderr,
            )
        else:
            write(folder / name, wanted[name])
            print(f"book/exercises/{name}")
    return int(options.check and bool(differ or present - wanted.keys()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GradingError as error:
        sys.exit(f"exercises: {error}")
