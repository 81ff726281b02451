"""Puts the vector figures into the page itself, in the theme's colours, so that they follow it.

An SVG that stands behind an `img` knows nothing of the page. Inside the page its greys and the
colours of the roles (data, model, critic, optimum) become variables, which the style sheet sets
once for light and once for dark, and `reader.js` can lay out its panels for a phone.
"""

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ROLES = {
    "#0072b2": "data",
    "#d55e00": "model",
    "#009e73": "critic",
    "#444444": "optimum",
    "#cc79a7": "other",
    "#222222": "ink",
    "#555555": "quiet",
    "#888888": "edge",
    "#c4c4c4": "faint",
    "#bbbbbb": "faint",
    "#e6e6e6": "grid",
    "#ffffff": "paper",
}
COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
STYLE = re.compile(r'style="([^"]*)"')
IDENTITY = re.compile(r'(\bid="|href="#|url\(#)')


def themed(svg: str) -> str:
    """The same picture with its role colours as variables of the page."""

    def colour(match: re.Match[str]) -> str:
        role = ROLES.get(match[0].lower())
        return f"var(--figure-{role}, {match[0]})" if role else match[0]

    return STYLE.sub(lambda match: f'style="{COLOUR.sub(colour, match[1])}"', svg)


def inline(svg: str, alternative: str) -> str:
    """The element that stands in the page: ids of its own, a name for those who do not see it."""
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8] + "-"
    svg = IDENTITY.sub(lambda match: match[1] + prefix, themed(svg))
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<style", '<style data-figure=""', 1)
    return f'<div class="vector" role="img" aria-label="{escape(alternative)}">{svg}</div>'


class InlineFigures(SphinxPostTransform):
    """Replaces an image node of an executed cell by the drawing itself."""

    default_priority = 400
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.app.outdir, image.get("uri", ""))
            path = path if path.exists() else Path(self.app.srcdir, image.get("uri", ""))
            if path.suffix == ".svg" and "jupyter_execute" in str(path):
                html = inline(path.read_text(encoding="utf-8"), image.get("alt", ""))
                image.replace_self(nodes.raw("", html, format="html"))


def setup(app: Any) -> dict[str, bool]:
    """Register the transform."""
    app.add_post_transform(InlineFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
