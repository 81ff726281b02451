"""Where the book lives, for its pages: buttons, address, what others show of a page, a lost page.

All of it follows from `requirements/home.py`; while that names no repository, pages have a
description and no button.
"""

import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes

sys.path.append(str(Path(__file__).resolve().parents[2] / "requirements"))
from home import BRANCH, Home, home

BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"
LOST = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>No such page</title></head>
<body><main><h1>No such page</h1><p>The book begins at <a href="{0}">its first page</a>.</p></main>
</body></html>
"""


def options(where: Home) -> dict[str, Any]:
    """What the theme makes its buttons of."""
    return {
        "repository_url": where.repository,
        "repository_branch": BRANCH,
        "path_to_docs": "book",
        "use_repository_button": True,
        "use_edit_page_button": True,
        "launch_buttons": {
            "binderhub_url": BINDER,
            "colab_url": COLAB,
            "notebook_interface": "jupyterlab",
        },
    }


def configure(app: Any, config: Any) -> None:
    """Buttons and address, if there is a home."""
    where = home()
    if where is not None:
        config.html_theme_options.update(options(where))
        config.html_baseurl = where.pages


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page, at most two hundred letters of it, in whole words."""
    found = next((node.astext() for node in doctree.findall(nodes.paragraph)), "")
    text = re.sub(r"\s+", " ", found).strip()
    return text if len(text) <= 200 else text[:197].rsplit(" ", 1)[0] + " ..."


def head(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """What a search engine or a message shows of a page; and Colab's copy of a chapter."""
    where = home()
    if doctree is not None:
        title = re.sub(r"<[^>]*>", "", context.get("title", ""))
        found = {
            'name="description"': description(doctree),
            'property="og:title"': title,
            'property="og:description"': description(doctree),
            'property="og:type"': "article",
            'property="og:site_name"': app.config.html_title or app.config.project,
        }
        if where is not None:
            found['property="og:url"'] = f"{where.pages}{page}.html"
        tags = [f'<meta {key} content="{escape(text)}">' for key, text in found.items() if text]
        context["metatags"] = context.get("metatags", "") + "\n".join(tags)
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []) if where is not None else []:
            if button.get("text") == "Colab":
                button["url"] = where.colab(page)


def lost(app: Any, exception: Exception | None) -> None:
    """The page that a server shows for an address that is none."""
    if exception is None and app.builder.name == "html":
        where = home()
        Path(app.outdir, "404.html").write_text(LOST.format(where.pages if where else "/"))


def setup(app: Any) -> dict[str, bool]:
    """Connect all of it to Sphinx."""
    app.connect("config-inited", configure)
    app.connect("html-page-context", head, priority=900)  # the theme's buttons are there by then
    app.connect("build-finished", lost)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
