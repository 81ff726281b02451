"""A folder that says what is to be computed, who computes it, and how far that went.

The state of a run is what its last sitting says. To claim a run is to make its next sitting, a file
that appears whole and that of several processes only one can make; it is never removed, so that
nobody can mistake somebody else's claim for an old one. Its owner rewrites it every few seconds. A
sitting whose process is gone, or that has been silent for too long, was interrupted.
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import torch

import gannotes

SILENCE = 300.0  # seconds after which a process of another machine counts as dead

Record = dict[str, Any]
State = Literal["waiting", "running", "interrupted", "failed", "done"]
KEYS = {"recipe", "seed", "device", "threads", "settings", "made"}


class Run(NamedTuple):
    """A run as its folder described it at one instant."""

    folder: Path
    configuration: Record  # run.json: recipe, seed, device, threads, settings; later what it took
    sittings: list[Record]  # in order

    @property
    def name(self) -> str:
        """Recipe and seed as a path, such as `ring_plain/seed-0`."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def seconds(self) -> float:
        """Of computing, in all sittings."""
        return sum(sitting["seconds"] for sitting in self.sittings)


def lay_out(
    out: Path,
    recipe: str,
    seed: int,
    device: str = "cpu",
    threads: int = 1,
    settings: Mapping[str, object] | None = None,
) -> Run:
    """Make the folder `out/recipe/seed-K` with its configuration, or find it there.

    Slide: beyond the deck (long runs).

    Args:
        out: the folder of all runs.
        recipe: the name of the function.
        seed: what the function is given.
        device: where to train.
        threads: how many threads torch may use; the numbers depend on it.
        settings: what else the function is given, by name.

    Raises:
        ValueError: if `seed` or `threads` is out of range, if `device` is none of torch's, if `out`
            is a file, or if the run was laid out differently before; nothing was changed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = lay_out(Path(out), "ring_plain", 4)
        >>> run.name, state(run)
        ('ring_plain/seed-4', 'waiting')
    """
    for name, value, least in (("seed", seed, 0), ("threads", threads, 1)):
        if value < least:
            raise ValueError(f"{name}: expected an integer >= {least}, got {value}")
    try:
        torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device: expected one of torch's, got {device!r}: {error}") from None
    wanted: Record = {"recipe": recipe, "seed": seed, "device": device, "threads": threads}
    wanted["settings"] = dict(settings or {})
    folder = out / recipe / f"seed-{seed}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"out: expected a folder, a part of {folder} is a file") from None
    if not _create(folder / "run.json", {**wanted, "made": time.time()}):
        found = read(folder).configuration
        for key in wanted:
            if found[key] != wanted[key]:
                raise ValueError(
                    f"{key}: expected {found[key]!r}, with which {folder} was laid out, "
                    f"got {wanted[key]!r}; take another folder"
                )
    return read(folder)


def read(folder: Path) -> Run:
    """Read the folder of a run, without any other process noticing.

    Slide: beyond the deck (long runs).

    Args:
        folder: it holds `run.json`.

    Raises:
        ValueError: if a file of the folder is damaged.
    """
    configuration = _load(folder / "run.json", KEYS)
    sittings: list[Record] = []
    while (path := folder / f"sitting-{len(sittings)}.json").exists():
        record = _load(path, {"state", "host", "pid", "born", "began", "seconds"})
        sittings.append({**record, "beat": path.stat().st_mtime})
    return Run(folder, configuration, sittings)


def find(out: Path) -> list[Run]:
    """All runs below a folder, in the order in which they were laid out.

    Slide: beyond the deck (long runs).

    Args:
        out: the folder.

    Raises:
        ValueError: if there is no run.
    """
    found = [read(path.parent) for path in sorted(out.glob("*/seed-*/run.json"))]
    if not found:
        raise ValueError(f"folder: expected one with runs (NAME/seed-K/run.json), got {out}")
    return sorted(found, key=lambda run: run.configuration["made"])


def state(run: Run) -> State:
    """What the last sitting says, if it can still be believed.

    Slide: beyond the deck (long runs).

    Args:
        run: the run, of `read`, `find` or `lay_out`.
    """
    if not run.sittings:
        return "waiting"
    last = run.sittings[-1]
    if last["state"] == "running" and not _alive(last):
        return "interrupted"
    return last["state"]


