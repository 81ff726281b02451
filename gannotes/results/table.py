"""A table of results in a notebook: lines of text in a terminal, a real table on a page."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor


class Table:
    """Rows of words and numbers under a header.

    Args:
        header: the names of the columns.
        rows: one sequence a row, as long as the header. Strings stay; numbers are rounded.
        digits: decimals of a number that is no whole one.

    Raises:
        ValueError: if a row has not as many entries as the header.

    Example:
        >>> Table(["seed", "modes", "near"], [[0, 8, 0.947], [1, 7, 0.9]])
        seed  modes  near
        0     8      0.95
        1     7      0.90
    """

    def __init__(
        self, header: Sequence[str], rows: Sequence[Sequence[Any]], digits: int = 2
    ) -> None:
        for i, row in enumerate(rows):
            if len(row) != len(header):
                raise ValueError(f"rows: expected {len(header)} entries, got {len(row)} in row {i}")
        self.header = list(header)
        self.rows = [[_text(entry, digits) for entry in row] for row in rows]

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        padded = ([entry.ljust(n) for entry, n in zip(line, widths, strict=True)] for line in lines)
        return "\n".join("  ".join(line).rstrip() for line in padded)

    def _repr_markdown_(self) -> str:
        rule = ["---" if i == 0 else "--:" for i in range(len(self.header))]
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.header, rule, *self.rows))


def _text(entry: Any, digits: int) -> str:
    if isinstance(entry, Tensor):
        entry = entry.item()
    if isinstance(entry, float):
        return f"{entry:.{digits}f}"
    return str(entry)
