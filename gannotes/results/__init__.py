r"""Tables: what the long runs measured, and what the papers print, one CSV file each.

A file `published_*.csv` is a transcription of a paper's table; every other file was written by the
recipe of the same name, a row per run, so that every spread on a page can be computed again.
"""

import csv
import io
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path

from gannotes import checks, manifest

FOLDER = Path(__file__).parent
NUMBER = re.compile(r"-?((0|[1-9]\d*)(\.\d+)?|\.\d+)(e[+-]?\d+)?|nan|-?inf")
Row = dict[str, float | str]


def load(name: str) -> list[Row]:
    """Read a shipped table: a list of rows, numbers as `float`, everything else as text.

    Args:
        name: the file's name without its ending.

    Raises:
        TypeError: if `name` is no text.
        ValueError: if there is no such table, or if it is not the one that was shipped.

    Example:
        >>> load("published_fgan_mnist")[0]
        {'divergence': 'kl', 'kde': 416.0, 'sem': 5.62}
    """
    checks.one_of("name", name, sorted(file.stem for file in FOLDER.glob("*.csv")))
    return read(manifest.verify(FOLDER / f"{name}.csv"))


def read(path: Path) -> list[Row]:
    """Read a table that `write` has left. Returns what `load` returns.

    Args:
        path: the CSV file, with a header.

    Raises:
        TypeError: if `path` is no path.
        ValueError: if there is no such file, or if it is no table: without a header, with a column
            twice, or with a row that is longer or shorter than the header.

    Example:
        >>> read(FOLDER / "published_fgan_mnist.csv") == load("published_fgan_mnist")
        True
    """
    path = _path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"path: expected a table, got {path.name}: {error}") from error
    if not header or len(set(header)) < len(header):
        raise ValueError(f"path: expected columns with names, got {header} in {path.name}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            came = f"{len(row)} in line {number} of {path.name}"
            raise ValueError(f"path: expected {len(header)} cells in a row, got {came}")
    return [dict(zip(header, map(_value, row), strict=True)) for row in rows]


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows with the same keys as a CSV file, floats with six digits, in one piece.

    What `read` returns then is what was written, floats to six digits and integers as floats.

    Args:
        path: the file, replaced if it is there.
        rows: at least one row; the first one's keys are the header.

    Raises:
        TypeError: if a value is neither a number nor text, or a key is no text.
        ValueError: if there is no row, if a row has other keys than the first, if a text would be
            read as a number, or if the file cannot be written; nothing is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder) / "runs.csv", [{"seed": 0, "nats": 1 / 3}])
        ...     read(Path(folder) / "runs.csv")
        [{'seed': 0.0, 'nats': 0.333333}]
    """
    path = _path(path)
    checks.kind("rows", rows, Iterable, wanted="rows, dictionaries")
    table = [dict(checks.kind("rows", row, Mapping, wanted="rows, dictionaries")) for row in rows]
    if not table or not table[0]:
        raise ValueError("rows: expected at least one with a column, got none")
    for row in table:
        if row.keys() != table[0].keys():
            raise ValueError(f"rows: expected the keys {list(table[0])}, got {list(row)}")
    cells = [[_cell(key, row[key]) for key in table[0]] for row in table]
    text = io.StringIO()
    header = [_cell("rows", key) for key in table[0]]
    csv.writer(text, lineterminator="\n").writerows([header, *cells])
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
        os.replace(temporary, path)
    except (OSError, UnicodeEncodeError) as error:
        temporary.unlink(missing_ok=True)
        raise ValueError(f"path: expected a file to write, got {path}: {error}") from error


def _path(path: Path) -> Path:
    return Path(checks.kind("path", path, str, os.PathLike, wanted="a path"))


def _cell(name: str, value: object) -> str:
    """A cell's text, which `_value` turns back."""
    if isinstance(value, Integral | Real) and not isinstance(value, bool):
        return f"{value}" if isinstance(value, Integral) else f"{float(value):.6g}"
    text = checks.kind(name, value, str, wanted="numbers and texts")
    if _value(text) != text:
        raise ValueError(f"{name}: expected a text that is read as one, got {text!r}")
    return text


def _value(text: str) -> float | str:
    """A number as `write` writes it; everything else is text: 1_0, 007, Infinity, " 1"."""
    return float(text) if NUMBER.fullmatch(text) else text
