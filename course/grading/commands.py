"""``course grade release | collect | run | feedback | export``: from a folder of submissions to grades and feedback."""

import argparse
import os
import sys
from pathlib import Path


def course_of(options: argparse.Namespace):
    """The course that the options name: by default the checkout in this folder, or the one that `course` lies in."""
    from .layout import Course

    here, package = Path.cwd(), Path(__file__).resolve().parents[2]
    root = options.course or (here if (here / "solutions").is_dir() else package)
    return Course.at(root, options.grading)


def chapter_of(course, text: str | None):
    """The chapter named ``part/chapter``, or ``chapter`` for one in no folder of a part, on the command line."""
    from .layout import GradingError

    if text is None:
        return None
    known = {str(chapter): chapter for chapter in course.chapters()}
    if text not in known:
        raise GradingError(f"there is no chapter {text!r}; the chapters are {', '.join(known)}")
    return known[text]


def do_release(options: argparse.Namespace) -> int:
    """``course grade release``: write the students' notebooks."""
    from course.files import write_whole

    from .release import release
    from .run import locked

    course = course_of(options)
    with locked(course):  # a run may be writing to the same gradebook
        chapters = release(course)
    for chapter in chapters:
        source = course.released(chapter)
        if options.to:
            write_whole(options.to / chapter.file, source.read_text(encoding="utf8"))
        print(options.to / chapter.file if options.to else source)
    return 0


def take_in(options: argparse.Namespace) -> tuple[list, int]:
    """Collect the paths of the options: the submissions, and 1 when something could not be collected."""
    from .submissions import collect

    course = course_of(options)
    result = collect(course, options.paths, options.student, chapter_of(course, options.chapter))
    for note in result.notes:
        print(note)
    for problem in result.problems:
        print(f"course: {problem}", file=sys.stderr)
    found = result.submissions
    print(f"{len(found)} submission{'s' * (len(found) != 1)} in {course.grading / 'collected'}", flush=True)
    return found, int(bool(result.problems))


def do_collect(options: argparse.Namespace) -> int:
    """``course grade collect``: take in what students have handed in; 1 when something could not be."""
    return take_in(options)[1]


def limits_of(options: argparse.Namespace):
    """The limits of the sandbox that the options ask for."""
    from .sandbox import Limits

    return Limits(
        cell_seconds=options.cell_seconds,
        total_seconds=options.total_seconds,
        cpu_seconds=options.total_seconds,
        memory_mib=options.memory_mib,
    )


def do_run(options: argparse.Namespace) -> int:
    """``course grade run``: grade what was collected and is not yet graded."""
    from . import run, sandbox
    from .release import release
    from .submissions import found_at

    course, limits = course_of(options), limits_of(options)
    for path in options.paths:
        found_at(path)  # a wrong path is told before anything is written
    if not options.no_sandbox:
        sandbox.check(limits)
    else:
        print("course: without a sandbox: submissions run with your rights", file=sys.stderr)
    with run.locked(course):
        release(course)
        given, status = take_in(options) if options.paths else (None, 0)
        todo = []
        for student, chapter in course.collected():
            named = (given is None or (student, chapter) in given) and options.student in (None, student)
            if run.is_due(course, student, chapter, limits) or (options.force and named):
                todo.append((student, chapter))
        print(f"{len(todo)} to grade, {len(course.collected()) - len(todo)} graded before", flush=True)
        for record in run.grade_all(course, todo, limits, not options.no_sandbox, options.jobs):
            if record.state == "graded":
                by_hand = f", {record.to_grade_by_hand} by hand" if record.to_grade_by_hand else ""
                score = f"{record.score:g} of {record.max_score:g}{by_hand}"
            else:
                score, status = "not graded", 1
            print(f"{record.student:20} {record.chapter:24} {score:28} {record.seconds:5.1f} s", flush=True)
            for note in record.notes:
                print(f"    {note}", flush=True)
    return status


def do_feedback(options: argparse.Namespace) -> int:
    """``course grade feedback``: write a page for every graded submission."""
    from .feedback import feedback
    from .layout import GradingError
    from .run import record_of

    course, status = course_of(options), 0
    for student, chapter in course.collected():
        record = record_of(course, student, chapter)
        if record and record.state == "graded":
            try:
                print(feedback(course, student, chapter), flush=True)
            except GradingError as error:  # the others get their pages
                print(f"course: {error}", file=sys.stderr)
                status = 1
    return status


def do_export(options: argparse.Namespace) -> int:
    """``course grade export``: the table of marks, to a file or to the screen."""
    from course.files import write_whole

    from .export import table

    text = table(course_of(options), options.totals)
    if options.file:
        write_whole(options.file, "\ufeff" + text)  # the mark lets spreadsheets read names with accents
    else:
        print(text, end="")
    return 0


def positive(text: str) -> int:
    """A whole number above zero, from the command line."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def add_parser(subparsers) -> None:
    """Register ``course grade`` and its steps."""
    from .sandbox import Limits

    parser = subparsers.add_parser("grade", help="grade submissions in a sandbox")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--course", type=Path, metavar="FOLDER", help="the checkout, with solutions/ in it")
    common.add_argument(
        "--grading", type=Path, metavar="FOLDER", help="gradebook and submissions (default: grading/ in it)"
    )
    who = argparse.ArgumentParser(add_help=False)
    who.add_argument("--student", help="whose submission it is (default: from the file's or folder's name)")
    who.add_argument("--chapter", metavar="PART/CHAPTER", help="what it answers (default: recognised)")
    steps = parser.add_subparsers(dest="step", required=True, metavar="step")

    step = steps.add_parser("release", parents=[common], help="write the students' notebooks and fill the gradebook")
    step.add_argument("--to", type=Path, metavar="FOLDER", help="write them here, too")
    step.set_defaults(run=do_release)

    step = steps.add_parser("collect", parents=[common, who], help="copy submissions to one place")
    step.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a notebook, or a folder of submissions")
    step.set_defaults(run=do_collect)

    limits = Limits()
    step = steps.add_parser("run", parents=[common, who], help="grade what was collected (and PATH, when given)")
    step.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="collect this first")
    step.add_argument("--jobs", type=positive, default=os.cpu_count(), help="submissions at a time (default: cores)")
    step.add_argument("--force", action="store_true", help="grade again what was graded: PATH or --student, or all")
    step.add_argument("--no-sandbox", action="store_true", help="run submissions unprotected, with your own rights")
    default = "(default: %(default)s)"
    step.add_argument("--cell-seconds", type=positive, default=limits.cell_seconds, help=f"for one cell {default}")
    step.add_argument(
        "--total-seconds", type=positive, default=limits.total_seconds, help=f"for one submission {default}"
    )
    step.add_argument(
        "--memory-mib", type=positive, default=limits.memory_mib, help=f"for one submission's process {default}"
    )
    step.set_defaults(run=do_run)

    step = steps.add_parser("feedback", parents=[common], help="write an HTML page for each graded submission")
    step.set_defaults(run=do_feedback)

    step = steps.add_parser("export", parents=[common], help="write the grades of every task as CSV")
    step.add_argument("file", nargs="?", type=Path, help="the file (default: standard output)")
    step.add_argument("--totals", action="store_true", help="one line for each student and chapter")
    step.set_defaults(run=do_export)
