"""What one looks things up in: the index of the package, and what a link shows."""

import ast
import shutil
import subprocess
from pathlib import Path

import browser
import package
import previews
import pytest
from selenium.webdriver import Keys
from test_browser import open_page, wait

SCRIPT = Path(__file__).parents[1] / "book" / "_page" / "package.js"
HTML = browser.ROOT / "_build" / "html"


def test_the_gist_of_a_docstring_is_its_first_line_without_the_formula():
    text = 'def f():\n    r"""Modes and quality, :math:`x \\le 3`.\n\n    More.\n    """'
    assert package.gist(ast.parse(text).body[0]) == "Modes and quality."
    inside = ast.parse('r"""Estimates of :math:`a < b`."""')
    assert package.gist(inside).endswith(r">\(a &lt; b\)</span>.")


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


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if browser.find() is None:
        pytest.skip("needs chromium")
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def page(driver, request):
    path = HTML / f"{request.param}.html"
    if not path.exists():
        pytest.fail(f"{path.name} does not exist: run `make book` first")
    open_page(driver, path)
    return driver


@pytest.mark.parametrize("page", ["api"], indirect=True)
def test_the_index_of_the_package_is_filtered_by_what_is_typed(page):
    field = page.find_element("css selector", ".api-filter input")
    names = ".api-module:not([hidden]) li:not([hidden]) code"
    every = len(page.find_elements("css selector", names))
    field.send_keys("kernel dens")
    left = page.find_elements("css selector", names)
    assert "kernel_density" in [code.text for code in left]
    assert len(left) < every / 20
    told = page.find_element("css selector", ".api-filter output").text
    assert told == f"{len(left)} name{'s' * (len(left) != 1)}"
    field.send_keys("zzz")
    assert not page.find_elements("css selector", ".api-module:not([hidden])")
    field.clear()
    field.send_keys("k", Keys.BACKSPACE)
    assert len(page.find_elements("css selector", names)) == every


@pytest.mark.parametrize("page", ["evaluation"], indirect=True)
@pytest.mark.parametrize("kind", ["glossary.html#term-", "bibliography.html#", "#equation-"])
def test_a_link_shows_what_it_stands_for_under_the_keyboard(page, kind):
    link = page.find_element("css selector", f'.bd-article a.reference[href*="{kind}"]')
    page.execute_script("arguments[0].focus({focusVisible: true})", link)
    box = wait(page).until(lambda d: d.find_elements("css selector", ".preview"))[0]
    assert len(box.get_property("textContent")) > 20
    assert link.get_attribute("aria-describedby") == box.get_attribute("id")
    assert link.get_attribute("title") in (None, "")
    link.send_keys(Keys.ESCAPE)
    assert not page.find_elements("css selector", ".preview")
