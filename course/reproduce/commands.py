"""`course reproduce <recipe>`: run a recipe and store its result file."""

import argparse
import sys
from pathlib import Path

RECIPES = {
    "omniglot-maml": "5-way and 20-way 1-shot accuracy of MAML on Omniglot (Finn et al., 2017, Table 1)",
    "mnist-cca": "PCA, linear, kernel and deep CCA between the halves of MNIST digits (after Andrew et al., 2013)",
}


def run(options: argparse.Namespace) -> int:
    """Run the chosen recipe; the exit status is 1 when there is none such, or its data set or device is not there."""
    from course import runtime
    from course.data import DataError
    from course.data.registry import suggestion
    from course.reproduce import mnist_cca, omniglot_maml
    from course.reproduce.results import RESULTS

    if options.recipe not in RECIPES:
        print(
            f"course: there is no recipe {options.recipe!r}; {suggestion(options.recipe, list(RECIPES))}",
            file=sys.stderr,
        )
        return 1
    recipe = {"omniglot-maml": omniglot_maml.run, "mnist-cca": mnist_cca.run}[options.recipe]
    try:
        device = runtime.device(options.device)
    except (ValueError, RuntimeError) as error:  # no such device: the message offers those that are there
        print(f"course: {error}", file=sys.stderr)
        return 1
    try:
        path = recipe(options.preset, folder=options.output or RESULTS, device=device)
    except (DataError, ValueError, FloatingPointError, OSError) as error:  # each message names its remedy
        print(f"course: {error}", file=sys.stderr)
        return 1
    print(f"written: {path}")
    return 0


def add_parser(subparsers) -> None:
    """Register ``course reproduce``."""
    recipes = "\n".join(f"  {name:15} {what}" for name, what in RECIPES.items())
    parser = subparsers.add_parser(
        "reproduce",
        help="run the recipe of a published table",
        description=f"Run a recipe and store its result for the book.\n\nrecipes:\n{recipes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", help="one of those above")
    presets = {"choices": ["quick", "full"], "default": "quick"}  # course.reproduce.results imports torch: not here
    parser.add_argument("--preset", **presets, help="minutes on a laptop, or the full setting")
    parser.add_argument("--device", help="cpu, cuda, mps; by default the fastest that is there")
    parser.add_argument("--output", type=Path, help="folder of the result file (default: the book's results)")
    parser.set_defaults(run=run)
