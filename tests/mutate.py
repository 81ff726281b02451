"""Mutation testing: does a test fail for every small change of the mathematics?

    python tests/mutate.py                                     # all modules, and the report
    python tests/mutate.py --modules bounds models/gan --jobs 2
    python tests/mutate.py --again                             # the survivors once more

cosmic-ray makes the mutants: an operator, a number, a comparison or a truth value is another one. A
fresh process for each would spend its time on importing torch. Here one process imports what the
tests import, but nothing of the package, and forks: the child is given the mutated source of one
module from memory, so that no file ever changes, and runs the tests that reach the mutated line,
those first that have killed most for their time. It ends at the first failure, or when a limit of
processor time says that the mutant does not end.

Results are kept as they come, in `_build/mutation/*.sqlite`, one ordinary session of cosmic-ray
(`cr-report`, `cr-html`) for each module: what was killed goes on from there, and a changed module
starts anew. Every survivor must have its reason in `tests/mutation.toml`; with these,
`tests/mutation.md` is written.
"""

import argparse
import ast
import difflib
import gc
import hashlib
import importlib.util
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import accumulate
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import mutation_report
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

ROOT = Path(__file__).resolve().parent.parent
SESSIONS = ROOT / "_build" / "mutation"

# Module -> the test files that are tried on its mutants, in this order.
MODULES = {
    "divergences": "divergences bounds infogan",
    "bounds": "bounds models infogan",
    "optim": "optim models cyclegan",
    "metrics": "metrics",
    "models/ali": "ali models",
    "models/avb": "avb models",
    "models/cyclegan": "cyclegan models",
    "models/fgan": "fgan models",
    "models/gan": "gan models",
    "models/infogan": "infogan models",
    "models/vae": "vae models metrics",
}
QUICK = 2.0  # seconds of tests in the first round
BEST = 5  # tests that are tried before any other, by the mutants that they killed a second
FIRST = 20  # tests that are tried before all others are even collected
IMPORTED = """coverage hypothesis.strategies matplotlib.pyplot mpmath numpy pytest _pytest.python
    safetensors.torch scipy.integrate scipy.optimize scipy.special scipy.stats torch torch._dynamo
    torch.distributions torch.testing tqdm.auto"""
PYTEST = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "--assert=plain"]
SLOW = 2.0  # seconds: a test that takes longer is left out
MEMORY = 4 << 30  # bytes beyond those of the parent
Line = int


