"""Drops the scripts of sphinx-thebe, which fetch from a CDN: a page asks no network."""

from typing import Any


def _text(asset: Any) -> str:
    attributes = getattr(asset, "attributes", {})
    return f"{getattr(asset, 'filename', '')} {attributes.get('body', '')}".lower()


def _drop_thebe(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for key in ("script_files", "css_files"):
        context[key] = [asset for asset in context.get(key, []) if "thebe" not in _text(asset)]


def setup(app: Any) -> dict[str, bool]:
    app.connect("html-page-context", _drop_thebe, priority=900)  # after sphinx-thebe has added them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
