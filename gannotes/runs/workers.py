"""Who computes the runs: this process, or several of this machine.

Each attempt begins by claiming its run, so that it does not matter how many there are, nor where.
"""

import _thread
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import torch
from safetensors.torch import save_file
from tqdm.auto import tqdm

from gannotes import checkpoint
from gannotes.runs import files, folder
from gannotes.runs.files import Record
from gannotes.runs.folder import Run, State

BEAT = 10.0  # seconds between two signs of life
GLANCE = 1.0  # seconds between two looks at whether somebody has taken over
AWAKE: int | None = getattr(signal, "SIGCONT", None)  # what a process gets that was stopped

Recipe = Callable[..., object]


def attempt(run: Run, recipe: Recipe) -> str:
    """Claim a run, compute it, and say what it came to.

    A killed run goes on from its checkpoint and ends with the same weights. The history moves from
    the checkpoint to a file of its own when the run is done.

    Args:
        run: as it was read; whoever claims it since then has it.
        recipe: called with the folder, `seed`, `device` and the settings.

    Returns:
        "done"; "failed", with the reason in `traceback.txt`; or "taken" by somebody else.

    Raises:
        KeyboardInterrupt: if somebody at the keyboard wants so; the run can be resumed.
    """
    try:
        sitting = folder.claim(run)
    except OSError as error:  # a full disk, a folder that is gone
        print(f"{run.name}: {error}", file=sys.stderr)
        return "failed"
    return "taken" if sitting is None else _sit(run, recipe, sitting)


def _sit(run: Run, recipe: Recipe, sitting: Path) -> str:
    began = time.perf_counter()

    def say(state: State = "running") -> None:
        folder.say(sitting, time.perf_counter() - began, state)

    try:
        (run.folder / "traceback.txt").unlink(missing_ok=True)
        with _signs_of_life(sitting, say):
            _compute(run, recipe)
        if folder.lost(sitting):
            return "taken"
        _finish(run, time.perf_counter() - began)
        say("done")
    except (KeyboardInterrupt, SystemExit) as stop:
        if folder.lost(sitting) and isinstance(stop, KeyboardInterrupt):
            return "taken"
        with suppress(OSError, ValueError):
            say("interrupted")
        raise
    except Exception:
        return "taken" if folder.lost(sitting) else _fail(run, say)
    if folder.lost(sitting):  # by one who takes the last word for its own
        return "taken"
    for path in run.folder.glob("*.checkpoint*"):
        with suppress(OSError):
            path.unlink()
    return "done"


def _compute(run: Run, recipe: Recipe) -> None:
    out, configuration = run.folder, run.configuration
    torch.set_num_threads(configuration["threads"])
    seed, device = configuration["seed"], configuration["device"]
    recipe(out, seed=seed, device=device, **configuration["settings"])
    _keep_histories(out)


def _fail(run: Run, say: Callable[[State], None]) -> str:
    """Leave the reason and the last word, as far as the disk takes them; tell the rest."""
    reason = traceback.format_exc()
    path = run.folder / "traceback.txt"
    try:
        path.write_text(reason, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        print(f"{run.name}: {error}\n{reason}", file=sys.stderr)
    with suppress(OSError, ValueError):
        say("failed")
    return "failed"


def work(tasks: Iterable[tuple[Run, Recipe]], jobs: int = 1) -> Iterator[tuple[Run, str]]:
    """Attempt runs on this machine, several at a time if asked to.

    Args:
        tasks: the runs, each with its recipe.
        jobs: how many processes; with one, it is this one, and each run shows its own bar.

    Returns:
        The runs with what they came to, as they end.

    Raises:
        ValueError: if `jobs` is less than one; nothing was claimed.
    """
    tasks = list(tasks)
    if type(jobs) is not int or jobs < 1:
        raise ValueError(f"jobs: expected an integer >= 1, got {jobs!r}")
    jobs = min(jobs, len(tasks))
    return _work_at_once(tasks, jobs) if jobs > 1 else _work_in_turn(tasks)


def _work_in_turn(tasks: list[tuple[Run, Recipe]]) -> Iterator[tuple[Run, str]]:
    bar = tqdm(tasks, unit="run", leave=False, disable=len(tasks) < 2 or None)
    for run, recipe in bar:
        bar.set_description(run.name)
        yield run, attempt(run, recipe)


def _work_at_once(tasks: list[tuple[Run, Recipe]], jobs: int) -> Iterator[tuple[Run, str]]:
    from joblib import Parallel, delayed  # here, so that nobody else waits for it

    with no_bars():  # one bar for all of them instead of one for each
        pool = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="all")
        ends = pool(delayed(_with_run)(run, recipe) for run, recipe in tasks)
        yield from tqdm(ends, total=len(tasks), unit="run", leave=False, disable=None)


def _with_run(run: Run, recipe: Recipe) -> tuple[Run, str]:
    return run, attempt(run, recipe)


@contextmanager
def no_bars() -> Iterator[None]:
    """Processes that begin here show no progress."""
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


@contextmanager
def _signs_of_life(sitting: Path, say: Callable[[], None]) -> Iterator[None]:
    """Rewrite the sitting every few seconds; stop the run if somebody else goes on with it.

    Whoever was stopped or asleep for long looks first thing, before it writes anything.
    """
    ended = Event()

    def live() -> None:
        told = time.monotonic()
        while not ended.wait(min(GLANCE, BEAT)):
            if folder.lost(sitting):
                return _thread.interrupt_main(signal.Signals(AWAKE or signal.SIGINT))
            if time.monotonic() - told >= BEAT:
                told = time.monotonic()
                with suppress(OSError, ValueError):  # a disk that is away for a moment
                    say()

    def awake(*_: Any) -> None:
        if folder.lost(sitting):
            raise KeyboardInterrupt

    thread = Thread(target=live, daemon=True)
    heard = AWAKE if current_thread() is main_thread() else None  # no other thread hears signals
    before = signal.signal(heard, awake) if heard else None
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if heard:
            signal.signal(heard, before or signal.SIG_DFL)


def _keep_histories(out: Path) -> None:
    for path in out.glob("*.checkpoint"):
        series = checkpoint.history(path)
        if series:
            kept = path.with_suffix(".history.safetensors")
            save_file(series, kept.with_name(kept.name + ".tmp"))
            os.replace(kept.with_name(kept.name + ".tmp"), kept)


def _finish(run: Run, seconds: float) -> None:
    """Complete run.json: what it was computed with, and what it took."""
    sittings = folder.read(run.folder).sittings
    took: Record = {
        "started": sittings[0]["began"],
        "finished": time.time(),
        "seconds": sum(sitting["seconds"] for sitting in sittings[:-1]) + seconds,
        "sittings": len(sittings),
        **folder.versions(),
    }
    files.replace(run.folder / "run.json", {**run.configuration, **took})
