"""The index of equations: what the deck says, which function computes it, and which test checks it.

`equations.yml` lists the ids. Everything else is read where it stands: functions from the line
`Slide:` of their docstrings, tests from the ids in theirs, sections from the labels of the
chapters. So the page cannot fall behind the code, and nothing has to be kept twice.
"""

import ast
import functools
import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils.nodes import Node, make_id
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parents[1]
ROOT = BOOK.parent
ID = r"(?:E[0-7]\d|A0[1-8]|T0[1-4]|F(?:0\d|1[01])|I[0-2]\d)"
IDS = re.compile(rf"\b({ID})(?:(?: to |-)({ID}))?\b")
IMPLIED = "I"  # what the slides do not write: the only ids that may lie "beyond the deck"


def ids(text: str) -> list[str]:
    """The ids in a text, with ranges such as "E55 to E58" filled in."""
    found: list[str] = []
    for first, last in IDS.findall(text):
        numbers = range(int(first[1:]), int((last or first)[1:]) + 1)
        found += [f"{first[0]}{number:02d}" for number in numbers]
    return list(dict.fromkeys(found))


@functools.cache
def inventory() -> list[dict[str, Any]]:
    """The groups of `equations.yml`: a title, the chapter's page, and the equations by id."""
    return yaml.safe_load((BOOK / "equations.yml").read_text(encoding="utf-8"))


