r"""A model that the reader trains in the page.

The page trains the model itself, by the engine of `live/`, from the weights that the torch modules
have when the widget is made: data, samples and critic move before the reader's eyes, and every
number stands beside its truth. Nothing plays by itself.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from torch import Tensor, nn
from torch.distributions import Distribution

from gannotes.data.toys import grid, ring, two_moons
from gannotes.divergences import F_DIVERGENCES
from gannotes.widgets.ahead import play
from gannotes.widgets.bundle import bundle
from gannotes.widgets.describe import describe, restore, toy

_HERE = Path(__file__).parent
MOST_AHEAD = 10000

# A setting's first value, and what it may be.
SETTINGS: dict[str, tuple[Any, str]] = {
    "theta": (2e-3, "a positive number"),
    "phi": (2e-3, "a positive number"),
    "K": (1, "a whole number above 0"),
    "gamma": (0.0, "a number from 0"),
    "batch": (128, "a whole number above 0"),
    "rule": ("adam", "adam or sgd"),
    "momentum": (0.0, "a number from 0 and below 1"),
    "beta2": (0.99, "a number from 0 and below 1"),
    "average": (0.99, "a number from 0 and below 1"),
    "fall": (0, "a whole number"),
    "flip": (True, "True or False"),
    "together": (False, "True or False"),
    "hold": (False, "True or False"),
    "lam": (1.0, "a number from 0"),
    "N_z": (1, "a whole number above 0"),
    "beta": (1.0, "a number from 0"),
    "sampled_kl": (False, "True or False"),
    "contrast": (0, "a whole number"),
    "seed": (0, "a whole number"),
    "speed": (0, "a number from 0"),
    "width": (0, "a whole number"),
    "label": (0, "a whole number"),
    "code": (0.0, "a number from 0"),  # to 1: a continuous code from -1 to 1; 0: drawn
    "waves": (False, "True or False"),
    "bound": ("bernoulli", "bernoulli, least_squares, relativistic, or a divergence"),
    "noise": ("given", "given, normal, uniform, clouds or many"),
    "data": ("given", "given, drawn, ring, grid, moons or spiral"),
}
_REMEDIED = {"bound": "relativistic", "gamma": 0.05, "fall": 3000}
# What is known to work in the plane, and what is known to fail.
PRESETS: dict[str, dict[str, Any]] = {
    "collapse": {"data": "ring"},
    "remedied": {"data": "ring", "noise": "clouds"} | _REMEDIED,
    "grid": {"data": "grid", "noise": "many", "waves": True, "theta": 3e-3, "phi": 3e-3}
    | _REMEDIED,
    "moons": {"data": "moons"} | _REMEDIED,
    "spiral": {"data": "spiral", "noise": "clouds"} | _REMEDIED,
    "no flip": {"data": "ring", "flip": False},
    "slow critic": {"data": "ring", "phi": 5e-5},
}
_ANY = ("presets", "phase", "data", "theta", "phi", "batch", "rule", "momentum", "fall", "average")
_ALL = (*_ANY, "speed", "seed", "layers", "copy")
CONTROLS: dict[str, tuple[str, ...]] = {
    "gan": (*_ALL, "width", "hold", "bound", "K", "gamma", "flip", "together", "noise", "waves"),
    "infogan": (*_ALL, "hold", "bound", "lam", "code"),
    "cyclegan": (*_ALL, "hold", "bound", "lam"),
    "vae": (*_ALL, "N_z", "beta"),
    "ali": (*_ALL, "hold", "bound", "K", "flip"),
    "avb": (*_ALL, "hold", "K", "N_z", "contrast"),
}
LAYERS: dict[str, tuple[str, ...]] = {
    "gan": ("data", "samples", "critic", "arrows", "warp"),
    "infogan": ("data", "samples", "critic", "arrows"),
    "cyclegan": ("data", "threads", "critic"),
    "vae": ("data", "samples", "ellipses", "threads"),
    "ali": ("data", "samples", "threads"),
    "avb": ("data", "samples", "posteriors"),
}


class LiveTraining(anywidget.AnyWidget):
    r"""Train `model` on `data` in the page: play, pause, one player's turn at a time.

    Slide: GAN / Training Algorithm (A01, A02, E24 to E27), and each model's own.

    The whole state stands in the page's address, as `#live-NAME:data=moons&K=3`; a link to
    `#live-NAME:PRESET` sets a preset. In Jupyter the weights follow whenever the training pauses.

    Args:
        model: a GAN, FGAN, InfoGAN, CycleGAN, VAE, ALI or AVB with small networks. Training starts
            from its weights, rounded to half precision.
        data: a toy density of `gannotes.data`, or points `(n, d)`, with d of 1 or 2 (for
            autoencoders any).
        other: the second domain of a CycleGAN.
        name: the widget's name in the address; a page has each name once.
        show: the layers that are on at first.
        controls: what the reader may change; everything without it.
        presets: settings by name, each a button that sets them all and starts again; without it,
            for a GAN in the plane with all controls, `PRESETS`.
        scale: the networks see `(x - centre) / scale`.
        centre: see `scale`.
        ahead: so many steps are made by the package's own algorithm first, and change `model`: a
            first picture that is worth seeing.
        title: a heading.
        settings: first values, such as `theta=2e-3`, `K=3`, `gamma=0.05`; see `SETTINGS`.

    Raises:
        TypeError: for a model, network, noise, bound or density that the page cannot run.
        ValueError: for an unknown name, or a number outside its range.

    Example:
        >>> from gannotes import data, distributions, nets
        >>> from gannotes.models.gan import GAN
        >>> gan = GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), distributions.standard_normal(2))
        >>> LiveTraining(gan, data.ring(), gamma=0.05)
        LiveTraining(GAN, 75 weights, mixture)
    """

    _entry = "live_training.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    spec = traitlets.Dict(help="the description of model and data").tag(sync=True)
    start = traitlets.Bytes(help="float16, the first weights").tag(sync=True)
    settings = traitlets.Dict(help="first values").tag(sync=True)
    datasets = traitlets.Dict(help="what else there is to train on").tag(sync=True)
    presets = traitlets.Dict(help="settings by name").tag(sync=True)
    order: traitlets.List[str] = traitlets.List(help="the presets' names").tag(sync=True)
    controls: traitlets.List[str] = traitlets.List(help="what may be changed").tag(sync=True)
    layers: traitlets.List[str] = traitlets.List(help="the layers that there are").tag(sync=True)
    show: traitlets.List[str] = traitlets.List(help="the layers that are on").tag(sync=True)
    name = traitlets.Unicode(help="in the address").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    learnt = traitlets.Bytes(help="float32, the weights that were trained").tag(sync=True)
    step = traitlets.Int(help="whole steps done").tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        data: Distribution | Tensor,
        other: Distribution | Tensor | None = None,
        *,
        name: str = "",
        show: Sequence[str] | None = None,
        controls: Sequence[str] | None = None,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        scale: float = 1.0,
        centre: Sequence[float] | None = None,
        ahead: int = 0,
        title: str = "",
        **settings: Any,
    ) -> None:
        spec, _ = describe(model)
        kind = spec["model"]
        place = _place(scale, centre)
        if not _whole(ahead) or ahead > MOST_AHEAD:
            raise ValueError(f"ahead: expected a whole number up to {MOST_AHEAD}, got {ahead!r}")
        spec |= {"data": toy("data", data) | place}
        if (other is not None) != (kind == "cyclegan"):
            raise TypeError(f"other: expected the second domain of a CycleGAN, got {other!r}")
        if other is not None:
            spec["other"] = toy("other", other) | place
        datasets = _datasets(spec)
        usually = {key: value for key, (value, _) in SETTINGS.items()}
        first = usually | _checked(spec.pop("settings") | settings, datasets)
        usual = PRESETS if kind == "gan" and datasets and controls is None else {}
        chosen = usual if presets is None else presets
        named = {key: _checked(preset, datasets) for key, preset in chosen.items()}
        traits = {
            "spec": spec,
            "settings": first,
            "datasets": datasets,
            "presets": named,
            "order": list(named),  # a notebook sorts keys
            "controls": _names("controls", controls, CONTROLS[kind]),
            "layers": list(LAYERS[kind]),
            "show": _names("show", _shown(kind) if show is None else show, LAYERS[kind]),
            "name": _identifier(name or kind),
            "title": title,
        }
        # Nothing has moved until all is known to be good.
        play(model, [data] if other is None else [data, other], ahead, first, place)
        _, weights = describe(model)
        start = np.frombuffer(weights, np.float32).astype(np.float16).tobytes()
        super().__init__(start=start, **traits)
        self._model = model

    def trained(self) -> nn.Module:
        """The model, with the weights that were trained in the page.

        Raises:
            RuntimeError: if nothing came back, as outside Jupyter.
        """
        if not self.learnt:
            raise RuntimeError("learnt: expected weights of a training that was paused, got none")
        restore(self._model, self.learnt)
        return self._model

    def __repr__(self) -> str:
        """The model and its data, never an address: a committed notebook compares it."""
        data = self.spec["data"]["law"]
        return f"LiveTraining({type(self._model).__name__}, {len(self.start) // 2} weights, {data})"


def _place(scale: float, centre: Sequence[float] | None) -> dict[str, Any]:
    if not scale > 0:
        raise ValueError(f"scale: expected a positive number, got {scale}")
    place: dict[str, Any] = {} if scale == 1 else {"scale": float(scale)}
    return place if centre is None else place | {"centre": [float(c) for c in centre]}


def _shown(kind: str) -> list[str]:
    return [layer for layer in LAYERS[kind] if layer not in ("arrows", "warp")]


def _datasets(spec: dict[str, Any]) -> dict[str, Any]:
    """Densities in the plane to choose from, where that is what the model is trained on."""
    own = spec["data"]
    points = own.get("means") or own.get("points") or [[0.0, 0.0]]
    if len(points[0]) != 2 or "other" in spec or spec["labelled"]:
        return {}
    moons = toy("data", two_moons()) | {"centre": [0.5, 0.25], "scale": 0.8}
    return {
        "ring": toy("data", ring()) | {"scale": 1.42},
        "grid": toy("data", grid()) | {"scale": 2.83},
        "moons": moons,
        "spiral": {"law": "spiral", "sd": 0.05, "scale": 1.2},
    }


def _checked(settings: Mapping[str, Any], datasets: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in settings.items():
        if key not in SETTINGS:
            raise ValueError(f"settings: expected some of {', '.join(SETTINGS)}, got {key!r}")
        if not _RANGES[SETTINGS[key][1]](value):
            raise ValueError(f"{key}: expected {SETTINGS[key][1]}, got {value!r}")
        if key == "data" and not datasets and value != "given":
            raise ValueError(f"data: expected given, the only data of this model, got {value!r}")
    return dict(settings)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _among(*names: str) -> Callable[[Any], bool]:
    return lambda value: value in names


_RANGES: dict[str, Callable[[Any], bool]] = {
    "a positive number": lambda v: _number(v) and v > 0,
    "a number from 0": _number,
    "a whole number above 0": lambda v: _whole(v) and 0 < v <= 10**6,
    "a whole number": _whole,
    "a number from 0 and below 1": lambda v: _number(v) and v < 1,
    "True or False": lambda v: isinstance(v, bool),
    "adam or sgd": _among("adam", "sgd"),
    "given, normal, uniform, clouds or many": _among(
        "given", "normal", "uniform", "clouds", "many"
    ),
    "given, drawn, ring, grid, moons or spiral": _among(
        "given", "drawn", "ring", "grid", "moons", "spiral"
    ),
    "bernoulli, least_squares, relativistic, or a divergence": lambda v: (
        v in ("bernoulli", "least_squares", "relativistic", *F_DIVERGENCES)
        or re.fullmatch(r"alpha\(-?[\d.]+\)", str(v)) is not None
    ),
}


def _names(argument: str, names: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    wanted = list(known if names is None else names)
    for name in wanted:
        if name not in known:
            raise ValueError(f"{argument}: expected some of {', '.join(known)}, got {name!r}")
    return wanted


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"name: expected small letters, digits and hyphens, got {name!r}")
    return name
