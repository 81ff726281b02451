"""The tables once more, from the folders of the runs, beside those that are shipped."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from gannotes import results, weights
from gannotes.results import Row
from gannotes.runs.folder import Run, state
from gannotes.runs.status import span

KEYS = {"k", "seed", "replica", "samples", "image"}  # and every column of words
TIMES = {"minutes"}  # which no two runs share
CLOSE = 1e-4  # relative: tables have six digits
SEEDS = 1_000  # of sweeps that are looked for

Member = tuple[str, int]  # recipe and seed
Gather = Callable[[Sequence[Path], Path, int], None]  # folders of the runs, the output, the seed


def report(runs: Sequence[Run], out: Path, sweeps: Mapping[str, Any]) -> list[str]:
    """Rebuild the tables of all runs that are done, and compare them with those that are shipped.

    Args:
        runs: what `find` returns.
        out: the folder for the tables.
        sweeps: of `gannotes.recipes`, by name; one whose runs are all there is gathered.

    Returns:
        Lines for people: for each run, each weight and each table, whether the numbers agree.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = {
        (run.configuration["recipe"], run.configuration["seed"]): run.folder
        for run in runs
        if state(run) == "done"
    }
    seeds = range(min(max((seed for _, seed in done), default=-1) + 1, SEEDS))
    parts = {name for sweep in sweeps.values() for seed in seeds for name, _ in sweep.runs(seed)}
    alone = {member: folder for member, folder in done.items() if member[0] not in parts}
    return [
        *(line for run in runs for line in _of_run(run)),
        *(
            line
            for name, sweep in sweeps.items()
            for seed in seeds
            for line in _of_sweep(name, sweep.runs(seed), sweep.gather, done, out, seed)
        ),
        *_of_tables(alone, out),
    ]


def _of_run(run: Run) -> list[str]:
    now = state(run)
    sat = "1 sitting" if len(run.sittings) == 1 else f"{len(run.sittings)} sittings"
    said = f"DAMAGED, {run.damage}" if run.damage else f"{now}, {span(run.seconds)} in {sat}"
    lines = agreement(run.folder) if now == "done" else []
    return [f"{run.name}: {said}", *(f"  {line}" for line in lines)]


def _of_sweep(
    name: str,
    members: list[Member],
    gather: Gather,
    done: Mapping[Member, Path],
    out: Path,
    seed: int,
) -> list[str]:
    there = len(done.keys() & set(members))
    if there < len(members):
        return [f"{name}, seed {seed}: {there} of {len(members)} runs are done"] if there else []
    folder = out / f"{name}_{seed}"
    folder.mkdir(exist_ok=True)
    parts = [done[member] for member in members]

    def gathered() -> str:
        gather(parts, folder, seed)
        return str(folder)

    said = _or_why(gathered)
    lines = agreement(folder)
    return [
        f"{name}, seed {seed}, from {len(members)} runs: {said}",
        *(f"  {line}" for line in lines),
    ]


def _of_tables(done: Mapping[Member, Path], out: Path) -> list[str]:
    """The tables of runs that belong to no sweep, all seeds of one together."""
    tables: dict[str, dict[int, Path]] = {}
    for (_, seed), folder in done.items():
        for path in sorted(folder.glob("*.csv")):
            tables.setdefault(re.sub(rf"_{seed}$", "", path.stem), {})[seed] = path
    return [_or_why(partial(_of_table, out / f"{stem}.csv", of)) for stem, of in tables.items()]


def _of_table(path: Path, by_seed: Mapping[int, Path]) -> str:
    rows = [
        row if len(by_seed) == 1 else {"seed": seed, **row}
        for seed, part in sorted(by_seed.items())
        for row in results.read(part)
    ]
    results.write(path, rows)
    return f"{path}: {len(rows)} rows, {compare_rows(path)}"


def _or_why(say: Callable[[], str]) -> str:
    """What is to be said; why not, in a sentence, if a file cannot be read: others can."""
    try:
        return say()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        return f"DAMAGED, {type(error).__name__}: {reason}"


def agreement(folder: Path) -> list[str]:
    """What each weight and each table of a folder corresponds to, and whether it agrees.

    Args:
        folder: of a run, or of a gathered sweep.
    """
    lines = []
    for path in sorted(folder.glob("*.safetensors")):
        if not path.name.endswith(".history.safetensors"):
            lines.append(f"{path.name}: {_or_why(partial(compare_weights, path))}")
            card = _or_why(partial(_compare_cards, path))
            lines += [f"{path.stem}.md: {card}"] if card else []
    for path in sorted(folder.glob("*.csv")):
        lines.append(f"{path.name}: {_or_why(partial(compare_rows, path))}")
    return lines


