"""Whether a figure that was drawn again is the one that a chapter was committed with.

`conftest.py` has nbval ask this for every figure. A drawing is read as a list of marks: words,
lines by the box that they fill, dots and pictures by their place. What is computed without training
must be the same to a fiftieth of the width. Training rounds otherwise on another machine, and then
goes elsewhere, or ends sooner: such a figure must have the same words, up to their numbers, and not
four times as many marks, or a quarter.
Which figures those are is read from the code: their cell trains, or uses what a cell that trains
has named.
"""

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

from figures import slim

NEAR = 0.02  # of the width of the figure
NUMBER = re.compile(r"\d*\.?\d+(?:e[-+]?\d+)?")
MARK = re.compile(r"<(path|use|image|text|svg)\b([^>]*)>(?:([^<]*)</text>)?")
POINT = re.compile(r"(-?[\d.]+) (-?[\d.]+)")
TRAINS = {"fit", "step", "backward", "ascend", "descend", "descend_ascend"}


class Mark(NamedTuple):
    """A word, a line or a picture of a figure, and the box that it fills, in parts of the width."""

    kind: str
    word: str
    box: tuple[float, ...]


def marks(svg: str) -> list[Mark]:
    """What a figure shows, in the order in which it is drawn."""
    found, width = [], 1.0
    for kind, attributes, word in MARK.findall(re.sub(r"<defs>.*?</defs>", "", svg, flags=re.S)):
        value = dict(re.findall(r'([\w:-]+)="([^"]*)"', attributes))
        if kind == "svg":
            width = float(value["width"].removesuffix("pt"))
            continue
        points = POINT.findall(value.get("d", ""))
        xs, ys = ([float(pair[i]) for pair in points] for i in (0, 1))
        if not points:
            place = re.search(r"translate\((-?[\d.]+) (-?[\d.]+)\)", value.get("transform", ""))
            xs, ys = (
                [float(value.get(key, place[i] if place else "0"))]
                for i, key in ((1, "x"), (2, "y"))
            )
        box = (min(xs), min(ys), max(xs), max(ys))
        found.append(Mark(kind, word.strip(), tuple(round(part / width, 4) for part in box)))
    return found


def differences(kept: str, drawn: str, trained: bool = False) -> list[str]:
    """How a figure differs from the one that was kept, in words; nothing if it does not.

    Args:
        kept: the drawing in the chapter.
        drawn: the drawing of now, as the kernel sends it.
        trained: whether its numbers come from training.
    """
    then, now = marks(slim(kept)), marks(slim(drawn))
    if trained:
        words = [[NUMBER.sub("#", mark.word) for mark in part if mark.word] for part in (then, now)]
        plain = [sorted({word for word in part if word != "#"}) for part in words]
        found = [] if plain[0] == plain[1] else [f"other words: {plain[0]}, now {plain[1]}"]
        if not len(then) / 4 <= len(now) <= 4 * len(then):
            found.append(f"{len(now)} marks instead of {len(then)}")
        return found
    if [mark.kind for mark in then] != [mark.kind for mark in now]:
        return [f"other marks: {len(now)} instead of {len(then)}, or in another order"]
    found = []
    for a, b in zip(then, now, strict=True):
        far = max(abs(x - y) for x, y in zip(a.box, b.box, strict=True))
        if _plain(a.word) != _plain(b.word):
            found.append(f"{b.word!r} instead of {a.word!r}")
        elif far > NEAR:
            found.append(f"a {a.kind} at {b.box} instead of {a.box}")
    return found


def _plain(word: str) -> str:
    """A word whose numbers have no more digits than they need."""
    return NUMBER.sub(lambda match: f"{float(match[0]):.12g}", word)


def trained_cells(sources: Iterable[str]) -> list[bool]:
    """For each code cell of a chapter, whether what it shows comes from training.

    Names that such a cell gives are tainted until a cell that uses none of them gives them anew.
    """
    tainted: set[str] = set()
    found = []
    for source in sources:
        try:
            tree = ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M))
        except SyntaxError:
            found.append(False)
            continue
        given, used, trains = set(), set(), False
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        for node in sorted(names, key=lambda node: (node.lineno, isinstance(node.ctx, ast.Store))):
            if isinstance(node.ctx, ast.Store):
                given.add(node.id)
            elif node.id not in given:
                used.add(node.id)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else None
                trains |= (called.id if isinstance(called, ast.Name) else name) in TRAINS
            elif isinstance(node, ast.FunctionDef):
                given.add(node.name)
        dirty = trains or bool(used & tainted)
        tainted = tainted | given if dirty else tainted - given
        found.append(dirty)
    return found
