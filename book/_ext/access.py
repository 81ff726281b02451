"""Repairs of the page's skeleton, for those who hear it: no empty header, no id twice.

A Markdown table has a header cell above its row names, mostly an empty one; that is no header but a
cell. And sphinx-exercise gives the text of all exercises of a page the same id.
"""

from typing import Any

from docutils import nodes

TWICE = {"exercise-content", "solution-content"}


def drop_ids(app: Any, doctree: nodes.document, page: str) -> None:
    """Take the ids that are on a page more than once, and that nothing points to."""
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if name not in TWICE]


def visit_entry(translator: Any, node: nodes.entry) -> None:
    """A cell of a table; an empty header is a plain one."""
    type(translator).visit_entry(translator, node)
    if translator.body[-1].startswith("<th") and not node.astext().strip():
        translator.body[-1] = "<td" + translator.body[-1].removeprefix("<th")
        translator.context[-1] = "</td>\n"


def depart_entry(translator: Any, node: nodes.entry) -> None:
    type(translator).depart_entry(translator, node)


def setup(app: Any) -> dict[str, bool]:
    """Connect both to Sphinx."""
    app.connect("doctree-resolved", drop_ids, priority=900)
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