def compare_weights(path: Path) -> str:
    """Whether a file of weights is the shipped one of its name.

    Args:
        path: the safetensors file.

    Example:
        >>> compare_weights(weights.FOLDER / "ring.safetensors")
        'identical with weights/ring.safetensors'
    """
    shipped = weights.FOLDER / path.name
    if not shipped.is_file():
        return "not shipped"
    commands = _command(path), _command(shipped)
    if None not in commands and commands[0] != commands[1]:
        return f"weights/{path.name} is of another run, {commands[1]}"
    ours, theirs = load_file(path), load_file(shipped)
    if {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
        return f"DIFFERS from weights/{path.name}: another architecture"
    gaps = [(v.double() - theirs[k].double()).abs() for k, v in ours.items() if v.numel()]
    gap = max((float(part.max()) for part in gaps), default=0.0)
    verdict = "identical with" if gap == 0 else f"DIFFERS by up to {gap:.2g} from"
    return f"{verdict} weights/{path.name}"


def compare_rows(path: Path) -> str:
    """Whether the rows of a table are in the shipped table to which they belong.

    A row belongs to the shipped row with the same keys: the columns of words, and those that
    count seeds, replicas, dimensions and the like.

    Args:
        path: the CSV file; it belongs to the shipped one with the longest name that begins alike,
            and all of whose columns it has.

    Example:
        >>> compare_rows(results.FOLDER / "vae_kde.csv")
        '4 of 4 rows agree with results/vae_kde.csv'
    """
    rows = results.read(path)
    tables = [table for table in results.FOLDER.glob("*.csv") if path.stem.startswith(table.stem)]
    for table in sorted(tables, key=lambda table: -len(table.stem)):
        shipped = results.read(table)
        if rows and rows[0].keys() >= shipped[0].keys():
            rows = [{key: row[key] for key in shipped[0]} for row in rows]
            break
    else:
        return "not shipped"
    known = {_key(row): row for row in shipped}
    pairs = [(row, known[_key(row)]) for row in rows if _key(row) in known]
    gaps = [_gap(row, other) for row, other in pairs]
    agree = sum(gap is None for gap in gaps)
    text = f"{agree} of {len(rows)} rows agree with results/{table.name}"
    if len(pairs) < len(rows):
        text += f", {len(rows) - len(pairs)} are not shipped"
    worst = [gap for gap in gaps if gap is not None]
    return f"{text}; {len(worst)} DIFFER, the first in {worst[0]}" if worst else text


def _key(row: Row) -> tuple[tuple[str, float | str], ...]:
    return tuple((k, v) for k, v in row.items() if isinstance(v, str) or k in KEYS)


def _gap(row: Row, shipped: Row) -> str | None:
    """The first column in which a row is not the shipped one, and both values."""
    for key, value in row.items():
        other = shipped[key]
        if isinstance(value, str) or isinstance(other, str) or key in TIMES:
            continue
        same = value == other or (value != value and other != other)
        if not same and not abs(value - other) <= CLOSE * abs(other):
            return f"{key}: {value:g}, shipped {other:g}"
    return None


def _command(path: Path) -> str | None:
    """What made the weights, as their header says."""
    return weights.told(path).get("run")


def _compare_cards(path: Path) -> str:
    """The scores that only the weights themselves tell, where both files tell of the same run."""
    shipped = weights.FOLDER / path.name
    if not shipped.is_file() or _command(path) != _command(shipped):
        return ""
    ours, theirs = scores(path), scores(shipped)
    differ = [key for key in ours if _shown(ours[key]) != _shown(theirs.get(key))]
    if differ:
        key = differ[0]
        return f"DIFFERS in {len(differ)} of {len(ours)} scores: {key}, shipped {theirs.get(key)}"
    return f"{len(ours)} scores agree"


def _shown(value: Any) -> Any:
    """As a card shows it."""
    return f"{value:.4g}" if isinstance(value, float) else value


def scores(path: Path) -> dict[str, Any]:
    """The facts in a file of weights that say what they score, not how they were made.

    Args:
        path: the safetensors file.

    Example:
        >>> scores(weights.FOLDER / "mnist_classifier.safetensors")
        {'seed': 0, 'validation accuracy': '99.08%', 'test accuracy': '99.07%'}
    """
    made = {"summary", "architecture", "recipe", "run", "minutes", "threads", "torch", "machine"}
    return {key: value for key, value in weights.told(path).items() if key not in made}
