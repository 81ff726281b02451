"""The index of equations and the errata are complete, and every link on them leads somewhere."""

import ast
import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build/html"
spec = importlib.util.spec_from_file_location("equations", ROOT / "book/_ext/equations.py")
assert spec is not None
assert spec.loader is not None
equations = importlib.util.module_from_spec(spec)
spec.loader.exec_module(equations)

COUNTS = {"E": 79, "A": 8, "T": 4, "F": 11, "I": 22}  # what the deck has, and what it implies
ENTRIES = [
    (key, entry, group["page"])
    for group in equations.inventory()
    for key, entry in group["equations"].items()
]
each_entry = pytest.mark.parametrize(
    ("key", "entry", "page"), ENTRIES, ids=[key for key, _, _ in ENTRIES]
)


def test_ranges_of_ids_are_filled_in():
    text = "Slide: a (E55 to E58), b (E44-E46; A01), with the errata X16; I02."
    assert equations.ids(text) == ["E55", "E56", "E57", "E58", "E44", "E45", "E46", "A01", "I02"]


def test_what_is_beyond_the_deck_claims_no_equation_of_it():
    assert equations.claimed("ALI (E67); beyond the deck, as E27 (I17)") == ["E67", "I17"]


def test_every_id_is_listed_once():
    expected = [f"{kind}{n:02d}" for kind, count in COUNTS.items() for n in range(1, count + 1)]
    assert sorted(key for key, _, _ in ENTRIES) == sorted(expected)


@each_entry
def test_every_id_has_a_function_or_a_reason(key, entry, page):
    """A chapter in preparation is a reason, for as long as it is in preparation."""
    assert not entry.keys() - {"slide", "says", "errata", "at", "without"}
    assert "|" not in entry["says"], "would end the cell of the table"
    functions = equations.functions().get(key, [])
    if "without" in entry:
        assert not functions, f"{functions} make the reason superfluous"
    elif page in equations.pages():
        assert functions, "no function and no reason"


@each_entry
def test_every_equation_with_a_function_has_a_test_and_a_derivation(key, entry, page):
    if page not in equations.pages():
        pytest.skip("the chapter is in preparation")
    assert equations.place(key, entry, page)
    if key in equations.functions() and not key.startswith("F"):  # a figure is looked at
        assert equations.tests().get(key), "no test names it"


def test_no_id_is_claimed_that_is_not_listed():
    listed = {key for key, _, _ in ENTRIES}
    assert equations.functions().keys() <= listed
    assert equations.tests().keys() <= listed


def test_every_function_of_the_mathematics_names_an_id_or_is_beyond_the_deck():
    """A method speaks for itself or is covered by its class; a record is explained by its maker."""
    mathematics = {"divergences", "bounds", "samples", "models"}
    classes = {name for name, node in equations.public() if isinstance(node, ast.ClassDef)}
    for name, node in equations.public():
        line = equations.slide(node)
        is_record = isinstance(node, ast.ClassDef) and "NamedTuple" in map(ast.unparse, node.bases)
        if not line and (is_record or name.rpartition(".")[0] in classes):
            continue
        if not line and not mathematics & set(name.split(".")):
            continue
        assert equations.claimed(line) or "beyond the deck" in line, f"{name}: {line!r}"


# The errata.


@cache
def errata() -> list[dict]:
    return json.loads((ROOT / "book/errata.ipynb").read_text())["cells"]


def text(cell: dict) -> str:
    return "".join(cell["source"])


def test_every_erratum_has_one_place_on_the_page():
    words = "\n".join(text(cell) for cell in errata() if cell["cell_type"] == "markdown")
    anchors = re.findall(r"^\((x\d\d)\)=$|\{#(x\d\d)\}", words, flags=re.M)
    assert [a or b for a, b in anchors] == [f"x{n:02d}" for n in range(1, 48)]


def test_every_wrong_formula_is_computed():
    """The cell below it asserts at least twice: the printed form fails, the corrected one holds."""
    for number in range(1, 21):
        at = next(k for k, c in enumerate(errata()) if f"(x{number:02d})=" in text(c))
        words, code = text(errata()[at]), text(errata()[at + 1])
        assert re.search(r"\*\*Printed\*\*.*?\*\*Correct\*\*", words, flags=re.S)
        assert errata()[at + 1]["cell_type"] == "code"
        assert code.count("assert ") >= 2


def test_the_index_and_the_chapters_know_the_same_errata():
    """Each is at some equation of the index, but for the one in the title of the deck."""
    named = {x for _, entry, _ in ENTRIES for x in entry.get("errata", [])}
    assert named == {f"X{n:02d}" for n in range(1, 48)} - {"X46"}


# The built pages.


def _ids(page: Path) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["equations", "errata", "glossary"])
def test_no_link_of_the_page_is_dead(name):
    page = HTML / f"{name}.html"
    if not page.exists():
        pytest.fail(f"{page.relative_to(ROOT)} does not exist: run `make book` first")
    body = page.read_text(encoding="utf-8").split("<article", 1)[1].split("</article>")[0]
    links = [link for link in re.findall(r'href="([^"]+)"', body) if "://" not in link]
    assert len(links) > 50
    found: dict[Path, set[str]] = {}
    for link in links:
        file, _, fragment = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), link
        if fragment:
            anchors = found.setdefault(target, _ids(target))
            assert fragment in anchors, link
