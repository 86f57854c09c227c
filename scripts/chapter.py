"""Check and build one chapter: python scripts/chapter.py crossmodal/cca

Style; the tests of its modules; right, wrong and empty answers to its exercises; its notebooks; its page, which is
written into `_build/chapter/html`; and whether all this keeps to its budget. No other notebook is executed, and the
book in `_build/html` stays as it is.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import budget
import yaml
from chapters import Chapter, chapters, parts
from dependencies import ROOT
from execution import BUILD, execute_stale, fill, notebooks, settle_kernels
from ownership import notebooks_of, own_tests
from reading import begin, succeeded

from course.files import write_whole

FOLDER = BUILD / "chapter"
TIMES = FOLDER / "times"
SPHINX = """import sys
from pathlib import Path
from jupyter_book.sphinx import build_sphinx
source, target, config, *pages = sys.argv[1:]
settings = {"external_toc_path": source + "/_toc.yml", "nitpicky": True, "latex_individualpages": False}
sys.exit(build_sphinx(source, target, noconfig=True, path_config=config, confoverrides=settings, filenames=pages,
                      warningiserror=True, keep_going=True) != 0)
"""


def settings(unexecuted: list[str]) -> str:
    """The settings of the book for a build that writes few pages, and reads these notebooks without outputs."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    config["execute"]["exclude_patterns"] += unexecuted
    config["sphinx"]["config"]["suppress_warnings"].append("myst-nb.lexer")  # which a kernel would have told
    config["sphinx"]["extra_extensions"].remove("sphinx.ext.viewcode")  # its pages take the longest
    own = config["sphinx"]["config"]
    config["sphinx"]["config"] = {key: value for key, value in own.items() if not key.startswith("viewcode_")}
    names = [*config["sphinx"]["local_extensions"], "few_pages"]
    config["sphinx"]["local_extensions"] = dict.fromkeys(names, str(ROOT / "book" / "_ext"))
    return yaml.safe_dump(config)


def build(chapter: Chapter) -> bool:
    """Build its pages; links into the rest of the book are resolved, and a broken one is an error."""
    now = begin(FOLDER)
    os.environ.update(settle_kernels(BUILD / "ipython"))
    executed = notebooks()
    if not execute_stale(each for each in executed if each.name == chapter.name):
        return False
    fill(FOLDER / ".jupyter_cache", executed)
    others = [str(each.path.relative_to(ROOT / "book")) for each in executed if not each.valid()]
    config = write_whole(FOLDER / "_config.yml", settings(others))
    pages = [path for path in (chapter.page, chapter.exercise) if path.exists()]
    command = [sys.executable, "-P", "-c", SPHINX, ROOT / "book", FOLDER / "html", config, *pages]
    good = run(command)
    if good:
        succeeded(FOLDER, now)
    return good


def make(target: str, given: list[str]) -> list[str]:
    return ["make", "--no-print-directory", target, f"TIMES={TIMES}", *given]


def wanted(name: str) -> Chapter:
    listed = {chapter.name: chapter for chapter in chapters()}
    if name in listed:
        return listed[name]
    if name in {chapter.name for part in parts() for chapter in part.chapters}:
        sys.exit(f"make: {name} is planned and has no page yet; lay it out: make new-chapter NAME={name}")
    asked = f"there is no chapter {name!r};" if name else "which chapter?"
    likely = get_close_matches(name, listed, 1) or [each for each in listed if each.endswith(f"/{name}")]
    meant = f"did you mean {likely[0]}? " if name and likely else ""
    example = likely[0] if meant else next(iter(listed))
    sys.exit(f"make: {asked} {meant}there are {', '.join(listed)}: make chapter NAME={example}")


def tests_of(chapter: Chapter) -> str | None:
    """What `make unit` is to run: the tests of its modules, and the answers to its exercises; None for nothing."""
    files = [str(path.relative_to(ROOT)) for path in own_tests()[chapter.name]]
    chosen = [Path(file).name for file in files]
    if chapter.solution.exists():
        files += ["tests/grading/test_solutions.py"]
        chosen += [f"[{chapter.name}]", f"[{chapter.name}-"]  # and not those of a chapter whose name begins alike
    return f"{shlex.join(files)} -k {shlex.quote(' or '.join(chosen))}" if files else None


@contextmanager
def started(command: list, **where) -> Iterator[subprocess.Popen]:
    """A command in a process group of its own, which is stopped as a whole when it is left early (Ctrl-C)."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **where)
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def run(command: list) -> bool:
    with started(command) as process:
        pass
    return process.returncode == 0


def test(chapter: Chapter) -> bool:
    tests = tests_of(chapter)
    return tests is None or run(make("unit", [f"TESTS={tests}"]))


def show(chapter: Chapter) -> bool:
    """Compare the outputs of its notebooks, and build its page, each with one process."""
    command = make("notebooks", ["JOBS=1", f"NOTEBOOKS={shlex.join(map(str, notebooks_of(chapter)))}"])
    with tempfile.TemporaryFile() as said:
        with started(command, stdout=said, stderr=subprocess.STDOUT) as comparison:
            built = build(chapter)
        said.seek(0)
        print(said.read().decode(), flush=True)
    return built and comparison.returncode == 0


def main(name: str) -> int:
    chapter, report, failed = wanted(name), [], []
    shutil.rmtree(TIMES, ignore_errors=True)
    steps = {"style": lambda: run(make("lint", [])), "tests": lambda: test(chapter), "page": lambda: show(chapter)}
    for step, succeeds in steps.items():
        start = time.perf_counter()
        if not succeeds():
            failed.append(step)
        report.append(f"{step} {time.perf_counter() - start:.0f} s{' FAILED' * (step in failed)}")
    if not failed and budget.one(chapter, TIMES):
        failed.append("budget")
    print(f"\n{chapter.name}: {', '.join(report)}")
    if failed:
        print(f"make: {', '.join(failed)} failed, as the lines above say", file=sys.stderr)
    else:
        print(f"The page is {(FOLDER / 'html' / chapter.name).as_uri()}.html")
    return int(bool(failed))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit("make: interrupted; call make again.")
    except OSError as error:
        sys.exit(f"make: {error}. Put it right (a full disk? no right to write?) and call make again.")
