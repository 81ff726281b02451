"""The built book as one PDF: Chromium prints every page, and the pages are joined.

    python book/pdf.py [NAME...]    # some pages of _toc.yml; none: all of them, in its order

It reads `_build/html` and writes `_build/html/gannotes.pdf`: a first page, a table of contents, the
pages of the book, with numbers, bookmarks, and links that lead within the document.
"""

import base64
import io
import re
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import yaml
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject, NullObject, NumberObject
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
PDF = HTML / "gannotes.pdf"
sys.path.append(str(ROOT / "tests"))
sys.path.append(str(ROOT / "requirements"))
from browser import chromium  # noqa: E402
from home import home  # noqa: E402

from gannotes import __version__  # noqa: E402

# Everything is drawn: fonts, formulas, and widgets, which draw when they come into sight.
TITLES = """
return [...document.querySelectorAll("article > section > h1, article > section > section > h2")]
  .map((heading) => [...heading.childNodes].map((node) => node.textContent).join("")
    .replace(/#$/, "").replace(/\\s+/g, " ").trim());
"""
READY = """
const done = arguments[0];
(async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  const { scrollHeight } = document.documentElement;
  for (let y = 0; y < scrollHeight; y += 600) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
})().then(() => done());
"""
WIDGETS = """
return !document.querySelector('script[type$="widget-view+json"]')
  || document.documentElement.dataset.widgets === "ready";
"""
FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
@page {{ size: A4; margin: 20mm 18mm; }}
body {{ font: 11pt/1.5 sans-serif; margin: 0; }}
h1 {{ font-size: 26pt; margin-top: 60mm; }}
h2 {{ break-before: page; }}
ol {{ list-style: none; padding: 0; columns: 1; }}
li {{ display: flex; gap: 1em; }}
li span {{ flex: 1; }}
.part {{ padding-left: 2em; font-size: 9.5pt; }}
@page empty {{ margin: 0; }}
.number {{ page: empty; height: 296mm; break-after: page; position: relative; }}
.number b {{ position: absolute; bottom: 8mm; width: 100%; text-align: center; font-size: 9pt; }}
</style>{body}</html>"""


WIDTH = 680  # of the text on A4 with print.css, in the screen's points


class Printed(NamedTuple):
    """A page of the book on paper: its headings are (level, text, sheet), counted from 0."""

    name: str
    reader: PdfReader
    headings: list[tuple[int, str, int]]


def order() -> list[str]:
    """The pages of _toc.yml."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    return [toc["root"]] + [entry["file"] for part in toc["parts"] for entry in part["chapters"]]


def on_paper(driver: Chrome, page: Path, scale: float = 1) -> PdfReader:
    """A file as Chromium prints it, laid out on the screen at the width that it has on paper."""
    driver.set_window_size(round(WIDTH / scale), 1200)
    driver.get(page.as_uri())
    WebDriverWait(driver, 300, poll_frequency=0.2).until(lambda d: d.execute_script(WIDGETS))
    if article := driver.execute_script("return document.querySelector('article')?.clientWidth"):
        driver.set_window_size(round(2 * WIDTH / scale) - article, 1200)
    driver.execute_async_script(READY)
    paper = {
        "preferCSSPageSize": True,
        "printBackground": True,
        "scale": scale,
        "generateDocumentOutline": True,
        "generateTaggedPDF": True,
    }
    data = driver.execute_cdp_cmd("Page.printToPDF", paper)["data"]
    return PdfReader(io.BytesIO(base64.b64decode(data)))


def headings(reader: PdfReader, titles: list[str]) -> list[tuple[int, str, int]]:
    """The headings that Chromium found, to the second level, by their `titles` in the page.

    A bookmark of Chromium's has no space where a heading has a line's end.
    """
    spelt = {re.sub(r"\s", "", title): title for title in titles}
    found: list[tuple[int, str, int]] = []

    def walk(items: list[Any], level: int) -> None:
        for item in items:
            if isinstance(item, list):
                walk(item, level + 1)
            elif title := spelt.get(re.sub(r"\s", "", str(item.title)).removesuffix("#")):
                sheet = reader.get_destination_page_number(item)
                found.append((min(level, 1), title, sheet or 0))

    walk(reader.outline, 0)
    return found


