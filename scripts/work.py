"""Fill `work/`, where answers are written: copy every exercise that is not there yet, and touch nothing else.

Git ignores the folder. The exercises in `book/exercises` are pages of the book and stay as they are.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fill(root: Path) -> list[Path]:
    """Copy the exercises that `work/` lacks; the paths of the copies."""
    made = []
    folder = root / "book" / "exercises"
    for exercise in sorted([*folder.glob("*/*.ipynb"), *folder.glob("*.ipynb")]):
        mine = root / "work" / exercise.relative_to(folder)
        if mine.exists():
            continue
        mine.parent.mkdir(parents=True, exist_ok=True)
        partial = mine.with_name(mine.name + ".partial")
        shutil.copyfile(exercise, partial)
        partial.rename(mine)
        made.append(mine)
    return made


if __name__ == "__main__":
    try:
        for path in fill(ROOT):
            print(f"new: {path.relative_to(ROOT)}")
    except OSError as error:
        sys.exit(f"make: {error}. Put it right (a full disk? no right to write?) and call make again.")
    print(f"Your answers live in {ROOT / 'work'}; no command overwrites them.", flush=True)
