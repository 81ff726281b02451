"""Who computes the runs: this process, several of this machine, or the jobs of a cluster.

Each attempt begins by claiming its run, so that it does not matter how many there are, nor where.
"""

import _thread
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch
from safetensors.torch import save_file
from tqdm.auto import tqdm

from gannotes import checkpoint
from gannotes.runs import folder
from gannotes.runs.folder import Record, Run

BEAT = 10.0  # seconds between two signs of life

Recipe = Callable[..., object]


def attempt(run: Run, recipe: Recipe) -> str:
    """Claim a run, compute it, and say what it came to.

    A killed run goes on from its checkpoint and ends with the same weights. The history moves from
    the checkpoint to a file of its own when the run is done.

    Slide: beyond the deck (long runs).

    Args:
        run: as it was read; whoever claims it since then has it.
        recipe: called with the folder, `seed`, `device` and the settings.

    Returns:
        "done"; "failed", with the reason in `traceback.txt`; or "taken" by somebody else.

    Raises:
        KeyboardInterrupt: if somebody at the keyboard wants so; the run can be resumed.
    """
    sitting = folder.claim(run)
    if sitting is None:
        return "taken"
    began, (out, configuration, _) = time.perf_counter(), run

    def say(state: folder.State) -> None:
        folder.say(sitting, time.perf_counter() - began, state)

    torch.set_num_threads(configuration["threads"])
    (out / "traceback.txt").unlink(missing_ok=True)
    try:
        with _signs_of_life(sitting, lambda: say("running")):
            seed, device = configuration["seed"], configuration["device"]
            recipe(out, seed=seed, device=device, **configuration["settings"])
            _keep_histories(out)
    except KeyboardInterrupt:
        if folder.lost(sitting):
            return "taken"
        say("interrupted")
        raise
    except Exception:
        (out / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        say("failed")
        return "failed"
    if folder.lost(sitting):
        return "taken"
    _finish(run, time.perf_counter() - began)
    say("done")
    for path in out.glob("*.checkpoint"):
        path.unlink()
    return "done"


def work(tasks: Iterable[tuple[Run, Recipe]], jobs: int = 1) -> Iterator[tuple[Run, str]]:
    """Attempt runs on this machine, several at a time if asked to.

    Slide: beyond the deck (long runs).

    Args:
        tasks: the runs, each with its recipe.
        jobs: how many processes; with one, it is this one, and each run shows its own bar.

    Returns:
        The runs with what they came to, as they end.

    Raises:
        ValueError: if `jobs` is less than one; nothing was claimed.
    """
    tasks = list(tasks)
    if jobs < 1:
        raise ValueError(f"jobs: expected an integer >= 1, got {jobs}")
    if jobs == 1:
        return _work_in_turn(tasks)
    return _work_at_once(tasks, jobs)


def _work_in_turn(tasks: list[tuple[Run, Recipe]]) -> Iterator[tuple[Run, str]]:
    bar = tqdm(tasks, unit="run", leave=False, disable=len(tasks) == 1 or None)
    for run, recipe in bar:
        bar.set_description(run.name)
        yield run, attempt(run, recipe)


def _work_at_once(tasks: list[tuple[Run, Recipe]], jobs: int) -> Iterator[tuple[Run, str]]:
    from joblib import Parallel, delayed  # here, so that nobody else waits for it

    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"  # one bar for all of them instead of one for each
    try:
        pool = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="all")
        ends = pool(delayed(_with_run)(run, recipe) for run, recipe in tasks)
        yield from tqdm(ends, total=len(tasks), unit="run", leave=False, disable=None)
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def _with_run(run: Run, recipe: Recipe) -> tuple[Run, str]:
    return run, attempt(run, recipe)


def submit(
    tasks: Iterable[tuple[Run, Recipe]], logs: Path, parameters: Mapping[str, object]
) -> list[Any]:
    """Hand runs to a Slurm cluster, a job each; a job whose run is taken ends at once.

    Slide: beyond the deck (long runs).

    References:
        submitit, github.com/facebookincubator/submitit: the parameters are those of its executor.

    Args:
        tasks: the runs, each with its recipe.
        logs: the folder for what the jobs print, on the shared disk.
        parameters: such as `slurm_partition`, `timeout_min` or `gpus_per_node`; with `cluster`
            "local" or "debug" the jobs are processes of this machine, or this process.

    Returns:
        submitit's jobs, of which each has a `job_id` and a `result()`: what the attempt came to.

    Raises:
        ValueError: if submitit is not installed, or if there is no Slurm; nothing was submitted.
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            f"slurm: expected submitit, install it with pip install 'gannotes[slurm]': {error}"
        ) from error
    rest = dict(parameters)
    try:
        executor = submitit.AutoExecutor(logs, cluster=str(rest.pop("cluster", "slurm")))
        executor.update_parameters(**rest)
    except (RuntimeError, ValueError, TypeError, NameError) as error:
        raise ValueError(
            f"slurm: expected a cluster and parameters that it knows, got {dict(parameters)}: "
            f"{error}"
        ) from error
    with executor.batch():
        jobs = [executor.submit(attempt, run, recipe) for run, recipe in tasks]
    return jobs


@contextmanager
def _signs_of_life(sitting: Path, beat: Callable[[], None]) -> Iterator[None]:
    """Rewrite the sitting every few seconds; stop the run if somebody else goes on with it."""
    ended = Event()

    def live() -> None:
        while not ended.wait(BEAT):
            if folder.lost(sitting):
                return _thread.interrupt_main()
            with suppress(OSError):  # a disk that is away for a moment
                beat()

    thread = Thread(target=live, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
    folder.replace(run.folder / "run.json", {**run.configuration, **took})