def contents(parts: list[Printed], before: int) -> str:
    """The first page, and every heading with its number in the document."""
    rows, sheet = [], before
    for part in parts:
        for level, text, at in part.headings:
            kind = ' class="part"' if level else ""
            rows.append(f"<li{kind}><span>{escape(text)}</span>{sheet + at + 1}</li>")
        sheet += len(part.reader.pages)
    where = home()
    link = f'<p><a href="{where.pages}">{where.pages}</a></p>' if where else ""
    title = escape(yaml.safe_load((ROOT / "_config.yml").read_text())["title"])
    return FRAME.format(
        title=title,
        body=f"<h1>{title}</h1><p>gannotes {__version__}</p>{link}"
        "<p>The same text with code that runs and pictures that move is the built book.</p>"
        f"<h2>Contents</h2><ol>{''.join(rows)}</ol>",
    )


def numbers(count: int) -> str:
    """As many empty pages, each with its number."""
    body = "".join(f'<div class="number"><b>{n}</b></div>' for n in range(1, count + 1))
    return FRAME.format(title="Numbers", body=body)


def target(part: Printed, link: Any, starts: dict[str, int]) -> tuple[int, float | None] | None:
    """Where in the joined document a link leads: sheet and height; None: nowhere in it."""
    if "/Dest" in link:
        found = part.reader.named_destinations.get(str(link["/Dest"]))
        if found is None:
            return None
        sheet = part.reader.get_destination_page_number(found) or 0
        return starts[part.name] + sheet, float(found.top or 0)
    page = Path(unquote(urlsplit(link["/A"]["/URI"]).path)).stem
    return (starts[page], None) if page in starts else None


def join(front: PdfReader, parts: list[Printed]) -> PdfWriter:
    """One document, with bookmarks and links."""
    writer = PdfWriter()
    writer.append(front, import_outline=False)
    starts = {}
    for part in parts:
        starts[part.name] = len(writer.pages)
        for page in part.reader.pages:
            writer.add_page(page)
        above = None
        for level, text, sheet in part.headings:
            item = writer.add_outline_item(
                title=text, page_number=starts[part.name] + sheet, parent=above if level else None
            )
            above = item if not level else above
    for part in parts:
        for sheet in range(starts[part.name], starts[part.name] + len(part.reader.pages)):
            relink(writer, sheet, part, starts)
    return writer


def relink(writer: PdfWriter, sheet: int, part: Printed, starts: dict[str, int]) -> None:
    """Links to files become links within the document, or go: they name folders of this machine."""
    page = writer.pages[sheet]
    kept = ArrayObject()
    for reference in page.get("/Annots", []):
        link = reference.get_object()
        uri = str(link.get("/A", {}).get("/URI", ""))
        if "/Dest" in link or uri.startswith("file:"):
            where = target(part, link, starts)
            if where is None:
                continue
            height = NullObject() if where[1] is None else NumberObject(int(where[1]))
            at = [writer.pages[where[0]].indirect_reference, NameObject("/XYZ")]
            link.pop("/A", None)
            link[NameObject("/Dest")] = ArrayObject([*at, NullObject(), height, NullObject()])
        kept.append(reference)
    page[NameObject("/Annots")] = kept


def offer(page: Path) -> None:
    """A link to the document at the end of the book's first page."""
    text = page.read_text(encoding="utf-8")
    link = f'<p id="pdf">The whole book is also <a href="{PDF.name}">one PDF</a>.</p>'
    if link not in text:
        page.write_text(text.replace("</article>", f"{link}</article>", 1), encoding="utf-8")


def make(names: list[str], out: Path) -> int:
    """Print, join and number; the number of pages."""
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder, "profile")) as driver:
        driver.set_script_timeout(300)
        parts = []
        for name in names:
            reader = on_paper(driver, HTML / f"{name}.html", 0.85)
            titles = driver.execute_script(TITLES)
            parts.append(Printed(name, reader, headings(reader, titles)))
            print(f"{name}: {len(reader.pages)} pages", flush=True)
        file = Path(folder, "page.html")
        before = 0
        for _ in range(2):  # the second time with the right numbers
            file.write_text(contents(parts, before), encoding="utf-8")
            front = on_paper(driver, file)
            before = len(front.pages)
        writer = join(front, parts)
        file.write_text(numbers(len(writer.pages)), encoding="utf-8")
        stamps = on_paper(driver, file)
    for page, stamp in zip(writer.pages, stamps.pages, strict=False):
        page.merge_page(stamp)
    writer.compress_identical_objects()
    writer.add_metadata({"/Title": "Adversarial models, exactly", "/Producer": "gannotes"})
    writer.write(out)
    return len(writer.pages)


if __name__ == "__main__":
    count = make(sys.argv[1:] or order(), PDF)
    offer(HTML / f"{order()[0]}.html")
    print(f"{count} pages in {PDF.relative_to(ROOT)}")
