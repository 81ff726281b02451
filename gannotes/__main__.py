"""`python -m gannotes`: the long runs behind the weights that the book shows."""

import argparse
import inspect
from pathlib import Path

from gannotes.recipes import RECIPES


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run what it names.

    Slide: beyond the deck (long runs).

    Args:
        arguments: the words of the command line; those of this process without it.

    Example:
        >>> main(["list"])
        mnist_classifier ...
    """
    parser = argparse.ArgumentParser(prog="python -m gannotes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the recipes, a line each")
    run = commands.add_parser("run", help="run a recipe, or go on with one that was killed")
    run.add_argument("name", choices=RECIPES)
    run.add_argument("--out", type=Path, default=Path("runs"), help="folder for what it leaves")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    if options.command == "list":
        for name, recipe in RECIPES.items():
            print(f"{name:20} {(inspect.getdoc(recipe) or '').splitlines()[0]}")
    else:
        RECIPES[options.name](options.out, seed=options.seed, device=options.device)
        print(f"Written to {options.out}/")


if __name__ == "__main__":
    main()