def claim(run: Run) -> Path | None:
    """Make the next sitting, unless somebody has made it since `run` was read.

    Slide: beyond the deck (long runs).

    Args:
        run: as it was read.

    Returns:
        The file; None if the run is done or running, and for all who come too late.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = lay_out(Path(out), "ring_plain", 0)
        ...     claim(run) is None, claim(run) is None, state(read(run.folder))
        (False, True, 'running')
    """
    if state(run) in ("done", "running"):
        return None
    path = run.folder / f"sitting-{len(run.sittings)}.json"
    here = {
        "state": "running",
        "host": platform.node(),
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "began": time.time(),
        "seconds": 0.0,
        **versions(),
    }
    return path if _create(path, here) else None


def say(sitting: Path, seconds: float, state: State = "running") -> None:
    """Rewrite one's own sitting: a sign of life, or the last word.

    Slide: beyond the deck (long runs).

    Args:
        sitting: of `claim`.
        seconds: that it has lasted.
        state: what it has come to.
    """
    replace(sitting, {**json.loads(sitting.read_text()), "seconds": seconds, "state": state})


def lost(sitting: Path) -> bool:
    """Whether somebody has taken the owner of the sitting for dead, and goes on in its place.

    Slide: beyond the deck (long runs).

    Args:
        sitting: of `claim`.
    """
    number = int(sitting.stem.rpartition("-")[2])
    return sitting.with_name(f"sitting-{number + 1}.json").exists()


def spent(folder: Path) -> float:
    """Seconds of all sittings that have ended; 0 in a folder that is not a run's.

    Slide: beyond the deck (long runs).

    Args:
        folder: of a run, or any other.
    """
    if not (folder / "run.json").is_file():
        return 0.0
    run = read(folder)
    return run.seconds - (run.sittings[-1]["seconds"] if state(run) == "running" else 0.0)


def beside(folder: Path, recipe: str) -> Path:
    """The folder of another recipe's run of the same seed, if it is done; else `folder` itself.

    Slide: beyond the deck (long runs).

    Args:
        folder: of a run, or any other.
        recipe: the other recipe.
    """
    other = folder.parent.parent / recipe / folder.name
    if (folder / "run.json").is_file() and (other / "run.json").is_file():
        return other if state(read(other)) == "done" else folder
    return folder


def versions() -> Record:
    """What the numbers depend on besides the configuration.

    Slide: beyond the deck (long runs).
    """
    return {
        "gannotes": gannotes.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "revision": _revision(),
    }


def check_device(device: str) -> None:
    """Refuse a device that this machine lacks; those of a cluster have others.

    Slide: beyond the deck (long runs).

    Args:
        device: its name.

    Raises:
        ValueError: if it is not here.
    """
    try:
        torch.zeros(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: expected one that is here, got {device!r}: {reason}") from None


def replace(path: Path, record: Mapping[str, object]) -> None:
    """Replace a file: a reader sees the old one or the new one.

    Slide: beyond the deck (long runs).

    Args:
        path: the file.
        record: its content.
    """
    os.replace(_write_beside(path, record), path)


def _create(path: Path, record: Mapping[str, object]) -> bool:
    """Make a file that appears whole; whether it was this call that made it.

    A link is made once, on shared disks too; that it was made is asked of the file, because the
    answer of a remote disk can get lost.
    """
    temporary = _write_beside(path, record)
    with suppress(FileExistsError):
        os.link(temporary, path)
    made = temporary.stat().st_nlink == 2
    temporary.unlink()
    return made


def _write_beside(path: Path, record: Mapping[str, object]) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _load(path: Path, keys: set[str]) -> Record:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name}: expected JSON, {path} is damaged: {error}") from error
    missing = keys - record.keys() if isinstance(record, dict) else keys
    if missing:
        raise ValueError(f"{path.name}: expected the keys {sorted(missing)}, {path} lacks them")
    return record


def _alive(sitting: Record) -> bool:
    if time.time() - sitting["beat"] > SILENCE:
        return False
    return sitting["host"] != platform.node() or _born(sitting["pid"]) == sitting["born"]


def _born(pid: int) -> str | None:
    """When a process of this machine began, since a number is given again; None if it is gone."""
    stat = Path("/proc", str(pid), "stat")
    try:
        if Path("/proc/self/stat").exists():
            status, *fields = stat.read_text().rpartition(")")[2].split()
            return None if status in {"Z", "X"} else fields[18]
        if os.name == "posix":
            os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return ""


def _revision() -> str | None:
    """The commit of the package, with `-dirty` if something was changed since; None without git."""
    root = Path(gannotes.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
