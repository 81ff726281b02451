r"""Tables: what the long runs measured, and what the papers print, one CSV file each.

A file `published_*.csv` is a transcription of a paper's table; every other file was written by the
recipe of the same name, a row per run, so that every spread on a page can be computed again.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
Row = dict[str, float | str]


def load(name: str) -> list[Row]:
    """Read a shipped table: a list of rows, numbers as `float`, everything else as text.

    Slide: beyond the deck (tables of the long runs).

    Args:
        name: the file's name without its ending.

    Raises:
        ValueError: if there is no such table.

    Example:
        >>> load("published_fgan_mnist")[0]
        {'divergence': 'kl', 'kde': 416.0, 'sem': 5.62}
    """
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        known = sorted(file.stem for file in FOLDER.glob("*.csv"))
        raise ValueError(f"name: expected one of {known}, got {name!r}")
    return read(path)


def read(path: Path) -> list[Row]:
    """Read a table that `write` has left.

    Slide: beyond the deck (tables of the long runs). Returns what `load` returns.

    Args:
        path: the CSV file, with a header.

    Example:
        >>> read(FOLDER / "published_fgan_mnist.csv") == load("published_fgan_mnist")
        True
    """
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(file)]


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows with the same keys as a CSV file, floats with six digits.

    Slide: beyond the deck (tables of the long runs).

    Args:
        path: the file, replaced if it is there.
        rows: at least one row; the first one's keys are the header.

    Raises:
        ValueError: if there is no row, or if a row has other keys than the first; nothing is
            written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder) / "runs.csv", [{"seed": 0, "nats": 1 / 3}])
        ...     read(Path(folder) / "runs.csv")
        [{'seed': 0.0, 'nats': 0.333333}]
    """
    table = [dict(row) for row in rows]
    if not table:
        raise ValueError("rows: expected at least one, got none")
    for row in table:
        if row.keys() != table[0].keys():
            raise ValueError(f"rows: expected the keys {list(table[0])}, got {list(row)}")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        for row in table:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
