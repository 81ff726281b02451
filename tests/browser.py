"""A headless Chromium that reaches nothing but files, and pages with widgets without a book."""

import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import torch
from ipywidgets.embed import dependency_state
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from torch import Tensor
from torch.nn import functional as F

ROOT = Path(__file__).parents[1]
LOADER = ROOT / "book/_page/static-anywidget.js"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-device-scale-factor=1",
    "--window-size=1200,1600",
]
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # this machine's own server


def find() -> tuple[str, str] | None:
    """The paths of Chromium and of its driver, or None."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    driver = shutil.which("chromedriver") or shutil.which("/usr/lib/chromium/chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A running browser with an empty profile, which logs its requests and its console."""
    found = find()
    if found is None:
        raise FileNotFoundError("chromium and chromedriver: not on the PATH")
    options = Options()
    options.binary_location = found[0]
    for flag in (*FLAGS, NOWHERE, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(found[1]))
    try:
        driver.set_script_timeout(60)
        yield driver
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ResourceWarning
            )  # selenium leaves its pipes to the collector
            driver.quit()


def requests(driver: webdriver.Chrome) -> list[str]:
    """The addresses that pages opened from a file have asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"].startswith("file:")  # not the browser's own start page
    ]


def write_page(path: Path, *widgets: Any, theme: str = "light", head: str = "") -> Path:
    """A page with the saved state of `widgets` and the book's loader, as the book embeds them."""
    states = {
        k: v
        for widget in widgets
        for k, v in dependency_state([widget], drop_defaults=False).items()
    }
    saved = {"version_major": 2, "version_minor": 0, "state": states}
    views = "".join(_script("view", {"model_id": widget.model_id}) for widget in widgets)
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">'
        f'<title>{path.stem}</title>{head}<script src="{LOADER.as_uri()}"></script></head>'
        f"<body><main><h1>Widgets</h1>{views}</main>{_script('state', saved)}</body></html>",
        encoding="utf-8",
    )
    return path


def _script(kind: str, content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True).replace("</", "<\\/")  # as a notebook saves it
    return f'<script type="application/vnd.jupyter.widget-{kind}+json">{text}</script>'


def run(widget: Any, z: Tensor) -> Tensor:
    """The images `(N, c, h, w)` that the only generator makes of codes `(N, latent)`."""
    (images,) = run_all(widget, z)
    return images


def depths(widget: Any) -> list[int]:
    """How many layers each network has."""
    # A page saved before an explorer held several generators does not count their layers.
    return [n for _, n in getattr(widget, "generators", [("", len(widget.layers))])]


def inputs(widget: Any) -> list[int]:
    """How many numbers each network takes."""
    ends = list(accumulate(depths(widget)))
    firsts = [widget.layers[start] for start in (0, *ends[:-1])]
    return [_inputs(layer) for layer in firsts]


def _inputs(layer: dict[str, Any]) -> int:
    if "inputs" in layer or "size" in layer:
        return int(layer.get("inputs") or layer["size"])
    channels = layer["channels"]
    first = channels[0] if isinstance(channels, list) else channels
    return int(first * math.prod(layer["input"]))


def run_all(widget: Any, z: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """What each network makes of `z`, or of its own inputs: `layers` and `weights` by torch."""
    numbers = torch.frombuffer(
        bytearray(widget.weights), dtype=getattr(torch, widget.dtype)
    ).double()

    def take(*shape: int) -> Tensor:
        nonlocal numbers
        n = math.prod(shape)
        out, numbers = numbers[:n].reshape(shape), numbers[n:]
        return out

    layers, images = iter(widget.layers), []
    for k, depth in enumerate(depths(widget)):
        x = (z if isinstance(z, Tensor) else z[k]).double()
        for layer in islice(layers, depth):
            x = _layer(layer, x, take)
        is_image = x[0].numel() == math.prod(widget.shape)
        images.append(x.reshape(len(x), *widget.shape) if is_image else x)
    assert len(numbers) == 0
    assert list(layers) == []
    return images


def _layer(layer: dict[str, Any], x: Tensor, take: Callable[..., Tensor]) -> Tensor:
    match layer["op"]:
        case "linear":
            W, b = take(layer["outputs"], layer["inputs"]), take(layer["outputs"])
            return F.linear(x.flatten(1), W, b)
        case "affine":
            W, b = take(layer["channels"], 1), take(layer["channels"], 1)
            return W * x.reshape(len(x), layer["channels"], -1) + b
        case "upsample":
            images = x.reshape(len(x), layer["channels"], *layer["input"])
            return F.interpolate(images, scale_factor=[float(s) for s in layer["scale"]])
        case "max_pool":
            images = x.reshape(len(x), layer["channels"], *layer["input"])
            return F.max_pool2d(images, layer["kernel"])
        case "activation":
            return getattr(F, layer["name"])(
                x, *layer["parameters"]
            )  # its one constant comes first
    transposed = layer["op"] == "conv_transpose"
    C, O = layer["channels"]
    W, b = take(*((C, O) if transposed else (O, C)), *layer["kernel"]), take(O)
    images, how = x.reshape(len(x), C, *layer["input"]), (layer["stride"], layer["padding"])
    if not transposed:
        return F.conv2d(images, W, b, *how)
    plain = F.conv_transpose2d(images, W, b, *how)
    extra = [n - m for n, m in zip(layer["output"], plain.shape[2:], strict=True)]
    return F.conv_transpose2d(images, W, b, *how, output_padding=extra)
