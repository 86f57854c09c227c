"""Lay out an empty chapter that passes every check: page, module, exercises, answers, tests, and its place in the list.

    python scripts/new_chapter.py crossmodal/fusion

The files come from the templates in `scripts/new_chapter`: PART, CHAPTER and SHORT stand for the names. Everything is
made in a copy of the checkout, where the generators run, too. Only what has come out whole is taken over.
"""

import filecmp
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import notebooks
from chapters import LIST, ROOT, Chapter, Part, parts
from myst_nb.core.read import read_myst_markdown_notebook

from course.files import write_whole

TEMPLATES = Path(__file__).resolve().with_suffix("")
COPIED = ("book", "course", "solutions", "tests", "scripts", "benchmarks", "README.md", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.partial")


def refuse(reason: str) -> NoReturn:
    sys.exit(f"make: {reason}")


def files(name: str) -> dict[str, Path]:
    """The files of a chapter, by the template that each is made from."""
    part, chapter = name.split("/")
    return {
        "page.md": Path("book") / f"{name}.ipynb",
        "module.py": Path("course") / f"{name}.py",
        "solution.md": Path("solutions") / f"{name}.ipynb",
        "answers.py": Path("tests") / "grading" / "answers" / f"{chapter}.py",
        "test.py": Path("tests") / part / f"test_{chapter}.py",
    }


def require_new(name: str) -> Part:
    """The part that the chapter joins; the program ends when the name will not do."""
    folders = {part.folder: part for part in parts() if part.folder}
    folder, _, chapter = name.partition("/")
    if name in {each.name for part in parts() if not part.folder for each in part.chapters}:
        refuse(
            f"{name} is a page without module. Write book/{name}.ipynb, and exercises, if it is to have any, in "
            f"solutions/{name}.ipynb; then make generate exercises"
        )
    usage = f"NAME is {name!r}, and must be part/chapter, such as crossmodal/fusion. The parts are {', '.join(folders)}"
    if folder not in folders:
        refuse(usage)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", chapter) or keyword.iskeyword(chapter):
        refuse(
            f"{usage}. A chapter is a module, too: lower-case letters, digits and underscores, and no word of Python"
        )
    wanted = [ROOT / path for path in [*files(name).values(), Path("book/exercises") / f"{name}.ipynb"]]
    namesakes = (ROOT / "tests").rglob(f"test_{chapter}.py")  # two test files may not have one name
    there = sorted(str(path.relative_to(ROOT)) for path in {*wanted, *namesakes} if path.exists())
    code = [str(files(name)[template]) for template in ("module.py", "test.py")]
    if code[0] in there and set(there) <= set(code):
        aside, back = ("; ".join(f"mv {a.format(path)}" for path in there) for a in ("{0} {0}.kept", "{0}.kept {0}"))
        refuse(
            f"there already: {', '.join(there)}. Set it aside, lay out the chapter, and put it back over the example:\n"
            f"  {aside}\n  make new-chapter NAME={name}\n  {back}\n"
            "Then use its functions in page, exercises and answers in place of `centroid`, and make generate exercises"
        )
    if there:
        refuse(f"there already: {', '.join(there)}. Choose another name, or move what is there away for a while")
    return folders[folder]


def filled(template: str, chapter: Chapter) -> str:
    """The text of a chapter's file; a notebook is normalised."""
    part, name = chapter.name.split("/")
    text = (TEMPLATES / template).read_text(encoding="utf8")
    for word, meant in (("PART", part), ("CHAPTER", name), ("SHORT", chapter.short)):
        text = re.sub(rf"(?<![A-Z]){word}(?![A-Z])", meant, text)
    if template.endswith(".py"):
        return text
    return notebooks.text_of(notebooks.normalised(read_myst_markdown_notebook(text)))


def listed(text: str, part: Part, chapter: Chapter) -> str:
    """The list with one more chapter at the end of a part."""
    entry = f'    {{name = "{chapter.name.partition("/")[2]}", short = "{chapter.short}"}},\n'
    begin = text.index(f'folder = "{part.folder}"')
    end = text.index("\n]", begin) + 1
    return text[:end] + entry + text[end:]


def run(checkout: Path, script: str, *arguments: str) -> None:
    """Run a script of the copy, which finds the copy's package."""
    settings = {"PYTHONPATH": str(checkout), "COURSE_QUIET": "1", "COURSE_DEVICE": "cpu"}
    command = [sys.executable, str(checkout / "scripts" / script), *arguments]
    done = subprocess.run(command, cwd=checkout, env=os.environ | settings, capture_output=True, text=True)
    if done.returncode:
        refuse(f"nothing was written: {script} failed.\n{done.stderr}")


def copy(checkout: Path) -> None:
    """Copy what the scripts read and write."""
    for each in COPIED:
        (checkout / each).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, checkout / each, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / each, checkout / each)


def prepare(checkout: Path, name: str, part: Part) -> None:
    """Write the chapter into a copy of the checkout, and everything that follows from it."""
    planned = {chapter.name: chapter for chapter in part.chapters}
    chapter = planned.get(name, Chapter(name, name.partition("/")[2].replace("_", " ").capitalize()))
    if name not in planned:
        write_whole(checkout / LIST.relative_to(ROOT), listed(LIST.read_text(encoding="utf8"), part, chapter))
    for template, path in files(name).items():
        write_whole(checkout / path, filled(template, chapter))
    run(checkout, "notebooks.py", "run", str(checkout / files(name)["page.md"]))
    run(checkout, "generate.py")
    run(checkout, "exercises.py")


def differences(checkout: Path) -> list[Path]:
    """The files of the copy that the checkout lacks, or has with another content."""
    found = [path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file()]
    kept = [path for path in found if not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)]
    return sorted(
        path
        for path in kept
        if not ((ROOT / path).exists() and filecmp.cmp(ROOT / path, checkout / path, shallow=False))
    )


def take_over(checkout: Path, paths: list[Path]) -> None:
    """Write these files of the copy into the checkout; when one cannot be written, none is."""
    before = {path: (ROOT / path).read_bytes() if (ROOT / path).exists() else None for path in paths}
    try:
        for path in paths:
            write_whole(ROOT / path, (checkout / path).read_bytes())
            print(f"written: {path}")
    except BaseException:
        for path, content in before.items():
            if content is None:
                (ROOT / path).unlink(missing_ok=True)
            elif (ROOT / path).read_bytes() != content:
                write_whole(ROOT / path, content)
        raise


def main(name: str) -> None:
    part = require_new(name)
    with tempfile.TemporaryDirectory(prefix="chapter-") as folder:
        checkout = Path(folder).resolve() / "checkout"
        copy(checkout)
        prepare(checkout, name, part)
        take_over(checkout, differences(checkout))
    print(f"Replace what is marked “To write:”, and look at the page: make chapter NAME={name}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        refuse("interrupted; call make again.")
    except OSError as error:
        refuse(f"{error}. Put it right (a full disk? no right to write?) and call make again.")