class Subject:
    """A module under mutation: its source and what the baseline found out about its tests."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ROOT / "gannotes" / f"{name}.py"
        self.source = self.path.read_text()
        self.tree = ast.parse(self.source)
        self.files = [f"tests/test_{file}.py" for file in MODULES[name].split()]
        self.kills: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self.reached: dict[Line, set[str]] = {}

    @cached_property
    def annotations(self) -> list[ast.AST]:
        fields = [
            getattr(node, field, None)
            for node in ast.walk(self.tree)
            for field in ("annotation", "returns")
        ]
        return [field for field in fields if isinstance(field, ast.AST)]

    def mutated(self, spec: MutationSpec) -> str:
        operator = get_operator(spec.operator_name)(**spec.operator_args)
        return mutate_code(self.source, operator, spec.occurrence)

    def tests_of(self, spec: MutationSpec, seconds: float) -> list[str]:
        """The tests that run the mutated statement, all if it runs at import; of these some."""
        lines, deferred = _statement(self.tree, spec.start_pos)
        found = set().union(*(self.reached.get(line, set()) for line in lines))
        if "" in found and not deferred:
            found = set(self.seconds)
        tests = self._in_turn(sorted(found & self.seconds.keys(), key=self._urgency))
        spent = accumulate(self.seconds[test] for test in tests)
        return [test for test, until in zip(tests, spent, strict=True) if until <= seconds]

    def _urgency(self, test: str) -> tuple[float, str]:
        return -(self.kills[test] + 0.1) / (self.seconds[test] + 0.01), test

    @staticmethod
    def _in_turn(tests: list[str]) -> list[str]:
        """The first few as they come; of the others one case of every test, a second of every..."""
        cases: Counter[str] = Counter()
        turns = []
        for test in tests:
            function = test.partition("[")[0]
            cases[function] += 1
            turns.append(cases[function])
        order = sorted(range(len(tests)), key=lambda i: (i >= BEST, turns[i] if i >= BEST else 0))
        return [tests[i] for i in order]


def _contains(node: ast.AST, position: tuple[int, int]) -> bool:
    start = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    return start <= position < (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))


def _statement(tree: ast.Module, position: tuple[int, int]) -> tuple[range, bool]:
    """The lines of the innermost statement or lambda around; whether it runs later than these."""
    found, deferred = range(position[0], position[0] + 1), False
    for node in ast.walk(tree):  # breadth first: the innermost comes last
        if isinstance(node, ast.stmt | ast.Lambda) and _contains(node, position):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) else node.end_lineno or 0
            found = range(node.lineno, max(last, node.lineno, position[0]) + 1)
            deferred = isinstance(node, ast.Lambda)
    return found, deferred


# The child: one mutant, the tests that may see it.


class Mutant(SourceFileLoader):
    """Finds and loads one module, from code in memory."""

    def __init__(self, subject: Subject, code: CodeType) -> None:
        super().__init__("gannotes." + subject.name.replace("/", "."), str(subject.path))
        self.code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class Watch:
    """A pytest plugin: chooses and orders the tests, and ends the process at the first failure."""

    def __init__(self, say: Callable[[str], None], tests: list[str] | None = None) -> None:
        self.say = say
        self.order = {test: place for place, test in enumerate(tests or [])}
        self.functions = {test.partition("::")[2].partition("[")[0] for test in self.order}

    def pytest_pycollect_makeitem(self, name: str) -> list | None:
        unwanted = self.order and name.startswith("test") and name not in self.functions
        return [] if unwanted else None

    def pytest_collection_modifyitems(self, items: list) -> None:
        if self.order:
            kept = [item for item in items if item.nodeid in self.order]
            items[:] = sorted(kept, key=lambda item: self.order[item.nodeid])

    def pytest_collectreport(self, report) -> None:  # type: ignore[no-untyped-def]
        self.pytest_runtest_logreport(report)

    def pytest_runtest_logreport(self, report) -> None:  # type: ignore[no-untyped-def]
        if report.failed:
            self.say(report.nodeid)
            os._exit(1)


class Trace:
    """A pytest plugin of the baseline: what each test costs, and which lines it reaches."""

    def __init__(self) -> None:
        import coverage

        sources = [str(Subject(name).path) for name in MODULES]
        self.coverage = coverage.Coverage(data_file=None, include=sources, config_file=False)
        self.seconds: dict[str, float] = {}
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.seconds[nodeid] = -time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.coverage.switch_context("")
        self.seconds[nodeid] += time.process_time()

    def result(self) -> str:
        self.coverage.stop()
        data = self.coverage.get_data()
        reached = {name: data.contexts_by_lineno(str(Subject(name).path)) for name in MODULES}
        return json.dumps({"seconds": self.seconds, "reached": reached})


def _trace(file: str, say: Callable[[str], None]) -> None:
    import pytest

    trace = Trace()
    status = pytest.main([*PYTEST, file], plugins=[Watch(say), trace])
    assert status == 0, f"pytest ended with {status}"
    say(trace.result())


def _try(subject: Subject, code: CodeType, tests: list[str], say: Callable[[str], None]) -> None:
    import pytest

    seconds = 5 + 3 * sum(subject.seconds[test] for test in tests)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    signal.alarm(10 * int(seconds))  # for one that sleeps
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    sys.meta_path.insert(0, Mutant(subject, code))
    for some in (tests[:FIRST], tests[FIRST:]):
        for file in dict.fromkeys(test.partition("::")[0] for test in some):
            pytest.main([*PYTEST, file], plugins=[Watch(say, some)])


def fork(work: Callable[[Callable[[str], None]], None]) -> tuple[int, int]:
    """Do the work in a child; return its id, and the end of a pipe from which its words come."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    say = partial(_write, writing)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    try:
        work(say)
    except BaseException:
        say(traceback.format_exc())
        os._exit(2)
    os._exit(0)


