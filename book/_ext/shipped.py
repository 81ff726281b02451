"""Saved widgets without what the repository holds anyway: their source, and shipped networks.

`strip` takes both out of the state that a notebook saves; `networks` finds the numbers again when
the book is built. A reference names a file, a part of it, and the digest of what comes out once
normalisations are folded, as `gannotes.widgets.network` does it: a file that has changed since is
an error.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gannotes.weights import FOLDER
from gannotes.widgets import network

# What JupyterLab shows before the cell has run, since the saved state holds no source.
ASLEEP = 'export default { render({ el }) { el.textContent = "Run this cell to start it."; } };'
Record = dict[str, Any]
Layer = dict[str, Any]


def is_ours(record: Record) -> bool:
    """Whether a saved model is one of `gannotes.widgets`."""
    return str(record["state"].get("_anywidget_id", "")).startswith("gannotes.widgets.")


def strip(record: Record) -> Record:
    """A widget's record without source, styles and shipped networks; twice is once."""
    if not is_ours(record):
        return record
    state, buffers = {**record["state"], "_esm": ASLEEP}, record.get("buffers", [])
    state.pop("_css", None)
    for buffer in buffers:
        if buffer["path"] == ["weights"] and "dtype" in state:  # a network's, not a live game's
            parts = list(_parts(state, base64.b64decode(buffer["data"])))
            if any("file" in part for part in parts):
                state["weights"] = parts
                buffers = [b for b in buffers if b is not buffer]
    rest = {key: value for key, value in record.items() if key not in ("state", "buffers")}
    return {**({"buffers": buffers} if buffers else {}), **rest, "state": state}


def networks(record: Record) -> list[bytes]:
    """The numbers of each network that `strip` has taken out.

    Raises:
        ValueError: if a file no longer holds them.
    """
    parts = record["state"]["weights"]
    return [_numbers(part, layers) for part, layers in zip(parts, _chains(record), strict=True)]


def _numbers(part: dict[str, Any], layers: list[Layer]) -> bytes:
    if "base64" in part:
        return base64.b64decode(part["base64"])
    data = _pack(part["file"], part["prefix"], layers, part["dtype"])
    if data is None or hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise ValueError(
            f"weights: expected {part['file']} to hold the network that the notebook shows, it "
            "has changed: execute the chapter again"
        )
    return data


def _chains(record: Record) -> list[list[Layer]]:
    """The layers of each network."""
    layers = record["state"]["layers"]
    depths = [n for _, n in record["state"].get("generators", [])] or [len(layers)]
    ends = accumulate(depths)
    return [layers[end - depth : end] for depth, end in zip(depths, ends, strict=True)]


def _parts(state: dict[str, Any], data: bytes) -> Iterator[dict[str, Any]]:
    """Network after network, as a reference to a file or as it is."""
    for layers in _chains({"state": state}):
        size = sum(map(_count, layers)) * np.dtype(state["dtype"]).itemsize
        own, data = data[:size], data[size:]
        yield _find(own, layers, state["dtype"]) or {"base64": base64.b64encode(own).decode()}


def _count(layer: Layer) -> int:
    match layer["op"]:
        case "linear":
            return (layer["inputs"] + 1) * layer["outputs"]
        case "affine":
            return 2 * layer["channels"]
        case "conv" | "conv_transpose":
            return prod(layer["channels"]) * prod(layer["kernel"]) + layer["channels"][1]
    return 0


def _find(data: bytes, layers: list[Layer], dtype: str) -> dict[str, Any] | None:
    """A reference to the file whose network has these numbers."""
    for path in sorted(FOLDER.glob("*.safetensors")):
        for prefix in sorted({p for owner in _modules(path.stem) for p in _above(owner)}):
            if _pack(path.stem, prefix, layers, dtype) == data:
                reference = {"file": path.stem, "prefix": prefix, "dtype": dtype}
                return {**reference, "sha256": hashlib.sha256(data).hexdigest()}
    return None


@cache
def _modules(name: str) -> dict[str, dict[str, Tensor]]:
    """The tensors of a file by the module that owns them, in the order of the modules."""
    tensors = load_file(FOLDER / f"{name}.safetensors")
    modules: dict[str, dict[str, Tensor]] = {}
    for key in sorted(tensors, key=_natural):
        owner, _, leaf = key.rpartition(".")
        modules.setdefault(owner, {})[leaf] = tensors[key].float()
    return modules


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in key.split(".")]


def _above(owner: str) -> list[str]:
    """The names of all that a module is in: "a.b.0" is in "a.b", in "a" and in ""."""
    return ["", *(owner[: dot.start()] for dot in re.finditer(r"\.", owner))]


def _pack(name: str, prefix: str, layers: list[Layer], dtype: str) -> bytes | None:
    """The chain of modules under `prefix`, folded into `layers`; None where it does not fit."""
    wanted = iter(layer for layer in layers if _count(layer))
    folded: list[Layer] = []
    for owner, tensors in _modules(name).items():
        if prefix not in _above(owner):
            continue
        if "running_mean" in tensors:
            if not folded or not _normalise(folded[-1], tensors):
                return None
        elif (layer := next(wanted, None)) is None or not _fits(layer, tensors):
            return None
        else:
            weight = tensors["weight"].double().numpy()
            bias = tensors.get("bias", torch.zeros(_outputs(layer))).double().numpy()
            folded.append({**layer, "W": weight, "b": bias})
    return None if next(wanted, None) else network.pack(folded, getattr(torch, dtype))


def _outputs(layer: Layer) -> int:
    return int(layer["outputs"] if layer["op"] == "linear" else layer["channels"][1])


def _fits(layer: Layer, tensors: dict[str, Tensor]) -> bool:
    if layer["op"] == "linear":
        shape = [layer["outputs"], layer["inputs"]]
    elif layer["op"] == "affine" or "weight" not in tensors:
        return False
    else:
        C, O = layer["channels"]
        shape = [*([C, O] if layer["op"] == "conv_transpose" else [O, C]), *layer["kernel"]]
    return "weight" in tensors and list(tensors["weight"].shape) == shape


def _normalise(before: Layer, tensors: dict[str, Tensor]) -> bool:
    """Fold a batch normalisation into the layer before it."""
    module = nn.BatchNorm1d(len(tensors["running_mean"]))
    module.load_state_dict(tensors)
    channels = module.num_features
    affine = {"op": "affine", "channels": channels, **network._statistics(module)}
    return _outputs(before) % channels == 0 and network._absorb(before, affine)
