"""The report of `make mutate`: the score, and every survivor with the reason why it survives.

The reasons are written by hand, in `tests/mutation.toml`: a group of mutants, each named by the
line that it makes of one of the module's.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

HERE = Path(__file__).resolve().parent
REASONS = HERE / "mutation.toml"
REPORT = HERE / "mutation.md"
ANNOTATION = "in a type annotation"
NOT_PYTHON = "not valid Python"
MISSING = "no reason yet"
COLUMNS = ("mutants", "annotation", "invalid", "untested", "tested", "killed", "survived")
HEAD = """# Mutation testing

Written by `make mutate`. A mutant is the package with one small change: another operator, number,
comparison or truth value, as cosmic-ray makes them. It is killed if a test fails, or does not end.
Left out are mutants {in_annotation} (column *annotation*: nothing computes with it)
and those that are {not_python} (column *invalid*).
The order of the others is random; the score is the share of those tested so far that is killed.

**{killed} of {tested} killed: {score}**

"""


class Survivor(NamedTuple):
    """A mutant that no test notices."""

    module: str
    line: int
    place: str
    operator: str
    mutated: str


def count(results: Iterable[WorkResult]) -> Counter[str]:
    """How many mutants of a module ended how, under the names of the columns."""
    found: Counter[str] = Counter()
    for result in results:
        left_out = result.worker_outcome == WorkerOutcome.SKIPPED
        survived = result.test_outcome == TestOutcome.SURVIVED
        found["mutants"] += 1
        found["annotation"] += left_out and result.output == ANNOTATION
        found["invalid"] += left_out and result.output == NOT_PYTHON
        found["tested"] += not left_out
        found["killed"] += not left_out and not survived
        found["survived"] += survived
    return found


def survivors(module: str, done: Iterable[tuple[WorkItem, WorkResult]]) -> list[Survivor]:
    """The surviving mutants of a module, from its first line to its last."""
    found = []
    for item, result in done:
        if result.test_outcome == TestOutcome.SURVIVED:
            spec = item.mutations[0]
            operator = spec.operator_name.rpartition("/")[2]
            place = spec.definition_name or "module"
            found.append(Survivor(module, spec.start_pos[0], place, operator, result.diff or ""))
    return sorted(found)


def reasons() -> dict[tuple[str, str], str]:
    """(module, mutated line) -> why no test can, or should, notice it."""
    groups = tomllib.loads(REASONS.read_text())["group"]
    return {
        (group["module"], line): group["reason"].strip()
        for group in groups
        for line in group["mutants"]
    }


def score(row: Counter[str]) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{row['killed'] * 1000 // max(row['tested'], 1) / 10:.1f} %"


def table(rows: dict[str, Counter[str]]) -> str:
    """One row for each module, and their sum."""
    total: Counter[str] = sum(rows.values(), Counter())
    lines = [f"| module | {' | '.join(COLUMNS)} | score |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, row in {**rows, "all": total}.items():
        lines.append(f"| {name} | {' | '.join(str(row[c]) for c in COLUMNS)} | {score(row)} |")
    return "\n".join(lines)


def listing(found: list[Survivor], why: dict[tuple[str, str], str]) -> str:
    """The survivors of one module, under their reasons."""
    explained = [(why.get((s.module, s.mutated), MISSING), s) for s in found]
    parts = [f"## {found[0].module}"]
    for reason, group in groupby(sorted(explained), key=lambda pair: pair[0]):
        parts.append(" ".join(reason.split()))
        parts.append("\n".join(f"- `{s.place}`, {s.operator}: `{s.mutated}`" for _, s in group))
    return "\n\n".join(parts)


def write(sessions: dict[str, Path]) -> str:
    """Write the report of these sessions; return what is wrong with it, or nothing."""
    rows, left = {}, []
    for module, path in sessions.items():
        if not path.exists():
            return f"{module} is not tested yet"
        with use_db(path, WorkDB.Mode.open) as db:
            rows[module] = count(result for _, result in db.completed_work_items)
            rows[module]["untested"] = db.num_work_items - db.num_results
            rows[module]["mutants"] = db.num_work_items
            left.append(survivors(module, db.completed_work_items))
    why = reasons()
    total: Counter[str] = sum(rows.values(), Counter())
    head = HEAD.format(in_annotation=ANNOTATION, not_python=NOT_PYTHON, score=score(total), **total)
    parts = [head + table(rows), *(listing(found, why) for found in left if found)]
    REPORT.write_text("\n\n".join(parts) + "\n")
    named = {(s.module, s.mutated) for found in left for s in found}
    for module, line in sorted(why.keys() - named):
        print(f"no survivor, but in {REASONS.name}: {module}: {line}")
    return "\n".join(f"no reason in {REASONS.name}: {key}" for key in sorted(named - why.keys()))