def _write(writing: int, words: str) -> None:
    with os.fdopen(writing, "w") as stream:
        stream.write(words)


def _words(reading: int) -> str:
    with os.fdopen(reading) as stream:
        return stream.read()


# The parent.


def warm_up() -> None:
    """Import what the tests import, but nothing of the package; choose pytest's plugins."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
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
        pid, reading = fork(partial(_trace, file))
        words = _words(reading)
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
    """Fill a new session, or one of another source; leave out what is no mutant."""
    kept = SESSIONS / f"{subject.name.replace('/', '.')}.txt"
    if kept.exists() and kept.read_text() == subject.source and db.num_work_items:
        return
    init([subject.path.relative_to(ROOT)], db, {})
    for item in db.work_items:
        reason = left_out(subject, item.mutations[0])
        if reason:
            db.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED, output=reason))
    kept.write_text(subject.source)


def left_out(subject: Subject, spec: MutationSpec) -> str:
    """Why a mutant is not counted at all: one of two rules, or none."""
    if any(_contains(annotation, spec.start_pos) for annotation in subject.annotations):
        return mutation_report.ANNOTATION
    try:
        _compile(subject.mutated(spec), subject.path)
    except SyntaxError:
        return mutation_report.NOT_PYTHON
    return ""


def _compile(source: str, path: Path) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return compile(source, str(path), "exec", dont_inherit=True)


def changed(before: str, after: str) -> str:
    """The lines of the mutant that are not those of the module; if it lacks some, these."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    new = [line[1:].strip() for line in lines[2:] if line.startswith("+")]
    old = [f"without {line[1:].strip()}" for line in lines[2:] if line.startswith("-")]
    return " ".join(new or old)


class Trial(NamedTuple):
    """A mutant that is being tested."""

    item: WorkItem
    diff: str
    reading: int


def begin(subject: Subject, item: WorkItem, seconds: float) -> tuple[int, Trial]:
    """Start the child of a mutant; where no test runs its line, it has nothing to do."""
    spec = item.mutations[0]
    source = subject.mutated(spec)
    code = _compile(source, subject.path)
    pid, reading = fork(partial(_try, subject, code, subject.tests_of(spec, seconds)))
    return pid, Trial(item, changed(subject.source, source), reading)


def outcome(status: int, words: str, diff: str) -> WorkResult:
    """What the end of a child says: 0 survived, 1 a test failed, a signal: a limit or a crash."""
    code = os.waitstatus_to_exitcode(status)
    if code > 1:
        return WorkResult(WorkerOutcome.EXCEPTION, words, TestOutcome.INCOMPETENT, diff)
    verdict = TestOutcome.KILLED if code else TestOutcome.SURVIVED
    words = signal.Signals(-code).name if code < 0 else words
    return WorkResult(WorkerOutcome.NORMAL, words, verdict, diff)


def attack(
    subject: Subject, items: list[WorkItem], jobs: int, seconds: float
) -> Iterator[tuple[str, WorkResult]]:
    """Try the mutants, so many at a time; yield job ids and results as they come."""
    running: dict[int, Trial] = {}
    while items or running:
        if items and len(running) < jobs:
            pid, trial = begin(subject, items.pop(), seconds)
            running[pid] = trial
            continue
        pid, status = os.wait()
        trial = running.pop(pid)
        result = outcome(status, _words(trial.reading), trial.diff)
        if result.test_outcome == TestOutcome.KILLED:
            subject.kills[result.output or ""] += 1
        yield trial.item.job_id, result


def session_file(name: str) -> Path:
    SESSIONS.mkdir(parents=True, exist_ok=True)
    return SESSIONS / f"{name.replace('/', '.')}.sqlite"


def attempt(subject: Subject, db: WorkDB, items: list[WorkItem], jobs: int, limit: float) -> None:
    """Test these mutants and keep the results, with tests that take so many seconds."""
    start, total, survived = time.monotonic(), len(items), 0
    for done, (job, result) in enumerate(attack(subject, items, jobs, limit), 1):
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
