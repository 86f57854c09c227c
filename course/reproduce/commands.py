"""`course reproduce <recipe>`: run a recipe and store its result file."""

import argparse
from pathlib import Path

from course.reproduce import RECIPES, recipe_class
from course.reproduce.results import PRESETS, RESULTS


def run(options: argparse.Namespace) -> int:
    """Run the chosen recipe, and name the file that it has written."""
    recipe = recipe_class(options.recipe)
    from course.reproduce import runner

    path = runner.run(recipe, options.preset, output=options.output, runs=options.runs, device=options.device)
    if path is not None:
        print(f"written: {path}")
    return 0


def add_parser(subparsers) -> None:
    """Register ``course reproduce``."""
    recipes = "\n".join(f"  {name:15} {listed.title}" for name, listed in RECIPES.items())
    parser = subparsers.add_parser(
        "reproduce",
        help="run the recipe of a published table",
        description=f"Run a recipe and store its result for the book.\n\nrecipes:\n{recipes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", help="one of those above")
    parser.add_argument("--preset", choices=PRESETS, default="quick", help="minutes on a laptop, or the full setting")
    parser.add_argument("--device", help="cpu, cuda, mps; by default the fastest that is there")
    folder = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument("--output", **folder, default=RESULTS, help="of the result file (default: the book's results)")
    parser.add_argument("--runs", **folder, default="runs", help="of the checkpoints (default: %(default)s)")
    parser.set_defaults(run=run)
