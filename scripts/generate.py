"""Write what follows from the list of chapters and from the modules of `course`, or check that it is up to date.

    python scripts/generate.py            write it
    python scripts/generate.py --check    change nothing; exit 1 and name the files that differ

Written are the passages between two marks, each on a line of its own, `NAME: written by make generate` and `end of
NAME`; what surrounds them is written by hand. They are tables and lists of chapters, the table of contents, the boxes
of the map, and the modules of an API page. An API page that is missing is made.
"""

import argparse
import ast
import re
import sys
from functools import cache
from html import escape
from pathlib import Path

import chapters
from chapters import ROOT, Chapter, Part
from dependencies import modules

from course.files import write_whole

BOOK, COURSE = ROOT / "book", ROOT / "course"
NEW_PAGE = "# `{}`\n\n<!-- modules: written by make generate -->\n<!-- end of modules -->\n"
# On the map: where a box stands is drawn by hand, or it joins a row at the foot, so many boxes wide.
BOX = re.compile(r"<!-- ([\w/]+) -->.*?<g class=\"box (\w+).*?(<rect [^>]*/>).*")
FOOT, IN_A_ROW = 676, 4  # pixels; boxes


def passage(path: Path, text: str, name: str, content: str) -> str:
    """The text with other content between the marks of this name."""
    marks = rf"(^ *(?:<!--|#) {name}: written by make generate.*\n)(?:.*\n)*?(^ *(?:<!--|#) end of {name}\b)"
    changed, count = re.subn(marks, lambda found: found[1] + content + found[2], text, flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"generate: {path.relative_to(ROOT)} has the marks of {name!r} {count} times, and must have them once")
    return changed


def lines(items) -> str:
    return "".join(f"{item}\n" for item in items)


# --- Lists of chapters


def rows(part: Part) -> list[tuple[str, ...]]:
    """What README says of a part: a row for each chapter that is there, and one for those to come."""
    found = []
    for chapter in filter(lambda each: each.page.exists(), part.chapters):
        module = f"`course.{chapter.name.replace('/', '.')}`" if chapter.module.exists() else ""
        exercises = "on the page"
        if chapter.solution.exists():
            number = f"{chapter.tasks} task{'s' * (chapter.tasks != 1)}"
            exercises = f"[{number}]({chapter.exercise.relative_to(ROOT).as_posix()})"
        page = f"[{chapter.title}]({chapter.page.relative_to(ROOT).as_posix()})"
        found.append((part.caption, page, module, exercises, "being written" if chapter.draft else "here"))
    later = [each for each in part.chapters if not each.page.exists()]
    if later:
        begun = [f"`{each.name.rpartition('/')[2]}`" for each in later if each.module.exists()]
        names = ", ".join(each.short for each in later)
        found.append((part.caption, names, f"{', '.join(begun)} so far" if begun else "", "", "to come"))
    return found


def chapter_table() -> str:
    head = "| part | chapter | package | exercises | state |\n|---|---|---|---|---|\n"
    return head + lines(
        "|" + "".join(f" {cell} |" if cell else " |" for cell in row) for part in chapters.parts() for row in rows(part)
    )


def available(there: list[Chapter]) -> str:
    """The list of the landing page."""
    for chapter in there:
        if not (chapter.draft or chapter.says):
            sys.exit(f"generate: give {chapter.name} a sentence in {chapters.LIST.relative_to(ROOT)}: says = …")
    return lines(f"- {{doc}}`{each.name}`: {'being written.' if each.draft else each.says}" for each in there)


def exercise_links(there: list[Chapter]) -> str:
    links = [f"{{doc}}`{each.short} <exercises/{each.name}>`" for each in there if each.solution.exists()]
    return ",\n".join(links) + ".\n"


def toc_parts() -> str:
    found = []
    for part in chapters.parts():
        files = [each.name for each in part.chapters if each.page.exists()]
        if files:
            found += [f"  - caption: {part.caption}", "    numbered: true", "    chapters:"]
            found += [f"      - file: {name}" for name in files]
    return lines(found)


# --- The map


