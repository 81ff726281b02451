"""Data-flow diagrams: who feeds whom, who owns what, where a gradient stops.

    ```{flow} Noise goes through G; the critic sees both.
    x    0,0  data    x ~ p
    z    0,1  noise   z ~ p_0
    G    1,1  model   G
    D    2,0.5 critic D
    V    3,0.5 value  V
    x -> D  class 1
    z -> G
    G -> D  class 0: x'
    D -> V
    V .> G  the generator descends
    ```

A node is a name, its column and row, its role, and its text; an edge is two names around `->`, or
`.>` for one that carries no gradient back, or `=>` for a gradient alone, and a label. The title is
what a screen reader says. A name with `_` gets a subscript. Everything is drawn in the theme's
colours.
"""

import hashlib
import re
from html import escape
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROLES = {"data", "model", "critic", "noise", "value"}
WIDE, TALL = 128.0, 66.0  # of a cell of the grid
BOX_W, BOX_H = 66.0, 32.0
NODE = re.compile(r"(\S+)\s+(-?[\d.]+),(-?[\d.]+)\s+(\w+)\s+(.+)")
EDGE = re.compile(r"(\S+)\s+(->|\.>|=>)\s+(\S+)\s*(.*)")
LETTER = re.compile(r"\b([A-Za-zθφλαωε])(?:_([A-Za-z0-9θφωη]+))?\b")


class Node(NamedTuple):
    """A box: its centre, what it is, and what stands in it."""

    x: float
    y: float
    role: str
    text: str


def words(text: str) -> str:
    """Text as SVG: single letters are variables, `p_0` has a subscript."""

    def variable(match: re.Match[str]) -> str:
        letter = f'<tspan font-style="italic">{match[1]}</tspan>'
        if match[2] is None:
            return letter if len(match[0]) == 1 and match[0] != "a" else match[0]
        low = f'<tspan dy="3" font-size="75%">{match[2]}</tspan><tspan dy="-3">&#8203;</tspan>'
        return letter + low

    return LETTER.sub(variable, escape(text, quote=False).replace("'", "′"))


def border(node: Node, dx: float, dy: float) -> tuple[float, float]:
    """Where a ray from the node's centre leaves its box."""
    half_w, half_h = BOX_W / 2 + 2, BOX_H / 2 + 2
    scale = min(half_w / abs(dx) if dx else 1e9, half_h / abs(dy) if dy else 1e9)
    return node.x + dx * scale, node.y + dy * scale


def draw(lines: list[str], title: str) -> str:
    """The whole diagram as one SVG element."""
    boxes: dict[str, Node] = {}
    arrows: list[tuple[str, str, str, str]] = []
    for line in filter(None, map(str.strip, lines)):
        if edge := EDGE.fullmatch(line):
            arrows.append((edge[1], edge[2], edge[3], edge[4]))
        elif (node := NODE.fullmatch(line)) and node[4] in ROLES:
            boxes[node[1]] = Node(float(node[2]) * WIDE, float(node[3]) * TALL, node[4], node[5])
        else:
            raise ValueError(f"flow: expected a node or an edge, got {line!r}")
    unknown = [n for a in arrows for n in (a[0], a[2]) if n not in boxes]
    if unknown:
        raise ValueError(f"flow: expected a node called {unknown[0]!r}")
    body = [arrow(boxes[a], kind, boxes[b], label) for a, kind, b, label in arrows]
    body += [box(node) for node in boxes.values()]
    left = min(n.x for n in boxes.values()) - BOX_W / 2 - 6
    top = min(n.y for n in boxes.values()) - BOX_H / 2 - 14
    width = max(n.x for n in boxes.values()) + BOX_W / 2 + 6 - left
    height = max(n.y for n in boxes.values()) + BOX_H / 2 + 14 - top
    view = f"{left:g} {top:g} {width:g} {height:g}"
    start = f'<svg class="flow" viewBox="{view}" style="max-width: {width * 1.6:g}px" role="img"'
    tip = "flow-" + hashlib.sha256(title.encode()).hexdigest()[:6]  # one page may hold several
    marker = (
        f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>'
    )
    edges = f'<g class="flow-edges" style="--flow-tip: url(#{tip})">'
    return f'{start} aria-label="{escape(title)}">{marker}{edges}{"".join(body)}</g></svg>'


def box(node: Node) -> str:
    rounded = 4 if node.role in {"model", "critic"} else BOX_H / 2
    return (
        f'<g class="flow-{node.role}"><rect x="{node.x - BOX_W / 2:g}" y="{node.y - BOX_H / 2:g}" '
        f'width="{BOX_W:g}" height="{BOX_H:g}" rx="{rounded:g}"/>'
        f'<text x="{node.x:g}" y="{node.y + 5:g}">{words(node.text)}</text></g>'
    )


def arrow(a: Node, kind: str, b: Node, label: str) -> str:
    dx, dy = b.x - a.x, b.y - a.y
    (x1, y1), (x2, y2) = border(a, dx, dy), border(b, -dx, -dy)
    name = {"->": "flow-edge", ".>": "flow-edge flow-stopped", "=>": "flow-edge flow-gradient"}[
        kind
    ]
    bend = 26 if kind == "=>" else 0  # a gradient goes back beside the arrow that it answers
    length = (dx * dx + dy * dy) ** 0.5
    mx = (x1 + x2) / 2 - bend * dy / length
    my = (y1 + y2) / 2 + bend * dx / length
    path = f'<path class="{name}" d="M {x1:.1f} {y1:.1f} Q {mx:.1f} {my:.1f} {x2:.1f} {y2:.1f}"/>'
    if not label:
        return path
    lift = bend / 2 * dx / length if bend else -6 * abs(dx) / length
    side = 6 if abs(dx) < 1 else 0
    anchor = "start" if side else "middle"
    text = f'<text class="flow-label" x="{(x1 + x2) / 2 + side - bend / 2 * dy / length:.1f}" '
    return (
        path + f'{text}y="{(y1 + y2) / 2 + lift:.1f}" text-anchor="{anchor}">{words(label)}</text>'
    )


class Flow(SphinxDirective):
    """The directive; its argument is what the picture says in words."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        try:
            svg = draw(list(self.content), self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from None
        figure = (
            f'<figure class="flow-figure">{svg}<figcaption>{words(self.arguments[0])}</figcaption>'
        )
        return [nodes.raw("", figure + "</figure>", format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("flow", Flow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
