"""`python -m gannotes`: the long runs behind the weights and the tables that the book shows."""

import argparse
import inspect
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm.auto import tqdm

from gannotes import runs, samplers
from gannotes.recipes import RECIPES, SWEEPS, card
from gannotes.runs import Run

Command = Callable[[argparse.Namespace], None]
ENDING = """
run and resume may be said by any number of processes for the same folder, on all machines that
share its disk: each run is computed once. They may be killed at any time.
"""


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and do what it names.

    Slide: beyond the deck (long runs).

    Args:
        arguments: the words of the command line; those of this process without it.

    Raises:
        SystemExit: if the command line or a folder is not in order, or if a run has failed.

    Example:
        >>> main(["list"])
        recipe ...
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.do(options)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _list(options: argparse.Namespace) -> None:
    minutes = card.minutes()
    width = max(map(len, [*RECIPES, *SWEEPS]))
    print(f"{'recipe':{width}}  minutes")
    for name, recipe in RECIPES.items():
        took = f"{minutes[name]:.0f}" if name in minutes else "?"
        print(f"{name:{width}}  {took:>7}  {_summary(recipe)}")
    print(f"\n{'sweep':{width}}  minutes")
    for name, sweep in SWEEPS.items():
        parts = [minutes.get(recipe) for recipe, _ in sweep.runs(0)]
        known = minutes.get(name, sum(part for part in parts if part is not None))
        more = "> " if None in parts and name not in minutes else ""
        took = f"{more}{known:.0f}" if known else "?"
        print(f"{name:{width}}  {took:>7}  {len(parts)} runs: {_summary(sweep.gather)}")


def _run(options: argparse.Namespace) -> None:
    if options.slurm is None:
        runs.check_device(options.device)
    seeds = range(options.seeds) if options.seeds else [options.seed]
    members: dict[tuple[str, int], None] = {}  # in order, each once
    for seed in seeds:
        sweep = SWEEPS.get(options.name)
        members |= dict.fromkeys(sweep.runs(seed) if sweep else [(options.name, seed)])
    settings = {name: _settings(name, options.steps) for name, _ in members}
    laid_out = [
        runs.lay_out(options.out, name, seed, options.device, options.threads, settings[name])
        for name, seed in members
    ]
    _work([run for run in laid_out if runs.state(run) == "waiting"], options)
    rest = [run for run in laid_out if runs.state(run) in ("interrupted", "failed")]
    if rest:
        print(f"{len(rest)} interrupted or failed before: python -m gannotes resume {options.out}")


def _resume(options: argparse.Namespace) -> None:
    rest = [run for run in runs.find(options.out) if runs.state(run) not in ("done", "running")]
    _work(rest, options)


def _status(options: argparse.Namespace) -> None:
    print(runs.table(runs.find(options.out), card.minutes()))


def _report(options: argparse.Namespace) -> None:
    found = runs.find(options.out)
    print("\n".join(runs.report(found, options.out / "report", SWEEPS)))


def _sample(options: argparse.Namespace) -> None:
    if options.list or options.name is None:
        print(samplers.table())
        return
    samplers.save(options.name, options.count, options.seed, options.out, options.png)


def _work(waiting: list[Run], options: argparse.Namespace) -> None:
    unknown = {run.configuration["recipe"] for run in waiting} - RECIPES.keys()
    if unknown:
        raise ValueError(f"run.json: expected recipes of {list(RECIPES)}, got {sorted(unknown)}")
    tasks = [(run, RECIPES[run.configuration["recipe"]]) for run in waiting]
    if options.slurm is not None:
        jobs = runs.submit(tasks, options.out / "slurm", dict(options.slurm))
        numbers = ", ".join(job.job_id for job in jobs) or "nothing"
        print(f"Submitted {numbers}: python -m gannotes status {options.out}")
        return
    failed = []
    try:
        for run, end in runs.work(tasks, options.jobs):
            tqdm.write(f"{run.name}: {end}")
            failed += [run] if end == "failed" else []
    except (BrokenProcessPool, KeyboardInterrupt):
        raise SystemExit(f"Interrupted: python -m gannotes resume {options.out}") from None
    if failed:
        reasons = ", ".join(str(run.folder / "traceback.txt") for run in failed)
        raise SystemExit(f"{len(failed)} of {len(tasks)} runs failed: {reasons}")
    print(f"In {options.out}/: python -m gannotes report {options.out}")


def _settings(name: str, steps: int | None) -> dict[str, object]:
    """What a recipe takes besides folder, seed and device; kept, so that `resume` is the same."""
    found: dict[str, object] = {
        parameter.name: parameter.default
        for parameter in inspect.signature(RECIPES[name]).parameters.values()
        if parameter.name not in {"out", "seed", "device"}
        and isinstance(parameter.default, int | float | str | None)
    }
    if steps is not None:
        if "steps" not in found:
            raise ValueError(f"steps: {name} has a fixed number of them, got {steps}")
        found["steps"] = steps
    return found


def _summary(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").splitlines()[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m gannotes", description=__doc__, epilog=ENDING)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, do: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        return command

    add("list", _list, "the recipes and the sweeps, a line each")
    run = add(
        "run", _run, "lay out the runs of a recipe or of a sweep, and compute those that wait"
    )
    run.add_argument("name", choices=[*RECIPES, *SWEEPS], metavar="NAME", help="see list")
    which = run.add_mutually_exclusive_group()
    which.add_argument("--seed", type=_at_least(0), default=0, help="of one run (0)")
    which.add_argument("--seeds", type=_at_least(1), metavar="N", help="the seeds from 0 to N - 1")
    run.add_argument("--device", default="cpu", help="where to train (cpu)")
    run.add_argument("--threads", type=_at_least(1), default=1, help="of torch (1)")
    run.add_argument("--steps", type=_at_least(1), help="to try out: another number of steps")
    run.add_argument("--out", type=Path, default=Path("runs"), help="the folder of all runs (runs)")
    resume = add("resume", _resume, "go on with all that is neither done nor running")
    for command in (run, resume):
        command.add_argument("--jobs", type=_at_least(1), default=1, help="runs at a time (1)")
        command.add_argument(
            "--slurm",
            nargs="*",
            type=_pair,
            metavar="KEY=VALUE",
            help="submit to a cluster, a job for each run, with submitit's parameters",
        )
    status = add("status", _status, "a line for each run: state, step, time spent, time left")
    report = add("report", _report, "rebuild the tables and compare them with those shipped")
    for command in (resume, status, report):
        command.add_argument("out", type=Path, nargs="?", default=Path("runs"), help="(runs)")
    sample = add("sample", _sample, "pictures from a shipped generator, values in [0, 1]")
    sample.add_argument("name", nargs="?", metavar="NAME", help="see --list")
    sample.add_argument("--list", action="store_true", help="all names, a line each")
    sample.add_argument("--count", type=_at_least(1), default=60, help="how many (60)")
    sample.add_argument("--seed", type=_at_least(0), default=0, help="of the noise (0)")
    sample.add_argument("--out", type=Path, metavar="FILE.npy", help="for an array (N, h, w)")
    sample.add_argument("--png", type=Path, metavar="SHEET.png", help="for the first hundred")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected an integer >= {least}, got {text!r}")
        return int(text)

    return integer


def _pair(text: str) -> tuple[str, int | str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return key, int(value) if value.isdecimal() else value


if __name__ == "__main__":
    main()
