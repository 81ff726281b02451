r"""Trained networks that the book shows, each a safetensors file with a card of how it was made.

A file holds numbers and names only. The network that they belong to is the caller's, so that a page
shows the architecture beside the weights: `G = load(nets.image_generator(32), "mnist_gan")`. They
are stored in half precision, as they travel to a page, and computed with in single precision.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gannotes import checks, manifest

FOLDER = Path(__file__).parent
CODE = {"architecture", "recipe", "run"}  # facts that are code


def load(net: nn.Module, name: str) -> nn.Module:
    """Fill `net` with shipped weights, and freeze it in evaluation mode.

    Args:
        net: a network of the architecture that the card names.
        name: the file's name without its ending.

    Returns:
        `net` itself.

    Raises:
        TypeError: if `net` is no module, or `name` no text.
        ValueError: if there is no such file, if it belongs to another architecture, or if it holds
            a number that is not finite; `net` is unchanged.

    Example:
        >>> import torch
        >>> from gannotes import nets
        >>> load(nets.image_classifier(), "mnist_classifier")(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 10])
    """
    return fill(net, _shipped(name))


def _shipped(name: str) -> Path:
    checks.one_of("name", name, sorted(file.stem for file in FOLDER.glob("*.safetensors")))
    return manifest.verify(FOLDER / f"{name}.safetensors")


def fill(net: nn.Module, path: Path) -> nn.Module:
    """Fill `net` with the weights in a file, and freeze it in evaluation mode.

    Args:
        net: a network of the architecture that was saved.
        path: the safetensors file.

    Returns:
        `net` itself.

    Raises:
        TypeError: if `net` is no module, or `path` no path.
        ValueError: as for `load`.

    Example:
        >>> from gannotes import nets
        >>> net = fill(nets.image_classifier(), FOLDER / "mnist_classifier.safetensors")
        >>> net.training
        False
    """
    checks.kind("net", net, nn.Module)
    path = Path(checks.kind("path", path, str, os.PathLike, wanted="a path"))
    try:
        saved = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"path: expected weights, got {path.name}, damaged: {error}") from error
    state = net.state_dict()
    shapes, expected = (
        {key: tuple(value.shape) for key, value in part.items()} for part in (state, saved)
    )
    if shapes != expected:
        raise ValueError(f"net: expected the architecture of {path.name}, {expected}, got {shapes}")
    for key, value in saved.items():
        if not value.isfinite().all():
            raise ValueError(f"path: expected finite numbers, got others in {key} of {path.name}")
        if key.endswith("running_var") and (value < 0).any():
            raise ValueError(f"path: expected variances, got negative ones in {key} of {path.name}")
    net.load_state_dict({key: value.to(state[key].dtype) for key, value in saved.items()})
    return net.eval().requires_grad_(False)


def save(net: nn.Module, path: Path) -> None:
    """Write the state of `net` to a safetensors file, real numbers in half precision.

    Args:
        net: the network.
        path: the file.

    Raises:
        TypeError: if `net` is no module, or `path` no path.
        ValueError: if a number does not fit into half precision, if all numbers of a tensor would
            round to zero there, or if the folder is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(nn.Linear(2, 1), Path(folder) / "line.safetensors")
        ...     fill(nn.Linear(2, 1), Path(folder) / "line.safetensors")
        Linear(in_features=2, out_features=1, bias=True)
    """
    checks.kind("net", net, nn.Module)
    path = Path(checks.kind("path", path, str, os.PathLike, wanted="a path"))
    state = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    halves = {key: _half(key, value) for key, value in state.items()}
    if not path.parent.is_dir():
        raise ValueError(f"path: expected a file in a folder that is there, got {path}")
    save_file(halves, path)


def about(name: str) -> dict[str, Any]:
    """How shipped weights came about, and what they score: the facts in the header of their file.

    Args:
        name: the file's name without its ending.

    Raises:
        ValueError: if there is no such file.

    Example:
        >>> about("mnist_classifier")["architecture"]
        'nets.image_classifier()'
    """
    return told(_shipped(name))


def told(path: Path) -> dict[str, Any]:
    """What `tell` has put into the header of a file; nothing, if it was not told anything.

    Args:
        path: the safetensors file.
    """
    checks.kind("path", path, str, Path, wanted="a path")
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("about", "{}"))


def tell(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts into the header of a file of weights, whose numbers stay as they are.

    Args:
        path: the safetensors file.
        facts: numbers, words and lists of them, in the order of the card.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(nn.Linear(2, 1), path := Path(folder) / "line.safetensors")
        ...     tell(path, {"architecture": "nn.Linear(2, 1)", "error": 0.25})
        ...     told(path)
        {'architecture': 'nn.Linear(2, 1)', 'error': 0.25}
    """
    whole = path.with_name(path.name + ".tmp")
    save_file(load_file(path), whole, {"about": json.dumps(facts, ensure_ascii=False)})
    os.replace(whole, path)


def card(path: Path) -> str:
    """The card of a file of weights: its facts as a page of Markdown.

    Args:
        path: the safetensors file.
    """
    facts = told(path)
    lines = [f"# {path.stem}", "", facts.pop("summary", ""), "", "| | |", "|---|---|"]
    for key, value in facts.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        lines.append(f"| {key} | {f'`{shown}`' if key in CODE else shown} |")
    return "\n".join(lines) + "\n"


def _half(key: str, value: Tensor) -> Tensor:
    """Real numbers in half precision, none of which is lost."""
    if not value.is_floating_point():
        return value
    half = value.half()
    if not half.isfinite().all():
        raise ValueError(f"net: expected numbers below 65,504 in magnitude, got others in {key}")
    if value.any() and not half.any():
        raise ValueError(
            f"net: expected numbers of at least 6e-8, got smaller ones in all of {key}"
        )
    return half