def box(place: str, kind: str, chapter: Chapter) -> str:
    """A box of the map: a link when the chapter is there, dashed when it comes later."""
    left, top, width, height = (
        float(re.search(rf' {key}="([\d.]+)"', place)[1]) for key in ("x", "y", "width", "height")
    )
    there, about = chapter.page.exists(), ""
    if there:  # what the title says besides the name, where it fits
        before, _, after = chapter.title.partition(": ")
        about = after if before == chapter.short else before
        about = about if 7 * len(about) < width else ""

    def text(style: str, down: float, words: str) -> str:
        middle = f'x="{left + width / 2:g}" y="{top + height / 2 + down:g}"'
        return f'<text class="{style} mid" {middle}>{escape(words)}</text>'

    words = text("name", -3, chapter.short) + text("small", 16, about) if about else text("name", 5.5, chapter.short)
    group = f'<g class="box {kind}{"" if there else " later"}">{place}{words}</g>'
    return f"<!-- {chapter.name} -->" + (f'<a href="{chapter.name}.html">{group}</a>' if there else group)


def drawn(svg: str) -> str:
    """The map with every chapter of the list."""
    listed = {chapter.name: chapter for part in chapters.parts() for chapter in part.chapters}
    hand, start, foot = svg.partition("  <!-- foot: written by make generate")
    placed = [name for name, *_ in BOX.findall(hand)]
    if gone := set(placed) - listed.keys():
        sys.exit(
            f"generate: book/chapters.toml has no {', '.join(sorted(gone))}, for which book/figures/map.svg has a box. "
            "Put the name in the list right, or remove the box"
        )
    hand = BOX.sub(lambda found: box(found[3], found[2], listed[found[1]]), hand)
    others = [chapter for name, chapter in listed.items() if name not in placed]
    below = []
    for number, chapter in enumerate(others):
        down, along = divmod(number, IN_A_ROW)
        place = f'<rect x="{20 + 219 * along}" y="{FOOT + 8 + 52 * down}" width="203" height="42"/>'
        below.append(f"  {box(place, 'plain', chapter)}")
    height = FOOT + 12 + 52 * -(-len(others) // IN_A_ROW)
    hand = re.sub(r'viewBox="0 0 900 \d+"', f'viewBox="0 0 900 {height}"', hand, count=1)
    return passage(BOOK / "figures" / "map.svg", hand + start + foot, "foot", lines(below))


# --- The package


@cache
def sources() -> dict[Path, str]:
    """The modules by their paths."""
    return {path: name for name, path in modules().items() if path.name != "__main__.py"}


def rooms() -> dict[str, list[Path]]:
    """The modules of each API page: those of a package, its chapters first, or one that stands in `course` itself."""
    order = [chapter.module for part in chapters.parts() for chapter in part.chapters]
    found: dict[str, list[Path]] = {}
    for path in sources():
        if path != COURSE / "__init__.py":
            found.setdefault(path.relative_to(COURSE).parts[0].removesuffix(".py"), []).append(path)
    for paths in found.values():
        paths.sort(
            key=lambda path: (path.name != "__init__.py", order.index(path) if path in order else len(order), path)
        )
    return found


@cache
def ancestors() -> set[str]:
    """The classes of `course` from which another one may inherit a public method."""
    nodes = [node for path in sources() for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))]
    methods = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.ClassDef)
        and any(isinstance(each, methods) and not each.name.startswith("_") for each in node.body)
    }


def automodule(path: Path, parents: set[str]) -> str:
    """The directive that describes a module; a class is shown with what it inherits from another one of `course`."""
    body = ast.parse(path.read_text(encoding="utf8")).body
    bases = {ast.unparse(base) for node in body if isinstance(node, ast.ClassDef) for base in node.bases}
    defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)  # not what it only imports
    options = ["   :members:"] if defines else []
    if bases & parents:
        options += ["   :show-inheritance:", "   :inherited-members: BaseException, Module"]
    return lines(["```{eval-rst}", f".. automodule:: {sources()[path]}", *options, "```"])


