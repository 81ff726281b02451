"""Puts into each page with widgets what its notebook does not save: source and networks.

A page gets one module for all its widgets, their styles, and each network once, in a script of data
beside the saved state. So a change of JavaScript needs a build and no execution, and a page opened
from a file asks for nothing else.
"""

import base64
import hashlib
import json
from importlib import import_module
from typing import Any

import shipped
from sphinx.builders.html._assets import _JavaScript

from gannotes.widgets.bundle import library

STATE = "application/vnd.jupyter.widget-state+json"
SOURCE = "application/vnd.gannotes.source+json"
Record = dict[str, Any]


def complete(records: dict[str, Record]) -> tuple[dict[str, Record], dict[str, Any]]:
    """What a page holds of the widgets of a notebook.

    Args:
        records: their saved state, by id.

    Returns:
        The records with `entry`, the name of the widget's own module, in the place of its source,
        and digests in the place of networks; and what they share: "module", "css", "networks".
    """
    kinds = {key: _kind(record) for key, record in records.items() if shipped.is_ours(record)}
    shared: dict[str, Any] = {
        "module": library(dict.fromkeys(kind._entry for kind in kinds.values())),
        "css": "\n".join(dict.fromkeys(str(kind._css) for kind in kinds.values())),
        "networks": {},
    }
    filled = {
        key: _refer(record, kinds[key]._entry, shared["networks"]) if key in kinds else record
        for key, record in records.items()
    }
    return filled, shared


def _kind(record: Record) -> Any:
    """The class of a saved widget."""
    module, _, name = record["state"]["_anywidget_id"].rpartition(".")
    return getattr(import_module(module), name)


def _refer(record: Record, entry: str, networks: dict[str, str]) -> Record:
    """A record whose module and networks stand elsewhere in the page."""
    state = {k: v for k, v in record["state"].items() if k not in ("_esm", "_css")}
    if isinstance(state.get("weights"), list):
        data = [base64.b64encode(part).decode() for part in shipped.networks(record)]
        digests = [hashlib.sha256(part.encode()).hexdigest()[:16] for part in data]
        networks.update(zip(digests, data, strict=True))
        state["weights"] = digests
    return {**record, "state": state, "entry": entry}


def _script(kind: str, content: Any) -> _JavaScript:
    """Data in a page: no text in it can end the script, or open another."""
    return _JavaScript(None, type=kind, body=json.dumps(content).replace("<", "\\u003c"))


def _fill(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    scripts: list[Any] = []
    for asset in context.get("script_files", []):
        if getattr(asset, "attributes", {}).get("type") == STATE:
            saved = json.loads(asset.attributes["body"])
            saved["state"], shared = complete(saved["state"])
            scripts += [_script(STATE, saved), _script(SOURCE, shared)]
        else:
            scripts.append(asset)
    context["script_files"] = scripts


def setup(app: Any) -> dict[str, bool]:
    app.connect("html-page-context", _fill, priority=950)  # after myst-nb has added the state
    return {"parallel_read_safe": True, "parallel_write_safe": True}
