"""What one looks things up in: the index of the package, and what a link shows."""

import ast
import shutil
import subprocess
from pathlib import Path

import package
import previews
import pytest

SCRIPT = Path(__file__).parents[1] / "book" / "_page" / "package.js"


def test_the_gist_of_a_docstring_is_its_first_line_without_the_formula():
    text = 'def f():\n    r"""Modes and quality, :math:`x \\le 3`.\n\n    More.\n    """'
    assert package.gist(ast.parse(text).body[0]) == "Modes and quality."


def test_a_line_of_the_index_leads_to_the_page_of_the_module():
    html = package.listing("bounds")
    assert '<a class="reference internal" href="api/bounds.html#gannotes.bounds.bernoulli">' in html
    assert html.count("<li>") == html.count("</li>") > 4


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Slide: f-GAN / MNIST (T03,\nI11).", [3, "T03", "I11"]),
        ("Slide: beyond the deck.", [0]),
        ("Slide: beyond the deck, as E27.", [0]),
    ],
)
def test_what_a_docstring_says_of_its_origin_becomes_links(said, shown):
    lines = ["One line.", "", *said.split("\n"), "", "Args:"]
    package.link_equations(None, "function", "f", None, None, lines)
    text = "\n".join(lines)
    assert "Slide" not in text
    assert [key for key in shown[1:] if f"`{key} <../equations.html#{key.lower()}>`__" in text] == (
        shown[1:]
    )
    assert text.startswith("One line.")
    assert text.endswith("Args:")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("query", "found"),
    [("kl", "true"), ("KL  div", "true"), ("divergences.kl", "true"), ("kl bound", "false")],
)
def test_all_words_must_be_in_a_line(query, found):
    script = SCRIPT.read_text(encoding="utf-8").split("function filterPackage")[0]
    script += f'console.log(String(matches("divergences kl: from p to q", {query!r})))'
    run = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == found


def test_terms_citations_and_equations_are_collected():
    pages = {
        "glossary": '<dl><dt id="term-FID">FID<a href="#term-FID">#</a></dt><dt id="term-F">F</dt>'
        '<dd><p>A <a href="gan.html">distance</a>.</p>\n</dd></dl>',
        "bibliography": '<div class="citation" id="id7" role="doc-biblioentry">\n<span>[A]</span>'
        "\n<p>A paper.</p>\n</div>",
        "gan": '<div class="math notranslate nohighlight" id="equation-e1">\n<span class="eqno">'
        "(1.1)</span>\\[x<y\\]</div>",
    }
    assert previews.collect(pages) == {
        "glossary.html#term-FID": "<p>A distance.</p>\n",
        "glossary.html#term-F": "<p>A distance.</p>\n",
        "bibliography.html#id7": "<p>A paper.</p>",
        "gan.html#equation-e1": '<div class="math">\n\\[x<y\\]</div>',
    }