def where_used(path: Path, there: list[Chapter]) -> str:
    """The chapters that name a module, each with the heading under which it does so first."""
    name = rf"course\.{path.relative_to(COURSE).with_suffix('').as_posix().replace('/', '[./]')}\b"
    pattern, found = re.compile(name.replace(r"course\.", "course[./]")), []
    for chapter in there:
        heading = ""
        for cell in chapters.cells(chapter.page):
            words = chapters.source(cell)
            hit = pattern.search(words)
            titles = re.findall(r"^##+ (.+)$", words[: hit.start()] if hit else words, re.MULTILINE)
            heading = titles[-1] if titles and cell["cell_type"] == "markdown" else heading
            if hit:
                found.append(f"{{doc}}`/{chapter.name}`" + (f", “{heading}”" if heading else ""))
                break
    return f"In the book: {'; '.join(found)}.\n\n" if found else ""


def summary(path: Path) -> str:
    """The first sentence of a module's docstring, as Markdown."""
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf8"))) or "").partition("\n\n")[0]
    first = re.split(r"(?<=\.)\s", " ".join(first.split()))[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", first.replace("``", "`"))


def described(paths: list[Path], there: list[Chapter]) -> str:
    """The modules of one API page; those of a package each under a heading, and with the chapters that use it."""
    parents, text = ancestors(), ""
    folders = {part.folder for part in chapters.parts()}
    for path in paths:
        if path.parent != COURSE and path.name != "__init__.py":
            used = where_used(path, there) if path.parent.name in folders else ""
            text += f"\n## `{sources()[path]}`\n\n{used}"
        text += automodule(path, parents)
    return text


# --- All together


def wanted() -> dict[Path, str]:
    """What every file with a generated passage should hold."""
    there = chapters.chapters()
    pages = rooms()
    measured = [path.stem for path in sorted((ROOT / "benchmarks").glob("*.py")) if measures(path)]
    benchmarks = [name for name in measured if not (BOOK / f"{name}.md").exists()]  # scaling has a page of its own
    short = {chapter.name.rpartition("/")[2]: chapter.short for chapter in there}
    passages = [
        (ROOT / "README.md", "chapters", chapter_table()),
        (BOOK / "index.md", "chapters", available(there)),
        (BOOK / "index.md", "exercises", exercise_links(there)),
        (BOOK / "_toc.yml", "chapters", toc_parts()),
        (BOOK / "_toc.yml", "exercises", lines(
            f"      - file: exercises/{each.name}" for each in there if each.solution.exists())),
        (BOOK / "_toc.yml", "modules", lines(f"          - file: api/{name}" for name in sorted(pages))),
        (BOOK / "api" / "index.md", "modules", "| module | is |\n|---|---|\n" + lines(
            f"| {{py:mod}}`course.{name}` | {summary(paths[0])} |" for name, paths in sorted(pages.items()))),
        (BOOK / "results.md", "benchmarks", "\n".join(
            f"### {short.get(name, name.capitalize())}\n\n```{{benchmark}} {name}\n```\n" for name in benchmarks)),
        *((BOOK / "api" / f"{name}.md", "modules", described(paths, there)) for name, paths in pages.items()),
    ]  # fmt: skip
    chart = BOOK / "figures" / "map.svg"
    texts = {chart: drawn(chart.read_text(encoding="utf8"))}
    for path, name, content in passages:
        if path not in texts:
            new = NEW_PAGE.format(f"course.{path.stem}")
            texts[path] = path.read_text(encoding="utf8") if path.exists() else new
        texts[path] = passage(path, texts[path], name, content)
    return texts


def measures(path: Path) -> bool:
    """Does `make bench` run this file? The Makefile asks the same."""
    return "\n    main(" in path.read_text(encoding="utf8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file differs")
    options = parser.parse_args(arguments)
    texts = wanted()
    problems = [
        f"{path.relative_to(ROOT)} describes nothing that is in course/; remove it with git rm"
        for path in sorted((BOOK / "api").rglob("*.md"))
        if path not in texts
    ]
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf8") == text:
            continue
        if options.check:
            problems.append(f"{path.relative_to(ROOT)} is not what follows from book/chapters.toml and course/")
        else:
            write_whole(path, text.encode())
            print(f"written: {path.relative_to(ROOT)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.check and problems:
        print("run: make generate", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
