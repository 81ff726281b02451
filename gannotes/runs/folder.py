"""A folder that says what is to be computed, who computes it, and how far that went.

The state of a run is what its last sitting says. To claim a run is to make its next sitting, a file
that appears whole and that of several processes only one can make; it is never removed, so that
nobody can mistake somebody else's claim for an old one. Its owner rewrites it every few seconds.

A sitting was interrupted if its process is gone, which its own machine knows; to all others, if it
has been silent for too long by the clock of the disk. Whoever finds an owner dead reads its last
word once more, and so does whoever took its place.
"""

import errno
import json
import math
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import torch

import gannotes
from gannotes import checks
from gannotes.runs import files, owners
from gannotes.runs.files import MOST, Record

State = Literal["waiting", "queued", "running", "interrupted", "failed", "done", "damaged"]

RUN = {
    "recipe": "a word",
    "seed": "an integer >= 0",
    "device": "a word",
    "threads": "an integer >= 0",
    "settings": "settings by name",
    "made": "a number >= 0",
}
SITTING = {
    "state": "what a sitting came to",
    "host": "a word",
    "pid": "an integer >= 0",
    "born": "a word or null",
    "began": "a number >= 0",
    "seconds": "a number >= 0",
}


class Run(NamedTuple):
    """A run as its folder described it at one instant."""

    folder: Path
    configuration: Record  # run.json: recipe, seed, device, threads, settings; later what it took
    sittings: list[Record]  # in order
    damage: str = ""  # what is wrong with the folder, a sentence
    job: str = ""  # of the cluster's queue, where `in_queue` was asked

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

    Args:
        out: the folder of all runs.
        recipe: the name of the function.
        seed: what the function is given.
        device: where to train.
        threads: how many threads torch may use; the numbers depend on it.
        settings: what else the function is given, by name.

    Raises:
        ValueError: if `recipe` is no name, if `seed` or `threads` is out of range, if `device` is
            none of torch's, if a setting is not what JSON keeps as it is, if `out` cannot be a
            folder, or if the run was laid out differently before; nothing was changed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = lay_out(Path(out), "ring_plain", 4)
        >>> run.name, state(run)
        ('ring_plain/seed-4', 'waiting')
    """
    checks.kind("out", out, Path)
    settings = {} if settings is None else settings
    _check(recipe, seed, device, threads, settings)
    wanted: Record = {"recipe": recipe, "seed": seed, "device": device, "threads": threads}
    wanted["settings"] = dict(settings)
    folder = out / recipe / f"seed-{seed}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"out: expected a folder, a part of {folder} is a file") from None
    except OSError as error:
        raise ValueError(
            f"out: expected a folder that can be made, got {str(out)!r:.200}: {error.strerror}"
        ) from error
    if not files.create(folder / "run.json", {**wanted, "made": time.time()}):
        found = read(folder).configuration
        for key in wanted:
            if found[key] != wanted[key]:
                raise ValueError(
                    f"{key}: expected {found[key]!r}, with which {folder} was laid out, "
                    f"got {wanted[key]!r}; take another folder"
                )
    return read(folder)


def _check(recipe: object, seed: object, device: object, threads: object, settings: object) -> None:
    """Refuse a configuration before a folder is made for it."""
    if not isinstance(recipe, str) or not re.fullmatch(r"\w[\w. -]*", recipe):
        raise ValueError(f"recipe: expected a name, got {recipe!r}")
    for name, value, least in (("seed", seed, 0), ("threads", threads, 1)):
        if type(value) is not int or not least <= value <= MOST:
            raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
    try:
        torch.device(device)  # type: ignore[call-overload]
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device: expected one of torch's, got {device!r}: {error}") from None
    if not isinstance(settings, Mapping):
        raise ValueError(f"settings: expected values by name, got {type(settings).__name__}")
    for name, value in settings.items():
        if type(name) is not str or not _json_keeps(value):
            raise ValueError(
                f"settings: expected words, finite numbers, None, and lists of them by name, got "
                f"{type(value).__name__} for {name!r}"
            )


def _json_keeps(value: object) -> bool:
    """Whether a value comes back from a file as it was."""
    try:
        kept = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return False
    return type(kept) is type(value) and bool(kept == value)


def read(folder: Path) -> Run:
    """Read the folder of a run, without any other process noticing.

    Args:
        folder: it holds `run.json`.

    Raises:
        ValueError: if a file of the folder is damaged.
    """
    checks.kind("folder", folder, Path)
    configuration = files.load(folder / "run.json", RUN)
    sittings: list[Record] = []
    while (path := folder / f"sitting-{len(sittings)}.json").exists():
        sittings.append(_sitting(path))
    return Run(folder, configuration, sittings)


def find(out: Path) -> list[Run]:
    """All runs below a folder, in the order in which they were laid out, damaged ones last.

    Args:
        out: the folder.

    Raises:
        TypeError: if `out` is no path.
        ValueError: if there is no run.
    """
    checks.kind("out", out, Path)
    found = [_read_or_tell(path.parent) for path in sorted(out.glob("*/seed-*/run.json"))]
    if not found:
        raise ValueError(f"folder: expected one with runs (NAME/seed-K/run.json), got {out}")
    return sorted(found, key=lambda run: run.configuration["made"])


def _read_or_tell(folder: Path) -> Run:
    try:
        return read(folder)
    except ValueError as error:
        known = {"recipe": folder.parent.name, "seed": folder.name, "made": math.inf}
        return Run(folder, known, [], damage=str(error))


def state(run: Run) -> State:
    """What the last sitting says, if it can still be believed.

    Args:
        run: the run, of `read`, `find` or `lay_out`.
    """
    if run.damage:
        return "damaged"
    now = _last_word(run)
    return "queued" if run.job and now in ("waiting", "interrupted", "failed") else now


def _last_word(run: Run) -> State:
    if not run.sittings:
        return "waiting"
    last = run.sittings[-1]
    if last["state"] == "running" and not owners.alive(last, run.folder):
        with suppress(ValueError):  # it may have spoken since it was read
            last = _sitting(run.folder / f"sitting-{len(run.sittings) - 1}.json")
        if last["state"] == "running" and not owners.alive(last, run.folder):
            return "interrupted"
    return last["state"]


def claim(run: Run) -> Path | None:
    """Make the next sitting, unless somebody has made it since `run` was read.

    Args:
        run: as it was read.

    Returns:
        The file; None if the run is done, running or damaged, and for all who come too late.

    Raises:
        OSError: if the disk is full, or the folder gone.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = lay_out(Path(out), "ring_plain", 0)
        ...     claim(run) is None, claim(run) is None, state(read(run.folder))
        (False, True, 'running')
    """
    if state(run) in ("done", "running", "damaged"):
        return None
    path = run.folder / f"sitting-{len(run.sittings)}.json"
    here = {"state": "running", **owners.me(), "began": time.time(), "seconds": 0.0, **versions()}
    if not files.create(path, here):
        return None
    for left in run.folder.glob(".*.json.*"):  # by claims that were killed, or that come too late
        with suppress(OSError):
            left.unlink()
    if run.sittings and _ended(run.folder / f"sitting-{len(run.sittings) - 1}.json"):
        say(path, 0.0, "done")
        return None
    return path


def _ended(sitting: Path) -> bool:
    """Whether an owner who was silent, not dead, was done before it could notice its successor."""
    with suppress(ValueError):
        return _sitting(sitting)["state"] == "done"
    return False


def say(sitting: Path, seconds: float, state: State = "running") -> None:
    """Rewrite one's own sitting: a sign of life, or the last word.

    Args:
        sitting: of `claim`.
        seconds: that it has lasted.
        state: what it has come to.
    """
    record = {**json.loads(sitting.read_text()), "seconds": seconds, "state": state}
    try:
        files.replace(sitting, record)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        files.write_over(sitting, record)


def lost(sitting: Path) -> bool:
    """Whether somebody has taken the owner of the sitting for dead, and goes on in its place.

    Args:
        sitting: of `claim`.
    """
    number = int(sitting.stem.rpartition("-")[2])
    return sitting.with_name(f"sitting-{number + 1}.json").exists()


def spent(folder: Path) -> float:
    """Seconds of all sittings that have ended; 0 in a folder that is not a run's.

    Args:
        folder: of a run, or any other.
    """
    if not (folder / "run.json").is_file():
        return 0.0
    run = read(folder)
    return run.seconds - (run.sittings[-1]["seconds"] if state(run) == "running" else 0.0)


def beside(folder: Path, recipe: str) -> Path:
    """The folder of another recipe's run of the same seed, if it is done; else `folder` itself.

    Args:
        folder: of a run, or any other.
        recipe: the other recipe.
    """
    other = folder.parent.parent / recipe / folder.name
    if (folder / "run.json").is_file() and (other / "run.json").is_file():
        return other if state(_read_or_tell(other)) == "done" else folder
    return folder


def versions() -> Record:
    """What the numbers depend on besides the configuration."""
    return {
        "gannotes": gannotes.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "revision": _revision(),
    }


def check_device(device: str) -> None:
    """Refuse a device that this machine lacks; those of a cluster have others.

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


def _sitting(path: Path) -> Record:
    record = files.load(path, SITTING)
    try:
        return {**record, "beat": path.stat().st_mtime}
    except OSError as error:
        raise ValueError(f"{path.name}: expected a file, {path} is gone: {error}") from error


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
