"""Mutation testing: does a test fail for every small change of the mathematics?

    python tests/mutate.py                                     # all modules, and the report
    python tests/mutate.py --modules bounds models/gan --jobs 2
    python tests/mutate.py --again                             # the survivors once more

cosmic-ray makes the mutants: an operator, a number, a comparison or a truth value is another one. A
fresh process for each would spend its time on importing torch. Here one process imports what the
tests import, but nothing of the package, and forks: the child is given the mutated source of one
module from memory, so that no file ever changes, and runs the tests that reach the mutated line,
those first that have killed most for their time: for two seconds in a first round, all of them in
a second one, if it survived the first. It ends at the first failure, or when a limit of processor
time says that the mutant does not end. This needs Linux.

Results are kept as they come, in `_build/mutation/*.sqlite`, one ordinary session of cosmic-ray for
each module (`cr-report` reads it, but counts those left out as killed): a run that was stopped goes
on from there, and a changed module starts anew. Every survivor must have its reason in
`tests/mutation.toml`; with these, `tests/mutation.md` is written.
"""

import argparse
import difflib
import gc
import hashlib
import importlib
import json
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import mutation_report
from cosmic_ray.commands.init import init
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult
from mutants import MODULES, ROOT, Subject, attack, contains, fork, trace, words_of

SESSIONS = ROOT / "_build" / "mutation"
QUICK = 2.0  # seconds of tests in the first round
SLOW = 2.0  # seconds: a test that takes longer is left out
IMPORTED = """coverage hypothesis.strategies matplotlib.pyplot mpmath numpy pytest _pytest.python
    safetensors.torch scipy.integrate scipy.optimize scipy.special scipy.stats torch torch._dynamo
    torch.distributions torch.testing tqdm.auto"""


def warm_up() -> None:
    """Import what the tests import, but nothing of the package; choose pytest's plugins."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("TQDM_DISABLE", None)  # tqdm reads it when it is imported
    for name in IMPORTED.split():
        importlib.import_module(name)
    os.chdir(ROOT)
    gc.collect()
    gc.freeze()  # so that no child walks through all of torch


def baseline(file: str) -> dict:
    """Run a test file without a mutation, where it must pass; what its tests cost and reach."""
    digest = hashlib.sha256((ROOT / file).read_bytes())
    for path in sorted((ROOT / "gannotes").rglob("*.py")):
        digest.update(path.read_bytes())
    kept = SESSIONS / f"{Path(file).stem}.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    if found.get("of") != digest.hexdigest():
        pid, reading = fork(partial(trace, file))
        words = words_of(reading)
        if os.waitpid(pid, 0)[1]:
            sys.exit(f"{file} fails without any mutation: {words}")
        found = {"of": digest.hexdigest(), **json.loads(words)}
        kept.write_text(json.dumps(found))
    return found


def measure(subject: Subject) -> None:
    """Note which of the module's tests cost how much and reach which of its lines."""
    for file in subject.files:
        found = baseline(file)
        quick = {test: spent for test, spent in found["seconds"].items() if spent < SLOW}
        subject.seconds |= quick
        for line, tests in found["reached"][subject.name].items():
            subject.reached.setdefault(int(line), set()).update(tests)


def open_session(subject: Subject, db: WorkDB) -> None:
    """Fill a new session, or one of another source."""
    kept = SESSIONS / f"{subject.name.replace('/', '.')}.txt"
    if kept.exists() and kept.read_text() == subject.source and db.num_work_items:
        return
    init([subject.path.relative_to(ROOT)], db, {})
    kept.write_text(subject.source)


def code_of(subject: Subject, spec: MutationSpec, source: str) -> CodeType | str:
    """The code of a mutant, or the rule by which it is none and not counted."""
    if any(contains(annotation, spec.start_pos) for annotation in subject.annotations):
        return mutation_report.ANNOTATION
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            return compile(source, str(subject.path), "exec", dont_inherit=True)
        except SyntaxError:
            return mutation_report.NOT_PYTHON


