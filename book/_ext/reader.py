"""What a reader sees of a chapter, which is less than what a learner runs.

A chapter is a complete notebook. Its page folds every code cell but those tagged `essential`, and
what a folded cell printed, unless it is tagged `printed`; a switch in the header ("Code: essential
/ all", `reader.js`) opens them. An admonition about a misprint of the slides becomes a mark in the
margin that leads to the page of errata, a section called "In the package" becomes a fold, and the
full stop behind a formula stays with it.
"""

import json
import re
from html import escape
from typing import Any

from docutils import nodes

ERRATUM = re.compile(r"Errat(?:um|a) (X\d\d[^:]*):\s*(.*)", re.DOTALL)
NUMBER = re.compile(r"X\d\d")
PUNCTUATION = re.compile(r"[.,;:?!)]+")
PACKAGE = "In the package"
VISIBLE = "essential"
PRINTED = "printed"


def fold(notebook: dict[str, Any]) -> None:
    """Tag each code cell with what myst-nb shall fold; a solution is a fold of its own."""
    solution = False
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if "{solution-start}" in source or "{solution-end}" in source:
                solution = source.rfind("{solution-start}") > source.rfind("{solution-end}")
        elif not solution:
            tags = [tag for tag in cell["metadata"].get("tags", []) if tag != "hide-input"]
            cell["metadata"]["tags"] = tags + folded(tags, cell["outputs"])


def folded(tags: list[str], outputs: list[dict[str, Any]]) -> list[str]:
    """The tags that fold a cell: all of it if it shows nothing but text, else its code."""
    if VISIBLE in tags or any(tag.startswith(("hide-", "remove-")) for tag in tags):
        return []
    text = bool(outputs) and all(output["output_type"] == "stream" for output in outputs)
    return ["hide-cell"] if text and PRINTED not in tags else ["hide-input"]


def _fold_code(app: Any, page: str, source: list[str]) -> None:
    if str(app.env.doc2path(page)).endswith(".ipynb"):
        notebook = json.loads(source[0])
        fold(notebook)
        source[0] = json.dumps(notebook)


def mark(title: str) -> nodes.raw:
    """The mark in the margin for an admonition of this title."""
    match = ERRATUM.match(title)
    assert match is not None
    numbers = NUMBER.findall(match[1])
    links = ", ".join(f'<a href="errata.html#{n.lower()}">{n}</a>' for n in numbers)
    html = (
        f'<details class="misprint"><summary>{escape(", ".join(numbers))}</summary>'
        f"<p>A misprint on the slides: {escape(match[2])} ({links}).</p></details>"
    )
    return nodes.raw("", html, format="html")


def _is_erratum(node: nodes.Node) -> bool:
    title = node[0].astext() if isinstance(node, nodes.admonition) and len(node) else ""
    return bool(ERRATUM.match(title))


def _mark_errata(app: Any, doctree: nodes.document) -> None:
    for box in list(doctree.findall(_is_erratum)):
        box.replace_self(mark(box[0].astext()))


def tie(formula: nodes.math) -> None:
    """Put what follows a formula without a space on its line: a line begins with no full stop."""
    place = formula.parent.index(formula) + 1
    text = formula.parent[place] if place < len(formula.parent) else None
    found = PUNCTUATION.match(str(text)) if isinstance(text, nodes.Text) else None
    if found is not None:
        parent, rest = formula.parent, nodes.Text(str(text)[found.end() :])
        tied = nodes.inline("", "", formula, nodes.Text(found[0]), classes=["tied"])
        parent[place - 1 : place + 1] = [tied, rest]


def _tie_formulas(app: Any, doctree: nodes.document) -> None:
    for formula in list(doctree.findall(nodes.math)):
        tie(formula)


def _fold_package(app: Any, doctree: nodes.document, page: str) -> None:
    for section in doctree.findall(nodes.section):
        if isinstance(section[0], nodes.title) and section[0].astext() == PACKAGE:
            summary = f'<details class="package"><summary>{PACKAGE}</summary>'
            section[0].replace_self(nodes.raw("", summary, format="html"))
            section.append(nodes.raw("", "</details>", format="html"))


def setup(app: Any) -> dict[str, bool]:
    """Connect them to Sphinx."""
    app.connect("source-read", _fold_code)
    app.connect("doctree-read", _mark_errata)
    app.connect("doctree-read", _tie_formulas)
    app.connect("doctree-resolved", _fold_package)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
