"""The command `course`: each sub-command lives beside the code it drives; this module only finds and calls it."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from course.errors import CourseError

# Only the module of the chosen command is imported, so that `course --help` need not wait for torch.
COMMANDS = {
    "apply": ("course.applications.commands", "train a system on your data, ask it, measure it"),
    "check": ("course.check", "is this machine ready? an OK/FAIL table"),
    "data": ("course.data.commands", "list, fetch and verify data sets"),
    "grade": ("course.grading.commands", "grade submissions in a sandbox"),
    "reproduce": ("course.reproduce.commands", "run the recipe of a published table"),
}


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that understands `arguments`: the named command in full, the others by their one line of help."""
    parser = argparse.ArgumentParser(prog="course", description="Everything Is a Mapping: the course's command line.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (module, help_line) in COMMANDS.items():
        if name == chosen:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=help_line)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    What the user can put right is one line on standard error: a :class:`~course.errors.CourseError` with its own exit
    status (2 when grading cannot begin, otherwise 1), numbers that ran off to infinity and what the system refuses,
    such as a write to a full disk, with 1; Ctrl-C gives 130. Any other error is one of programming and is not caught.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser_for(arguments).parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name still shows the line
    try:
        return options.run(options)
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    except (CourseError, FloatingPointError, OSError) as error:
        message, status = error, getattr(error, "exit_status", 1)
    print(f"course: {message}", file=sys.stderr)
    return status
