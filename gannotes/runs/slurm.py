"""Runs as the jobs of a Slurm cluster, one job each.

A job is preempted, requeued, out of time, or on a node that fails: each time the cluster starts it
again, and it goes on. What is queued is asked of the queue, where a job carries its run's folder as
its comment.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from gannotes.runs.folder import Run, read
from gannotes.runs.workers import Recipe, attempt, no_bars

ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
ENDING = "COMPLETING"  # for good, or to be queued again: that is seen when it is over
PATIENCE = 60.0  # seconds
TIMES = 100  # that a job whose time is over is queued again
OURS = {"name", "slurm_comment"}


class Job:
    """What a job does. It reads the folder anew: much may have happened since it was submitted."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder, self.recipe = folder, recipe

    def __call__(self) -> str:
        """Attempt the run as it is now."""
        return attempt(read(self.folder), self.recipe)

    def checkpoint(self) -> Any:
        """What submitit queues again when the time is over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit(
    tasks: Iterable[tuple[Run, Recipe]], logs: Path, parameters: Mapping[str, object]
) -> list[Any]:
    """Hand runs to a Slurm cluster, a job each; those that are queued already are left out.

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
        ValueError: if submitit is not installed, if there is no Slurm, or if it refuses a job.
    """
    tasks = list(tasks)
    if not tasks:
        return []
    executor = check_cluster(logs, parameters)
    jobs: list[Any] = []
    with _alone(logs):
        slurm = parameters.get("cluster", "slurm") == "slurm"
        queue = _settled({_path(run) for run, _ in tasks}) if slurm else {}
        rest = [(run, recipe) for run, recipe in tasks if _path(run) not in queue]
        for run, recipe in rest:
            executor.update_parameters(**_parameters(run, parameters))
            try:
                with no_bars(), redirect_stderr(StringIO()):
                    jobs.append(executor.submit(Job(run.folder.resolve(), recipe)))
            except (RuntimeError, OSError) as error:
                reason = (str(error).splitlines() or ["no reason"])[-1]
                raise ValueError(
                    f"slurm: expected a job for {run.name}, got {reason!r}; {len(jobs)} of "
                    f"{len(rest)} were submitted, the others wait"
                ) from error
    return jobs


def check_cluster(logs: Path, parameters: Mapping[str, object]) -> Any:
    """Refuse a cluster that is not here and parameters that it does not know.

    Args:
        logs: the folder for what the jobs print.
        parameters: those of `submit`.

    Returns:
        submitit's executor.

    Raises:
        ValueError: if submitit is not installed, or if there is no Slurm; nothing was made.
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            f"slurm: expected submitit, install it with pip install 'gannotes[slurm]': {error}"
        ) from error
    cluster = str(parameters.get("cluster", "slurm"))
    rest = {key: value for key, value in parameters.items() if key != "cluster"}
    if OURS & rest.keys():
        raise ValueError(f"slurm: expected other parameters than {OURS}, got {dict(parameters)}")
    try:
        executor = submitit.AutoExecutor(logs, cluster=cluster, slurm_max_num_timeout=TIMES)
        executor.update_parameters(**rest)
    except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
        raise ValueError(
            f"slurm: expected a cluster and parameters that it knows, got {dict(parameters)}: "
            f"{error}"
        ) from error
    return executor


def in_queue(runs: Sequence[Run]) -> list[Run]:
    """The runs, each with its job in the queue, if a queue is here and has one.

    Args:
        runs: what `find` returns.
    """
    if not any((run.folder.parents[1] / "slurm").is_dir() for run in runs):
        return list(runs)  # nobody has submitted any
    try:
        queue, _ = _queue()
    except ValueError:
        return list(runs)
    return [run._replace(job=queue.get(_path(run), "")) for run in runs]


def _parameters(run: Run, parameters: Mapping[str, object]) -> dict[str, object]:
    return {
        "cpus_per_task": run.configuration["threads"],
        "slurm_additional_parameters": {"requeue": True},
        **{key: value for key, value in parameters.items() if key != "cluster"},
        "name": run.name,
        "slurm_comment": _path(run),
    }


def _path(run: Run) -> str:
    return str(run.folder.resolve())


def _settled(folders: set[str]) -> dict[str, str]:
    """The queue, once it is known of all jobs of these folders whether they come back."""
    deadline = time.monotonic() + PATIENCE
    while True:
        queue, ending = _queue()
        if not ending & folders or time.monotonic() > deadline:
            return queue
        time.sleep(0.5)


def _queue() -> tuple[dict[str, str], set[str]]:
    """Folder -> number of its job, of this user's jobs; and the folders whose jobs are ending."""
    command = ["squeue", f"--user={os.getuid()}", "--noheader", "--format=%T|%i|%k"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"slurm: expected an answer of squeue, got {error}") from error
    if answer.returncode:
        reason = (answer.stderr.splitlines() or ["none"])[-1]
        raise ValueError(f"slurm: expected an answer of squeue, got {reason!r}")
    jobs = [line.split("|", 2) for line in answer.stdout.splitlines() if line.count("|") >= 2]
    queue = {folder: job for state, job, folder in jobs if state not in {*ENDED, ENDING}}
    return queue, {folder for state, _, folder in jobs if state == ENDING} - queue.keys()


@contextmanager
def _alone(logs: Path) -> Iterator[None]:
    """One after the other, so that nobody submits what somebody else is submitting."""
    import fcntl  # here: Slurm and this module of Python are on the same systems

    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