def changed(before: str, after: str) -> str:
    """The lines of the mutant that are not those of the module; if it lacks some, these."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    new, old = (
        [line[1:].strip() for line in lines[2:] if line.startswith(sign) and line[1:].strip()]
        for sign in "+-"
    )
    return " ".join(new) or f"without {' '.join(old)}"


class Trial(NamedTuple):
    """A mutant that is being tested."""

    item: WorkItem
    diff: str
    reading: int


def begin(subject: Subject, item: WorkItem, seconds: float) -> tuple[int, Trial] | WorkResult:
    """Start the child of a mutant; where no test runs its line, it has nothing to do."""
    spec = item.mutations[0]
    source = subject.mutated(spec)
    code = code_of(subject, spec, source)
    if isinstance(code, str):
        return WorkResult(WorkerOutcome.SKIPPED, output=code)
    pid, reading = fork(partial(attack, subject, code, subject.tests_of(spec, seconds)))
    return pid, Trial(item, changed(subject.source, source), reading)


def outcome(status: int, words: str, diff: str) -> WorkResult:
    """What the end of a child says: 0 survived, 1 a test failed, a signal: a limit or a crash."""
    code = os.waitstatus_to_exitcode(status)
    if code > 1:
        return WorkResult(WorkerOutcome.EXCEPTION, words, TestOutcome.INCOMPETENT, diff)
    verdict = TestOutcome.KILLED if code else TestOutcome.SURVIVED
    words = signal.Signals(-code).name if code < 0 else words
    return WorkResult(WorkerOutcome.NORMAL, words, verdict, diff)


def results(
    subject: Subject, items: list[WorkItem], jobs: int, seconds: float
) -> Iterator[tuple[str, WorkResult]]:
    """Try the mutants, so many at a time; yield job ids and results as they come."""
    running: dict[int, Trial] = {}
    while items or running:
        if items and len(running) < jobs:
            item = items.pop()
            begun = begin(subject, item, seconds)
            if isinstance(begun, WorkResult):
                yield item.job_id, begun
            else:
                running[begun[0]] = begun[1]
            continue
        pid, status = os.wait()
        trial = running.pop(pid)
        result = outcome(status, words_of(trial.reading), trial.diff)
        if result.test_outcome == TestOutcome.KILLED:
            subject.kills[result.output or ""] += 1
        yield trial.item.job_id, result


def session_file(name: str) -> Path:
    SESSIONS.mkdir(parents=True, exist_ok=True)
    return SESSIONS / f"{name.replace('/', '.')}.sqlite"


def attempt(subject: Subject, db: WorkDB, items: list[WorkItem], jobs: int, limit: float) -> None:
    """Test these mutants and keep the results, with tests that take so many seconds."""
    start, total, survived = time.monotonic(), len(items), 0
    for done, (job, result) in enumerate(results(subject, items, jobs, limit), 1):
        if result.test_outcome == TestOutcome.SURVIVED:
            survived += 1
            result = WorkResult(WorkerOutcome.NORMAL, f"{limit} s", "survived", result.diff)
        db.set_result(job, result)
        if done % 20 == 0 or done == total:
            minutes = (time.monotonic() - start) / 60
            print(f"  {done} of {total}, {survived} survived, {minutes:.1f} min", flush=True)


def test(name: str, jobs: int, quick: bool, again: bool) -> None:
    """Bring the session of one module to its end: all mutants quickly, the survivors slowly."""
    subject = Subject(name)
    with use_db(session_file(name)) as db:
        open_session(subject, db)
        subject.kills.update(result.output for _, result in db.results if result.is_killed)
        for limit in (QUICK,) if quick else (QUICK, math.inf):
            items = list(db.pending_work_items)
            if limit > QUICK:
                items = [item for item, result in db.completed_work_items if _open(result, again)]
            if items:
                measure(subject)
                print(f"{name}: {len(items)} mutants, {limit} s of tests for each", flush=True)
                attempt(subject, db, items, jobs, limit)


def _open(result: WorkResult, again: bool) -> bool:
    """Whether a survivor is not through with all tests, or is to go through them once more."""
    survived = result.test_outcome == TestOutcome.SURVIVED
    return survived and (again or result.output != f"{math.inf} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modules", nargs="+", default=list(MODULES), choices=list(MODULES))
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--again", action="store_true", help="test the survivors once more")
    parser.add_argument("--quick", action="store_true", help="no second round for the survivors")
    args = parser.parse_args()
    warm_up()
    for name in args.modules:
        test(name, args.jobs, args.quick, args.again)
    sys.exit(mutation_report.write({name: session_file(name) for name in MODULES}))


if __name__ == "__main__":
    main()
