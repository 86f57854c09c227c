"""`course apply NAME train|predict|evaluate`: a system from the reader's data, its answers, and how good they are."""

import argparse
import csv
import io
import json
import shutil
import sys
from dataclasses import MISSING, asdict, fields
from pathlib import Path

from course.applications import SYSTEMS
from course.errors import CourseError
from course.files import write_json, write_whole

RUN = "run.json"


def train(options: argparse.Namespace) -> int:
    """Train a system, save it with its card, and print the card; a killed run goes on with the same command."""
    from course import runtime
    from course.applications import saving

    kind = saving.system_class(options.application)
    saving.require_free(options.to)
    try:
        settings = kind.Settings(**{each.name: getattr(options, each.name) for each in fields(kind.Settings)})
    except ValueError as error:
        raise CourseError(str(error)) from error
    folder = options.to.with_name(f"{options.to.name}.training")
    claim(folder, {"data": options.data, "seed": options.seed} | asdict(settings))
    device = runtime.device(options.device)
    system, card = kind.train(options.data, settings, seed=options.seed, device=device, folder=folder)
    saving.save(options.to, system, card)
    shutil.rmtree(folder)
    print(card.markdown())
    print(f"written: {options.to}")
    return 0


def claim(folder: Path, run: dict) -> None:
    """Note what a training is, or raise CourseError if the folder belongs to another one."""
    run = json.loads(json.dumps(run))  # tuples as they will be read
    note = folder / RUN
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(note, run)
        return
    there = json.loads(note.read_text("utf8"))
    for name in sorted(run | there):
        if there.get(name) != run.get(name):
            raise CourseError(
                f"{folder} belongs to a training that was interrupted and had {name} = {there.get(name)!r}, not "
                f"{run.get(name)!r}: give the same arguments to go on with it, or delete that folder"
            )


def predict(options: argparse.Namespace) -> int:
    """Print the answers as a CSV table, or write it."""
    from course import runtime
    from course.applications import saving

    system = saving.load(options.model, runtime.device(options.device), name=options.application)
    rows = system.predict(options.input)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if options.to is None:
        sys.stdout.write(text.getvalue())
    else:
        print(f"written: {write_whole(options.to, text.getvalue())}")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Print what was measured, and write it where that is asked for."""
    from course import runtime
    from course.applications import saving
    from course.applications.card import measured_table

    system = saving.load(options.model, runtime.device(options.device), name=options.application)
    rows = system.evaluate(options.data)
    print(measured_table(rows))
    if options.to is not None:
        print(f"written: {write_json(options.to, [asdict(row) for row in rows])}")
    return 0


def add_settings(parser: argparse.ArgumentParser, kind: type) -> None:
    """An option for each field of a system's settings."""
    for each in fields(kind):
        default = each.default if each.default is not MISSING else each.default_factory()
        sort = type(default[0]) if isinstance(default, tuple) else type(default)
        options = {"nargs": "+"} if isinstance(default, tuple) else {}
        if sort is bool:
            options = {"action": argparse.BooleanOptionalAction}
        else:
            options |= {"type": sort, "metavar": "WORD" if sort is str else "NUMBER"}
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        text = f"{each.metadata['help']} (default: {shown})"
        parser.add_argument(f"--{each.name.replace('_', '-')}", default=default, help=text, **options)


class ActionParser(argparse.ArgumentParser):
    """The parser of an action. For ``train``, the settings of the system become options, once its modules are read."""

    def parse_known_args(self, args=None, namespace=None):
        """As of the base class, with the options of the system that is to be trained."""
        from course.applications.saving import system_class

        if self.get_default("run") is train:
            add_settings(self, system_class(self.get_default("application")).Settings)
        return super().parse_known_args(args, namespace)


def add_parser(subparsers) -> None:
    """Register ``course apply``."""
    parser = subparsers.add_parser("apply", help="train a system on your data, ask it, and measure it")
    names = parser.add_subparsers(dest="application", required=True, metavar="application")
    for name, (_, says) in SYSTEMS.items():
        actions = names.add_parser(name, help=says, description=says).add_subparsers(
            dest="action", required=True, metavar="action", parser_class=ActionParser
        )
        add_actions(actions, name)


def add_actions(actions, name: str) -> None:
    """Register the three actions of a system."""
    model = {"type": Path, "required": True, "metavar": "FOLDER", "help": "of the trained system"}
    data = {"required": True, "help": "the name of a data set, or the path of your own"}
    made = {
        "train": (train, "train, measure, save, and write a model card"),
        "predict": (predict, "answer, as a CSV table"),
        "evaluate": (evaluate, "measure on labelled data, with intervals"),
    }
    for action, (run, says) in made.items():
        parser = actions.add_parser(action, help=says, description=says)
        parser.set_defaults(run=run, application=name)
        if action == "train":
            parser.add_argument("--data", **data)
            parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new folder for the system")
            parser.add_argument("--seed", type=int, default=0, metavar="NUMBER", help="(default: %(default)s)")
        else:
            parser.add_argument("--model", **model)
            parser.add_argument("--to", type=Path, metavar="FILE", help="write the answer to this file")
        if action == "predict":
            parser.add_argument("input", nargs="+", help="as the page of this system says")
        if action == "evaluate":
            parser.add_argument("--data", **data)
        parser.add_argument("--device", help="cpu, cuda, mps; by default the fastest that is there")
