"""What a link stands for, shown beside it: a term, a citation, a numbered equation.

No page can read another one that was opened from a file. So the build collects what is needed in
one script, `previews-data.js`, which `previews.js` loads when the reader first stops at a link.
"""

import json
import re
from pathlib import Path
from typing import Any

DT = re.compile(r'<dt id="(term-[^"]+)">')
GROUP = re.compile(r"((?:<dt id=\"term-[^\"]+\">.*?</dt>\s*)+)<dd>(.*?)</dd>", re.DOTALL)
CITATION = re.compile(
    r'<div class="citation" id="(id\d+)" role="doc-biblioentry">.*?</span>\s*(<p>.*?</p>)\s*</div>',
    re.DOTALL,
)
EQUATION = re.compile(
    r'<div class="math notranslate nohighlight" id="(equation-[^"]+)">(.*?)</div>', re.DOTALL
)
NUMBER = re.compile(r'<span class="eqno">.*?</span>(?=\s*\\)', re.DOTALL)
LINK = re.compile(r"</?a\b[^>]*>")


def collect(pages: dict[str, str]) -> dict[str, str]:
    """What the pages' links may lead to: HTML by `page.html#id`.

    Args:
        pages: the HTML of the built pages, by their name.
    """
    found: dict[str, str] = {}
    for terms, body in GROUP.findall(pages.get("glossary", "")):
        for term in DT.findall(terms):
            found[f"glossary.html#{term}"] = LINK.sub("", body)
    for key, body in CITATION.findall(pages.get("bibliography", "")):
        found[f"bibliography.html#{key}"] = LINK.sub("", body)
    for page, html in pages.items():
        for key, body in EQUATION.findall(html):
            found[f"{page}.html#{key}"] = f'<div class="math">{NUMBER.sub("", body)}</div>'
    return found


def write(app: Any, exception: Exception | None) -> None:
    """Write the script beside the others when the pages are there."""
    if exception is None and app.builder.format == "html":
        out = Path(app.outdir)
        pages = {path.stem: path.read_text(encoding="utf-8") for path in out.glob("*.html")}
        data = json.dumps(collect(pages), ensure_ascii=False, sort_keys=True)
        script = out / "_static/previews-data.js"
        script.write_text(f"globalThis.gannotesPreviews = {data};\n", encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Connect to the end of the build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
