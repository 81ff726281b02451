"""Small JSON files that many processes read and write: each appears whole, or not at all."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

MOST = 2**63 - 1  # torch takes no larger seed

Record = dict[str, Any]

KINDS: dict[str, Callable[[Any], bool]] = {
    "a word": lambda value: isinstance(value, str),
    "a word or null": lambda value: value is None or isinstance(value, str),
    "an integer >= 0": lambda value: type(value) is int and 0 <= value <= MOST,
    "a number >= 0": lambda value: type(value) in (int, float) and 0 <= value <= MOST,
    "settings by name": lambda value: isinstance(value, dict),
    "what a sitting came to": lambda value: value in ("running", "interrupted", "failed", "done"),
}


def replace(path: Path, record: Mapping[str, object]) -> None:
    """Replace a file: a reader sees the old one or the new one.

    Args:
        path: the file.
        record: its content.
    """
    os.replace(_write_beside(path, record), path)


def create(path: Path, record: Mapping[str, object]) -> bool:
    """Make a file that appears whole; whether it was this call that made it.

    A link is made once, on shared disks too; that it was made is asked of the file, because the
    answer of a remote disk can get lost.
    """
    temporary = _write_beside(path, record)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
        return temporary.stat().st_nlink == 2
    except FileNotFoundError:  # swept away by somebody who was quicker
        return False
    finally:
        temporary.unlink(missing_ok=True)


def _write_beside(path: Path, record: Mapping[str, object]) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def write_over(path: Path, record: Mapping[str, object]) -> None:
    """Replace a file's content in its own place, where a full disk has no other."""
    with open(path, "r+b", buffering=0) as file:
        size = len(file.read())
        file.seek(0)
        file.write(json.dumps(record).encode().ljust(size))


def load(path: Path, fields: Mapping[str, str]) -> Record:
    """Read a file whose fields are of the kinds that are named, or refuse it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path.name}: expected JSON, {path} is damaged: {error}") from error
    missing = fields.keys() - record.keys() if isinstance(record, dict) else fields.keys()
    if missing:
        raise ValueError(f"{path.name}: expected the keys {sorted(missing)}, {path} lacks them")
    for key, kind in fields.items():
        if not KINDS[kind](record[key]):
            raise ValueError(
                f"{path.name}: expected {kind} as {key}, got {record[key]!r:.60} in {path}"
            )
    return record
