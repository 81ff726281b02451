"""`python -m gannotes`: the long runs behind the weights and the tables that the book shows."""

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from difflib import get_close_matches
from pathlib import Path

from tqdm.auto import tqdm

from gannotes import __version__, runs
from gannotes.recipes import RECIPES, SWEEPS, samplers
from gannotes.recipes.frame import minutes as recorded
from gannotes.recipes.ship import ship
from gannotes.runs import Run

Command = Callable[[argparse.Namespace], None]
PROGRAM = "python -m gannotes"
MOST = 10_000  # of what a command line counts: more is a slip
ENDING = """
run and resume may be said by any number of processes for the same folder, on all machines that
share its disk: each run is computed once. They may be killed at any time.
"""


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and do what it names.

    Args:
        arguments: the words of the command line; those of this process without it.

    Raises:
        SystemExit: with 1 if a run has failed, a folder is damaged or a number differs, with 2 if
            the command line or a folder is not in order, with 130 if somebody has interrupted it.

    Example:
        >>> main(["list"])
        recipe ...
    """
    options = _parser().parse_args(arguments)
    try:
        options.do(options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has read enough, as in `list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _stop(130, f"Interrupted: {PROGRAM} {options.command}")
    except (ValueError, OSError) as error:
        _stop(2, f"{PROGRAM}: {error}")


def _stop(code: int, *sentences: str) -> None:
    """End with a reason for people and a number for programs."""
    print(*sentences, sep="\n", file=sys.stderr)
    raise SystemExit(code)


# What each command does.


def _list(options: argparse.Namespace) -> None:
    minutes = recorded()
    width = max(map(len, [*RECIPES, *SWEEPS]))
    print(f"{'recipe':{width}}         takes")
    for name, recipe in RECIPES.items():
        took = _span(minutes[name]) if name in minutes else ""
        print(f"{name:{width}}  {took:>12}  {_summary(recipe)}")
    print(f"\n{'sweep':{width}}         takes")
    for name, sweep in SWEEPS.items():
        parts = [minutes.get(recipe) for recipe, _ in sweep.runs(0)]
        known = minutes.get(name, sum(part for part in parts if part is not None))
        more = "> " if None in parts and name not in minutes else ""
        took = more + _span(known) if known else ""
        print(f"{name:{width}}  {took:>12}  {len(parts)} runs: {_summary(sweep.train)}")


def _run(options: argparse.Namespace) -> None:
    _check_place(options)
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
    _work([run for run in runs.in_queue(laid_out) if runs.state(run) == "waiting"], options)
    rest = [run for run in laid_out if runs.state(run) in ("interrupted", "failed")]
    if rest:
        print(f"{len(rest)} interrupted or failed before: {PROGRAM} resume {options.out}")


def _resume(options: argparse.Namespace) -> None:
    if options.slurm is not None:
        runs.check_cluster(options.out / "slurm", dict(options.slurm))
    found = runs.in_queue(runs.find(options.out))
    open_ = [run for run in found if runs.state(run) in ("waiting", "interrupted", "failed")]
    known = [run for run in open_ if run.configuration["recipe"] in RECIPES]
    problems = [f"{run.name}: {run.damage}" for run in found if run.damage]
    problems += [
        f"{run.name}: run.json: expected one of the recipes in `list`, got another version's"
        for run in open_
        if run not in known
    ]
    _work(known, options)
    if problems:
        _stop(1, *problems)


def _status(options: argparse.Namespace) -> None:
    print(runs.table(runs.in_queue(runs.find(options.out)), recorded()))


def _report(options: argparse.Namespace) -> None:
    lines = runs.report(runs.find(options.out), options.out / "report", SWEEPS)
    print("\n".join(lines))
    wrong = [line for line in lines if re.search("DIFFER|DAMAGED", line)]
    if wrong:
        _stop(1, f"{len(wrong)} of {len(lines)} lines differ or are damaged")


def _ship(options: argparse.Namespace) -> None:
    print("\n".join(ship(options.name, options.out, options.seed)))


def _sample(options: argparse.Namespace) -> None:
    if options.list or options.name is None:
        print(samplers.table())
        return
    samplers.save(options.name, options.count, options.seed, options.out, options.png)


# What several of them do.


def _work(waiting: list[Run], options: argparse.Namespace) -> None:
    tasks = [(run, RECIPES[run.configuration["recipe"]]) for run in waiting]
    if options.slurm is not None:
        jobs = runs.submit(tasks, options.out / "slurm", dict(options.slurm))
        numbers = ", ".join(job.job_id for job in jobs) or "nothing"
        print(f"Submitted {numbers}: {PROGRAM} status {options.out}")
        return
    failed = []
    try:
        for run, end in runs.work(tasks, options.jobs):
            tqdm.write(f"{run.name}: {end}")
            failed += [run] if end == "failed" else []
    except BrokenProcessPool:
        _stop(1, f"A process was killed: {PROGRAM} resume {options.out}")
    except KeyboardInterrupt:
        _stop(130, f"Interrupted: {PROGRAM} resume {options.out}")
    if failed:
        reasons = ", ".join(str(run.folder / "traceback.txt") for run in failed)
        _stop(1, f"{len(failed)} of {len(tasks)} runs failed: {reasons}")
    done = f"In {options.out}/" if tasks else f"Nothing waits in {options.out}/"
    print(f"{done}: {PROGRAM} report {options.out}")


def _check_place(options: argparse.Namespace) -> None:
    """Refuse a device or a cluster before anything is laid out."""
    if options.slurm is None:
        runs.check_device(options.device)
    else:
        runs.check_cluster(options.out / "slurm", dict(options.slurm))


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
            raise ValueError(f"steps: expected none, {name} has a fixed number, got {steps}")
        found["steps"] = steps
    return found


def _summary(function: Callable[..., object]) -> str:
    """The first line of a docstring, without its markup."""
    line = (inspect.getdoc(function) or "").splitlines()[0]
    return re.sub(r":\w+:`([^`]*)`|`([^`]*)`", r"\1\2", line)


def _span(minutes: float) -> str:
    return runs.span(60 * minutes)


# The command line: a function and a line for each command.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description=__doc__, epilog=ENDING)
    parser.add_argument("--version", action="version", version=f"gannotes {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, do: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        return command

    add("list", _list, "the recipes and the sweeps, a line each")
    run = add(
        "run", _run, "lay out the runs of a recipe or of a sweep, and compute those that wait"
    )
    resume = add("resume", _resume, "go on with all that is neither done, running nor queued")
    status = add("status", _status, "a line for each run: state, step, time spent, time left")
    report = add("report", _report, "rebuild the tables and compare them with those shipped")
    shipped = add("ship", _ship, "copy a finished run's or sweep's files into the package")
    _ask_what(add("sample", _sample, "pictures from a shipped generator, values in [0, 1]"))
    _ask_which(run)
    for command in (run, resume):
        _ask_where(command)
    shipped.add_argument("name", type=_name, metavar="NAME", help="see list")
    shipped.add_argument("--seed", type=_integer(0, 2**63 - 1), default=0, help="of the run (0)")
    for command in (resume, status, report, shipped):
        command.add_argument("out", type=Path, nargs="?", default=Path("runs"), help="(runs)")
    return parser


def _ask_what(sample: argparse.ArgumentParser) -> None:
    sample.add_argument("name", nargs="?", metavar="NAME", help="see --list")
    sample.add_argument("--list", action="store_true", help="all names, a line each")
    sample.add_argument("--count", type=_integer(1, 10**7), default=60, help="how many (60)")
    sample.add_argument("--seed", type=_integer(0, 2**63 - 1), default=0, help="of the noise (0)")
    sample.add_argument("--out", type=Path, metavar="FILE.npy", help="for an array (N, h, w)")
    sample.add_argument("--png", type=Path, metavar="SHEET.png", help="for the first hundred")


def _ask_which(run: argparse.ArgumentParser) -> None:
    run.add_argument("name", type=_name, metavar="NAME", help="see list")
    which = run.add_mutually_exclusive_group()
    which.add_argument("--seed", type=_integer(0, 2**63 - 1), default=0, help="of one run (0)")
    which.add_argument("--seeds", type=_integer(1), metavar="N", help="the seeds from 0 to N - 1")
    run.add_argument("--device", default="cpu", help="where to train (cpu)")
    run.add_argument("--threads", type=_integer(1), default=1, help="of torch (1)")
    run.add_argument("--steps", type=_integer(1, 10**9), help="to try out: another number of steps")
    run.add_argument("--out", type=Path, default=Path("runs"), help="the folder of all runs (runs)")


def _ask_where(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobs", type=_integer(1), default=1, help="runs at a time (1)")
    text = (
        "submit to a cluster, a job for each run, with submitit's parameters: timeout_min (5), ..."
    )
    command.add_argument("--slurm", nargs="*", type=_pair, metavar="KEY=VALUE", help=text)


def _name(text: str) -> str:
    names = [*RECIPES, *SWEEPS]
    if text not in names:
        close = " or ".join(get_close_matches(text, names))
        hint = f"did you mean {close}?" if close else f"{PROGRAM} list has them"
        raise argparse.ArgumentTypeError(f"expected a recipe or a sweep, got {text!r}; {hint}")
    return text


def _integer(least: int, most: int = MOST) -> Callable[[str], int]:
    def integer(text: str) -> int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or not least <= int(text[:30]) <= most:
            raise argparse.ArgumentTypeError(
                f"expected an integer >= {least} and <= {most}, got {text:.40}"
            )
        return int(text)

    return integer


def _pair(text: str) -> tuple[str, int | str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return key, int(value) if value.isdecimal() else value


if __name__ == "__main__":
    main()