@functools.cache
def pages() -> list[str]:
    """The pages of the table of contents, in their order."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    return [entry["file"] for part in toc["parts"] for entry in part["chapters"]]


# Functions, from the package's docstrings.


def public() -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Each public function, class and method, under the name that the reference gives it.

    A module of a package is public as far as the package exports it, unless it exports nothing; a
    recipe is named where it stands.
    """
    for path in sorted((ROOT / "gannotes").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        named_here = path.parent.name == "recipes"
        exported = set() if named_here else _exports(path.with_name("__init__.py"))
        for node in _documented(_parse(path)):
            if exported and path.name != "__init__.py":
                if node.name not in exported:
                    continue
                name = f"{module.rpartition('.')[0]}.{node.name}"
            else:
                name = f"{module}.{node.name}"
            yield name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{name}.{method.name}", method) for method in _documented(node))


@functools.cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _exports(package: Path) -> set[str]:
    imports = [node for node in _parse(package).body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names if _own(node)}


def _own(node: ast.ImportFrom) -> bool:
    return bool(node.level) or (node.module or "").startswith("gannotes")


def _documented(node: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n for n in node.body if isinstance(n, kinds) and not n.name.startswith("_")]


def slide(node: ast.FunctionDef | ast.ClassDef) -> str:
    """What a docstring says behind `Slide:`, up to the end of the paragraph."""
    found = re.search(r"Slide: (.*?)(?:\n\n|\Z)", ast.get_docstring(node) or "", flags=re.S)
    return " ".join(found[1].split()) if found else ""


def claimed(line: str) -> list[str]:
    """The ids that a line `Slide:` claims; what is beyond the deck can only be an implied one."""
    deck, _, beyond = line.partition("beyond the deck")
    return [*ids(deck), *(key for key in ids(beyond) if key[0] == IMPLIED)]


@functools.cache
def modules() -> list[str]:
    """The modules that have a page of the reference; the longest name first."""
    return sorted((path.stem for path in (BOOK / "api").glob("*.md")), key=len, reverse=True)


def module(name: str) -> str:
    """The module on whose page a public name stands; empty if there is none."""
    return next((m for m in modules() if name.startswith(f"gannotes.{m}.")), "")


def home(name: str) -> str:
    """The address of a public name in the reference."""
    return f"api/{module(name)}.html#{name}"


@functools.cache
def functions() -> dict[str, list[str]]:
    """id -> names of the functions that compute it; the long runs come last."""
    found: dict[str, list[str]] = {}
    for name, node in sorted(public(), key=lambda entry: ".recipes." in entry[0]):
        for key in claimed(slide(node)):
            found.setdefault(key, []).append(name)
    return found


# Tests, from the ids in their docstrings.


@functools.cache
def tests() -> dict[str, list[tuple[str, str]]]:
    """id -> (file without its ending, function) of the tests that name it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in _documented(_parse(path)):
            if node.name.startswith("test_"):
                for key in ids(ast.get_docstring(node) or ""):
                    found.setdefault(key, []).append((path.stem, node.name))
    return found


# Sections, from the labels of the chapters: $$ ... $$ (E16).


@functools.cache
def sections() -> dict[str, tuple[str, str]]:
    """Label, or page/heading -> (heading, address); the id of a mention comes last."""
    found: dict[str, tuple[str, str]] = {}
    mentions: dict[str, tuple[str, str]] = {}
    for page in pages():
        heading = page
        for line in _text(page).splitlines():
            if title := re.match(r"#+ (.*)", line):
                heading = title[1]
                address = f"{page}.html#{make_id(heading)}"
                found[f"{page}/{heading}"] = (heading, address)
            elif label := re.match(r"\$\$ \(([\w-]+)\)$", line):
                found[label[1]] = (heading, f"{page}.html#equation-{make_id(label[1])}")
            for key in ids(line):
                mentions.setdefault(f"{page} {key}", (heading, address))
    return mentions | found


def _text(page: str) -> str:
    if not (BOOK / f"{page}.ipynb").exists():
        return ""  # a page without code derives nothing
    cells = json.loads((BOOK / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def place(key: str, entry: dict[str, Any], page: str) -> tuple[str, str] | None:
    """(heading, address) of the derivation, or None while the chapter is in preparation."""
    if "at" in entry:
        return sections()[entry["at"]] if page in pages() else None
    return sections().get(key) or sections().get(f"{page} {key}")


# The page.


def rows() -> Iterator[str]:
    """The page's MyST text: a heading and a table for each group."""
    code, checks, known = functions(), tests(), pages()
    for group in inventory():
        yield f"## {group['title']}\n"
        if group["page"] not in known:
            yield "The chapter is in preparation.\n"
        yield "```{table}\n:class: equation-index\n"
        yield "| id | statement, place in the talk | derivation, functions, tests |\n|---|---|---|"
        for key, entry in group["equations"].items():
            errata = [_link(x, f"errata.html#{x.lower()}") for x in entry.get("errata", [])]
            where = place(key, entry, group["page"])
            lines = [_link(*where)] if where else []
            lines += map(_reference, code.get(key, []))
            lines += [entry["without"]] if "without" in entry else []
            source = f"<small>{entry['slide']}{', with ' * bool(errata)}{', '.join(errata)}</small>"
            says = entry["says"][0].upper() + entry["says"][1:]
            third = "<br>".join(lines) + _folded(checks.get(key, []))
            yield f'| <span id="{key.lower()}">{key}</span> | {says}<br>{source} | {third} |'
        yield "```\n"


def _link(text: str, address: str) -> str:
    return f'<a class="reference internal" href="{address}">{escape(text)}</a>'


def _reference(name: str) -> str:
    code = f"<code>{name.removeprefix('gannotes.')}</code>"
    return f'<a class="reference internal" href="{home(name)}">{code}</a>'


def _folded(checks: list[tuple[str, str]]) -> str:
    if not checks:
        return ""
    lines = [
        _link(test.removeprefix("test_").replace("_", " "), f"_tests/{file}.html#{test}")
        for file, test in checks
    ]
    count = f"{len(checks)} test{'s' * (len(checks) > 1)}"
    return f"<details><summary>{count}</summary>{'<br>'.join(lines)}</details>"


class Index(SphinxDirective):
    """`{equation-index}`: the tables of `rows`."""

    def run(self) -> list[Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes("\n".join(rows()), allow_section_headings=True)


# The tests' source, a page for each file that the index links to.


def test_pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    for file in sorted({file for checks in tests().values() for file, _ in checks}):
        path = ROOT / "tests" / f"{file}.py"
        lines = app.builder.highlighter.highlight_block(path.read_text("utf-8"), "python")
        start = lines.index("<pre>") + len("<pre>")
        source = lines[start:].split("\n")
        for node in _documented(_parse(path)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            source[first] = f'<span id="{node.name}"></span>{source[first]}'
        body = f"<h1>{path.name}</h1>{lines[:start]}" + "\n".join(source)
        yield f"_tests/{file}", {"title": path.name, "body": body}, "page.html"


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("equation-index", Index)
    app.connect("html-collect-pages", test_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
