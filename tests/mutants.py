"""One mutant, and the tests that may see it: what a child of `mutate.py` does.

Nothing here imports the package: a child does, after it was given the mutated source of a module.
"""

import ast
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cached_property, partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import accumulate
from pathlib import Path
from types import CodeType

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parent.parent

# Module -> the test files that are tried on its mutants, in this order.
MODULES = {
    "divergences": "divergences bounds infogan",
    "bounds": "bounds models infogan",
    "optim": "optim models cyclegan",
    "metrics": "metrics",
    "evidence": "evidence",
    "fits": "fits",
    "checks": "checks",
    "models/ali": "ali models",
    "models/avb": "avb models",
    "models/cyclegan": "cyclegan models",
    "models/fgan": "fgan models",
    "models/gan": "gan models",
    "models/infogan": "infogan models",
    "models/vae": "vae models evidence",
}
BEST = 5  # tests that are tried before any other, by the mutants that they killed a second
FIRST = 20  # tests that are tried before all others are even collected
PYTEST = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "--assert=plain"]
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


def contains(node: ast.AST, position: tuple[int, int]) -> bool:
    start = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    return start <= position < (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))


def _statement(tree: ast.Module, position: tuple[int, int]) -> tuple[range, bool]:
    """The lines of the innermost statement or lambda around; whether it runs later than these."""
    found, deferred = range(position[0], position[0] + 1), False
    for node in ast.walk(tree):  # breadth first: the innermost comes last
        if isinstance(node, ast.stmt | ast.Lambda) and contains(node, position):
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
        self.functions = {test.partition("[")[0].rpartition("::")[2] for test in self.order}

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


def trace(file: str, say: Callable[[str], None]) -> None:
    """Run a test file without a mutation; say what its tests cost and reach."""
    import pytest

    found = Trace()
    status = pytest.main([*PYTEST, file], plugins=[Watch(say), found])
    assert status == 0, f"pytest ended with {status}"
    say(found.result())


def attack(subject: Subject, code: CodeType, tests: list[str], say: Callable[[str], None]) -> None:
    """Run the tests on a mutant until one fails or a limit strikes; come back if none does."""
    import pytest

    seconds = 5 + 3 * sum(subject.seconds[test] for test in tests)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    signal.alarm(10 * int(seconds))  # for one that sleeps
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    sys.meta_path.insert(0, Mutant(subject, code))
    for some in (tests[:FIRST], tests[FIRST:]):
        for file in dict.fromkeys(test.partition("::")[0] for test in some):
            status = pytest.main([*PYTEST, file], plugins=[Watch(say, some)])
            assert status in (0, 5), f"pytest ended with {status}"  # 5: no test of that name now


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


def words_of(reading: int) -> str:
    with os.fdopen(reading) as stream:
        return stream.read()
