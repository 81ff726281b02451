"""What chapters claim is checked by something: asserts that can fail, errata, numbers in prose."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

BOOK = Path(__file__).resolve().parents[1] / "book"
PAGES = sorted(path.stem for path in BOOK.glob("*.ipynb"))
CHAPTERS = [page for page in PAGES if page != "errata"]
WORDS = tomllib.loads((BOOK.parent / "tests" / "prose.toml").read_text(encoding="utf-8"))
ELSEWHERE = {"X28": "notation", "X41": "notation", "X43": "spelling", "X44": "no misprint"}
each_page = pytest.mark.parametrize("page", PAGES)


@cache
def cells(page: str, kind: str) -> list[Any]:
    notebook = nbformat.read(BOOK / f"{page}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


# Asserts.


def cannot_fail(source: str) -> list[str]:
    """The asserts of a cell that hold whatever was computed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            names = any(isinstance(part, ast.Name) for part in ast.walk(node.test))
            always = isinstance(node.test, ast.Tuple) or any(
                isinstance(part, ast.Constant) and part.value is True
                for bool_op in ast.walk(node.test)
                if isinstance(bool_op, ast.BoolOp)
                for part in bool_op.values
            )
            same = isinstance(node.test, ast.Compare) and all(
                ast.dump(side) == ast.dump(node.test.left) for side in node.test.comparators
            )
            if not names or always or same:
                found.append(ast.unparse(node))
    return found


@each_page
def test_every_assert_of_a_page_can_fail(page):
    assert not [text for cell in cells(page, "code") for text in cannot_fail(cell.source)]


@pytest.mark.parametrize("test", ["True", "1 == 1", "x == x", "x < 2 or True", "(x < 2, 'why')"])
def test_an_assert_that_holds_whatever_happens_is_noticed(test):
    assert cannot_fail(f"assert {test}")
    assert not cannot_fail("assert x < 2, 'why'\nassert all(y > 0 for y in x)")


# Errata.


def misprints(page: str) -> set[str]:
    """The errata that have a box on a page."""
    text = "\n".join(cell.source for cell in cells(page, "markdown"))
    titles = re.findall(r"^[:`]{3,}\{admonition\}\s*(Errat[^\n]*)", text, flags=re.M)
    return {number for title in titles for number in re.findall(r"X\d\d", title)}


def test_every_erratum_has_its_box_in_a_chapter():
    """One that a box lost, or that went with its chapter, is missing here."""
    found = {number for page in CHAPTERS for number in misprints(page)}
    assert found == {f"X{n:02d}" for n in range(1, 48)} - ELSEWHERE.keys()


def test_an_erratum_without_a_box_leads_to_where_it_is_told():
    """The errata page names a chapter for each of the first twenty, and that one has its box."""
    text = "\n".join(cell.source for cell in cells("errata", "markdown"))
    for number in range(1, 21):
        _, _, after = text.partition(f"(x{number:02d})=")
        after = after.partition("\n(x")[0]
        told = {name for a, b in DOC.findall(after) if (name := a or b) in CHAPTERS}
        assert told, f"X{number:02d}: no chapter"
        assert any(f"X{number:02d}" in misprints(page) for page in told), f"X{number:02d}: {told}"


DOC = re.compile(r"\{doc\}`(?:[^`<]*<(\w+)>|(\w+))`")


# Numbers in prose.

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+"
SAID = re.compile(rf"(?<![\w.,/#^])({NUMBER})(\s*(?:%|per cent\b|\\%))?")
NOT_PROSE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?:ask|compute|flow|code-block|bibliography).*?^(?P=fence)\s*$"
    r"|\{[\w:-]+\}`[^`]*`"  # a role
    r"|\]\([^)]*\)|https?://\S+"  # a link
    r"|`[^`]*`",  # code
    flags=re.M | re.S,
)


def claims(text: str) -> list[tuple[str, float, float, str]]:
    """Numbers that somebody must have measured: with decimals, a percent sign or a spread.

    Each with its value, half a unit of its last digit, and the words around it.
    """
    text = NOT_PROSE.sub(" ", text)
    found = []
    for match in SAID.finditer(text):
        digits = match[1].replace(",", "")
        percent = match[2] is not None
        before, after = text[: match.start()].rstrip(" $"), text[match.end() :].lstrip(" $")
        spread = after.startswith(("±", "\\pm", "+-")) or before.endswith(("±", "\\pm", "+-"))
        if "." in digits or percent or spread:
            unit = 10.0 ** -len(digits.partition(".")[2])
            around = " ".join(text[max(0, match.start() - 40) : match.end() + 20].split())
            found.append((match[0].strip(), float(digits), unit, around))
    return found


@cache
def made(page: str) -> list[float]:
    """All numbers in a page's code and in what it printed, tabulated or drawn."""
    texts = []
    for cell in cells(page, "code"):
        texts.append(cell.source)
        for output in cell.outputs:
            texts.append(output.get("text", ""))
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    texts.append(value)
                elif kind == "image/svg+xml":
                    texts += re.findall(r">([^<>]+)<", value)
    words = re.findall(rf"{NUMBER}(?:e[-+]?\d+)?", "\n".join(texts).replace("−", "-"))
    return sorted({float(word.replace(",", "")) for word in words})


def unfounded(page: str, text: str) -> list[str]:
    """The claims of a text that no cell of the page has made, to the digits that are given."""
    return [
        f"{word}: ... {around} ..."
        for word, value, unit, around in claims(text)
        if not any(
            abs(scale * number - value) <= 0.501 * unit
            for number in made(page)
            for scale in ((1, 100) if word[-1] in "%t" else (1,))
        )
    ]


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_number_in_prose_is_made_on_the_page_or_has_its_reason(page):
    """A definition, an arithmetic of the sentence, or a paper's number: `tests/prose.toml`."""
    reasons = WORDS.get(page, {})
    missing = [claim for cell in cells(page, "markdown") for claim in unfounded(page, cell.source)]
    used = {word for word in reasons for claim in missing if claim.startswith(f"{word}: ")}
    without = [claim for claim in missing if claim.partition(": ")[0] not in reasons]
    assert not without, "no cell makes it, and tests/prose.toml has no reason:\n" + "\n".join(
        without
    )
    assert used == set(reasons), f"not needed any more: {set(reasons) - used}"
    assert all(len(reason) > 8 for reason in reasons.values())


def test_a_number_that_no_cell_makes_is_noticed():
    """The sabotage of an audit: 225 ± 2 became 235 in the prose."""
    page = "fgan_mnist"
    number = next(x for x in made(page) if x == round(x, 1) and 100 < x < 400)
    assert not unfounded(page, f"It reaches {number:.1f} nats.")
    assert unfounded(page, "It reaches 2357.1 nats.")
    assert unfounded(page, "It reaches $2357 \\pm 2$ nats.")
    assert unfounded(page, "It keeps 97.31 % of them.")
    assert not claims("In section 3, of 10,000 digits, `0.123` and {doc}`x 0.5`.")
