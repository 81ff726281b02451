"""Who computes, and whether that process still lives."""

import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from gannotes.runs.files import Record

SILENCE = 300.0  # seconds after which a process of another machine counts as dead


def me() -> Record:
    """What others need to know to tell whether this process lives."""
    pid = os.getpid()
    return {"host": platform.node(), "place": _place(), "pid": pid, "born": _born(pid), **_job()}


def alive(sitting: Record, folder: Path) -> bool:
    """Whether the owner lives: its own machine knows; for others its signs of life have to do."""
    if _started_again(sitting):
        return False
    if sitting.get("place") == _place():
        born = _born(sitting["pid"])
        if born is None:
            return False
        if born and sitting["born"]:
            return bool(born == sitting["born"])
    return abs(_time_of_the_disk(folder) - sitting["beat"]) <= SILENCE


def _started_again(sitting: Record) -> bool:
    """Whether this process belongs to a later start of the owner's job: the earlier one is dead."""
    mine, start = _job(), sitting.get("start")
    same = mine["job"] is not None and sitting.get("job") == mine["job"]
    return same and type(start) is int and start < mine["start"]


def _place() -> str:
    """Where the numbers of processes mean what they mean here: a system since it was started, and
    in it a space of processes, of which each container has one; names of machines may be equal.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _job() -> Record:
    """The job of a cluster that this process is part of, and how often it was started again."""
    names = [os.environ.get(f"SLURM_{name}", "") for name in ("CLUSTER_NAME", "JOB_ID")]
    start = os.environ.get("SLURM_RESTART_COUNT", "")
    return {
        "job": ":".join(names) if names[1] else None,
        "start": int(start) if start.isdecimal() else 0,
    }


def _time_of_the_disk(folder: Path) -> float:
    """Now, by the clock that stamps the signs of life of all machines; mine, if I may only read."""
    path = folder / f".now.json.{uuid4().hex}"
    try:
        path.touch(exist_ok=False)
        return path.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _born(pid: int) -> str | None:
    """When a process here began, since a number is given again; None if gone, "" if unknown."""
    with suppress(OSError):
        status, *fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        return None if status in {"Z", "X"} else fields[18]
    try:  # another user's may be hidden, and other systems have no such files
        if os.name == "posix":
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    return ""
