"""The reference of the package: an index that can be filtered, above a page for each module.

    ```{package-filter}
    ```

    ```{package-index} divergences fits
    ```

The index is read from the source: each public name, with the first line of its docstring. And what
a docstring says behind `Slide:` becomes links to the index of equations, or nothing where it says
that the function goes beyond the deck.
"""

import ast
import re
from html import escape
from typing import Any

import equations
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

APART = re.compile(r"[,:]\s*:math:`[^`]*`")
WITHIN = re.compile(r":math:`([^`]*)`")


def gist(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """The first line of a docstring as HTML, without a formula that only repeats it."""
    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    text = escape(APART.sub("", text).rstrip(":"), quote=False)
    formula = r'<span class="math notranslate nohighlight">\\(\1\\)</span>'
    return WITHIN.sub(formula, text).replace("`", "")


def entry(module: str, name: str, node: ast.FunctionDef | ast.ClassDef) -> str:
    """A line of the index: a name that leads to its place, and what it is."""
    short = name.removeprefix(f"gannotes.{module}.")
    link = f'<a class="reference internal" href="{equations.home(name)}">'
    return f"<li>{link}<code>{short}</code></a> {gist(node)}</li>"


def listing(module: str) -> str:
    """A module of the index, with its names in a fold."""
    path = equations.ROOT / "gannotes" / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [(name, node) for name, node in equations.public() if equations.module(name) == module]
    lines = "".join(entry(module, name, node) for name, node in names)
    count = f"{len(names)} name{'s' * (len(names) != 1)}"
    inner = f"<details><summary>{count}</summary><ul>{lines}</ul></details>" if names else ""
    link = f'<a class="reference internal" href="api/{module}.html"><code>{module}</code></a>'
    return f'<div class="api-module"><p>{link} {gist(tree)}</p>{inner}</div>'


class Index(SphinxDirective):
    """`{package-index}`: the modules that its arguments name."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        text = "".join(map(listing, self.arguments[0].split()))
        return [nodes.raw("", text, format="html")]


class Filter(SphinxDirective):
    """`{package-filter}`: the field that `package.js` reads."""

    def run(self) -> list[nodes.Node]:
        field = (
            '<form class="api-filter" role="search"><input type="search" placeholder="kl, bound, '
            'digits" aria-label="Filter the names of the package"><output></output></form>'
        )
        return [nodes.raw("", field, format="html")]


def link_equations(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Turn the paragraph `Slide:` into links, or drop it."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Slide:")), None)
    if start is None:
        return
    stop = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    found = equations.claimed(" ".join(lines[start:stop]))
    up = "../equations.html"
    links = ", ".join(f"`{key} <{up}#{key.lower()}>`__" for key in found)
    lines[start:stop] = [f"Index of equations: {links}."] if links else []


def setup(app: Any) -> dict[str, bool]:
    """Register the directives and the rule for docstrings."""
    app.add_directive("package-index", Index)
    app.add_directive("package-filter", Filter)
    app.connect("autodoc-process-docstring", link_equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
