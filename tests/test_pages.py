"""The built pages as files: well formed, no id twice, no reference and no link into nothing."""

import functools
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
# HTML closes these by itself, and drawings of SVG close theirs in the tag.
MAY_STAY_OPEN = {"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option"}
INTERACTIVE = {"a", "button", "select", "textarea"}
REFERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "aria-owns")


class Page(HTMLParser):
    """What a page defines, what it refers to, and where its tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        # A page's scripts of data are megabytes, and hold no tags.
        self.feed(re.sub(r"(<script[^>]*>).*?(</script>)", r"\1\2", text, flags=re.S))
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self.open if tag not in MAY_STAY_OPEN]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        twice = [name for name, times in Counter(name for name, _ in attrs).items() if times > 1]
        self.faults += [f"<{tag}> has {name} twice" for name in twice]
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        self.references += [(name, word) for name in REFERS for word in found.get(name, "").split()]
        self.links += [found[name] for name in ("href", "src") if name in found and tag != "base"]
        if tag in INTERACTIVE and INTERACTIVE & set(self.open):
            self.faults.append(f"<{tag}> inside <{(INTERACTIVE & set(self.open)).pop()}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        while self.open and self.open[-1] != tag and self.open[-1] in MAY_STAY_OPEN:
            self.open.pop()
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag != "p":
            self.faults.append(f"</{tag}> closes <{self.open[-1] if self.open else 'nothing'}>")


@functools.cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def files() -> list[Path]:
    """All pages, but the templates that the theme leaves among its files."""
    return sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)


each_page = pytest.mark.parametrize(
    "path", files() or [HTML / "index.html"], ids=lambda path: path.relative_to(HTML).as_posix()
)


@pytest.fixture(autouse=True)
def built(request: pytest.FixtureRequest) -> None:
    if "path" in request.fixturenames and not files():
        pytest.fail("_build/html does not exist: run `make book` first")


@each_page
def test_a_page_is_well_formed(path: Path) -> None:
    page = read(path)
    assert page.faults == []
    assert [name for name, times in Counter(page.ids).items() if times > 1] == []
    assert [pair for pair in page.references if pair[1] not in page.ids] == []


def broken(path: Path) -> list[str]:
    """The links of a page that lead to no file, or to no place in one."""
    found = []
    for link in dict.fromkeys(read(path).links):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or link in ("", "#"):
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            found.append(link)
        elif parts.fragment and target.suffix == ".html":
            name = unquote(parts.fragment)
            # A widget's address holds its state; `:~:` is a browser's own.
            if name not in read(target).ids and not re.match(r"live-|:~:", name):
                found.append(link)
    return found


@each_page
def test_every_link_leads_somewhere(path: Path) -> None:
    assert read(path).links or path.name == "404.html"
    if path.name != "404.html":  # a server shows it at any address, so its link is absolute
        assert broken(path) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<div><span></div>", "</div> closes <span>"),
        ("<div>", "<div> is not closed"),
        ('<p class="a" class="b">', "<p> has class twice"),
        ('<a href="x"><button></button></a>', "<button> inside <a>"),
    ],
)
def test_a_fault_is_found(text: str, fault: str) -> None:
    assert fault in Page(text).faults


def test_what_html_leaves_open_is_none() -> None:
    text = (
        '<ul><li>a<li>b</ul><p>c<br><img src="d"><svg><path d="e"/></svg><table><tr><td>f</table>'
    )
    assert Page(text).faults == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="there">A</h1>')
    page = tmp_path / "b.html"
    good = ["a.html", "a.html#there", "#here", "https://elsewhere", "mailto:x"]
    bad = ["c.html", "a.html#nowhere", "#nowhere", "d.png"]
    page.write_text('<p id="here">' + "".join(f'<a href="{x}">.</a>' for x in good + bad))
    assert broken(page) == bad
