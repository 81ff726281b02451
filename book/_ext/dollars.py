"""Lets a docstring write `$x$` instead of a role, so that it stays readable in a terminal."""

import re
from typing import Any

FORMULA = re.compile(r"(?<![\\$`])\$(?=[^\s$])([^$`]+?)(?<=\S)\$(?![\w$`])")


def _set_formulas(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    text = FORMULA.sub(lambda match: ":math:`" + " ".join(match[1].split()) + "`", "\n".join(lines))
    lines[:] = text.split("\n")


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _set_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
