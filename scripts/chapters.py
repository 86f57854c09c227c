"""The chapters that there are; one name leads to the page, the solution and the students' notebook of each."""

from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book by its name, ``crossmodal/cca``, or ``practice`` for one without a part."""

    name: str

    @property
    def page(self) -> Path:
        return ROOT / "book" / f"{self.name}.ipynb"

    @property
    def solution(self) -> Path:
        """What its exercises are made from; practice has none."""
        return ROOT / "solutions" / f"{self.name}.ipynb"

    @property
    def exercise(self) -> Path:
        return ROOT / "book" / "exercises" / f"{self.name}.ipynb"


def chapters() -> list[Chapter]:
    """All chapters in reading order."""
    parts = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf8"))["parts"]
    return [Chapter(each["file"]) for part in parts if part.get("numbered") for each in part["chapters"]]
