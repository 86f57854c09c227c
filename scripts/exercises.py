"""Write the students' notebooks in `book/exercises` from `solutions`, or check that they are up to date.

    python scripts/exercises.py            write them, but none over a notebook that holds answers
    python scripts/exercises.py --force    write them, whatever is there
    python scripts/exercises.py --check    exit 1 and name those that differ

Nothing is ever deleted. nbgrader removes solutions and hidden tests; its gradebook is thrown away here (`course grade`
keeps its own).
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import notebooks

from course.files import write_whole
from course.grading.layout import Course, GradingError
from course.grading.release import generate
from course.grading.submissions import Unreadable, read

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = "book/exercises"
# How a solution cell ends that nbgrader has emptied, and nobody has filled
UNANSWERED = re.compile(r"# YOUR CODE HERE\n\s*raise NotImplementedError\(\)\s*\Z|\AYOUR ANSWER HERE\s*\Z")


def generated(root: Path) -> dict[str, str]:
    """The text of every student notebook, by its path below ``book/exercises``."""
    with tempfile.TemporaryDirectory(prefix="exercises-") as folder:
        course = Course.at(root, Path(folder))
        generate(course, course.grading / "release")
        texts = {}
        for chapter in course.chapters():
            notebook = nbformat.read(course.released(chapter), as_version=4)
            for cell in notebook.cells:  # nbgrader has removed all outputs: there is nothing to compare with
                cell.metadata["tags"] = [tag for tag in cell.metadata.get("tags", []) if tag != notebooks.CHECKED]
                if not cell.metadata["tags"]:
                    del cell.metadata["tags"]
            texts[chapter.file] = notebooks.text_of(notebooks.normalised(notebook))
    return texts


def holds_answers(path: Path) -> bool:
    """Is a solution cell of a student's notebook filled? A file that cannot be read may hold answers, too."""
    try:
        cells = read(path).cells
    except Unreadable:
        return True
    solutions = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")]
    return not all(UNANSWERED.search(cell.source) for cell in solutions)


def tracked(root: Path) -> set[str]:
    """The students' notebooks that git tracks, by their path below ``book/exercises``; none outside a repository."""
    if shutil.which("git") is None:
        return set()
    command = ["git", "-C", str(root), "ls-files", "-z", "--", f"{EXERCISES}/*.ipynb"]  # at any depth
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    return {name.removeprefix(f"{EXERCISES}/") for name in listed.split("\0") if name}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a notebook differs")
    parser.add_argument("--force", action="store_true", help="overwrite notebooks that hold answers, too")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args(arguments)
    folder = options.root / EXERCISES
    wanted = generated(options.root)
    problems = [
        f"{EXERCISES}/{name} has no source in solutions/; remove it with: git rm {EXERCISES}/{name}"
        for name in sorted(tracked(options.root) - wanted.keys())
        if (folder / name).exists()
    ]
    for name, text in sorted(wanted.items()):
        path = folder / name
        if path.exists() and path.read_bytes() == text.encode():
            continue
        if path.exists() and not options.force and holds_answers(path):
            problems.append(
                f"{EXERCISES}/{name} holds answers (or is damaged) and is not overwritten: copy it to work/, "
                f"then run: make exercises FORCE=1. To change the exercise, edit solutions/{name}"
            )
        elif options.check:
            problems.append(
                f"{EXERCISES}/{name} is not what solutions/{name} gives; edit solutions/{name}, "
                "and run make exercises, which overwrites this one"
            )
        else:
            write_whole(path, text)
            print(f"{EXERCISES}/{name}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GradingError as error:
        sys.exit(f"exercises: {error}")
