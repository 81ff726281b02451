r"""A generator that runs in the page: slide its latent code and watch the image.

A trained :math:`G_\theta` is a composition of affine maps and fixed nonlinearities. With the
running
statistics of every batch normalisation folded into the affine map before it, that is a short list
of layers and one block of numbers. Both travel in the widget's state, and the module
`latent_explorer.js` computes :math:`x = G_\theta(z)` in the browser.

The latent vector is laid out as in `gannotes.models`: noise :math:`z \sim p_0` first, then one-hot
categorical codes, then continuous codes. Several generators of one latent space are shown at the
same code, so that what differs between their images is the generator and nothing else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Uniform

from gannotes import checks
from gannotes.widgets.bundle import bundle
from gannotes.widgets.network import image_network, limited

_HERE = Path(__file__).parent


class LatentExplorer(anywidget.AnyWidget):
    r"""Move a generator's code and see :math:`x = G_\theta(z)`, with no kernel behind the page.

    Slide: GAN, its results (F02), and other pictures of samples, moving; beyond the deck (I16).

    The sliders move either single noise coordinates or chosen `directions` :math:`u_j`: slider
    :math:`j` shows :math:`\langle u_j, z \rangle` and changes nothing orthogonal to :math:`u_j`. Of
    several images it shows the first one's, and moves all of them as far. "Interpolate" walks from
    the
    code on show to a fresh draw, on the straight line or, for normal noise, on the great circle
    :math:`\bigl(\sin((1-t)\Omega)\, a + \sin(t\Omega)\, b\bigr) / \sin\Omega`, :math:`\Omega` the
    angle of :math:`a`
    and :math:`b`, which keeps the length of the code where :math:`p_0` has its mass (White, 2016,
    Sampling
    generative networks).

    Args:
        G: a chain of Linear, Conv2d, ConvTranspose2d, BatchNorm1d, BatchNorm2d, Upsample (nearest),
            Flatten, Unflatten, ReLU, LeakyReLU, ELU, SiLU, Sigmoid, Tanh, Softplus, Dropout and
            Identity, taken as in evaluation mode. Its output has shape `(1, h, w)`, `(3, h, w)`, or
            `(h * w,)` with `shape` given. A mapping name -> chain draws several generators at the
            same code, each under its name; with `samples` above 1 as rows, the samples as columns.
        p_0: the noise, an independent `Normal` or `Uniform` over vectors, or None when all codes
            are named.
        categorical: name -> number of classes, or their names; drawn as buttons.
        continuous: name -> (low, high); drawn as sliders.
        sliders: how many noise coordinates have a slider, or which ones.
        directions: instead of coordinates, `(k, d)` orthonormal rows in the space of the noise.
        names: one name per noise slider; `z_1`, `z_2`, ... (or `u_1`, ... for directions) without
            it.
        samples: the number of images; all share the codes, each has noise of its own.
        shape: `(h, w)` of a flat output.
        limits: the output values shown as black and white, in all images; `(-1, 1)` after a final
            Tanh, otherwise `(0, 1)`.
        smooth: whether to blend neighbouring pixels when the image is enlarged.
        title: a heading.
        z: the code to start from, `(latent,)`; a draw from `p_0`, the first class of each
            categorical code and the middle of each continuous one without it.
        seed: of the first draw here and of the draws in the browser.
        dtype: `torch.float16` or `torch.float32`, the precision of the weights in the page.

    Raises:
        TypeError: for a layer or a distribution that the browser does not know.
        ValueError: if the codes do not fit `G`, its output is no image, or several generators
            make images of different shapes or ranges.

    Example:
        >>> G = nn.Sequential(nn.Linear(5, 16), nn.Sigmoid(), nn.Unflatten(-1, (1, 4, 4)))
        >>> p_0 = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
        >>> LatentExplorer(G, p_0, continuous={"c_1": (-2, 2)})
        LatentExplorer(5 -> 1 x 4 x 4, 96 parameters, float16)
        >>> LatentExplorer({"trained": G, "untrained": G}, p_0, continuous={"c_1": (-2, 2)})
        LatentExplorer(generators trained, untrained, 5 -> 1 x 4 x 4, 192 parameters, float16)
    """

    _entry = "latent_explorer.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    layers: traitlets.List[Any] = traitlets.List(
        help="the layers, in order, without their numbers; generator after generator"
    ).tag(sync=True)
    generators: traitlets.List[Any] = traitlets.List(
        help="[name, number of layers] of each generator; a single one may have no name"
    ).tag(sync=True)
    weights = traitlets.Bytes(help="each layer's weight and bias in torch's order").tag(sync=True)
    dtype = traitlets.Unicode(help="the type of `weights`").tag(sync=True)
    shape: traitlets.List[int] = traitlets.List(help="channels, height, width").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the values of black and white").tag(
        sync=True
    )
    code = traitlets.Dict(help="how the code is laid out and shown").tag(sync=True)
    z = traitlets.List(traitlets.Float(), help="the code on show").tag(sync=True)
    rest: traitlets.List[Any] = traitlets.List(help="the noise of the other images").tag(sync=True)
    smooth = traitlets.Bool().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        G: nn.Sequential | Mapping[str, nn.Sequential],
        p_0: Distribution | None = None,
        *,
        categorical: Mapping[str, int | Sequence[str]] | None = None,
        continuous: Mapping[str, tuple[float, float]] | None = None,
        sliders: int | Sequence[int] = 4,
        directions: Tensor | None = None,
        names: Sequence[str] | None = None,
        samples: int = 1,
        shape: tuple[int, int] | None = None,
        limits: tuple[float, float] | None = None,
        smooth: bool = False,
        title: str = "",
        z: Tensor | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float16,
    ) -> None:
        checks.count("samples", samples, 1, 64)
        checks.count("seed", seed, 0, 2**31 - 1)
        checks.texts(title=title)
        checks.flags(smooth=smooth)
        if samples > 1 and p_0 is None:
            raise ValueError(f"samples: expected 1, or more with a p_0 to draw from, got {samples}")
        noise = None if p_0 is None else _noise(p_0)
        code: dict[str, Any] = {
            "noise": noise,
            "sliders": _sliders(noise, sliders, directions, names),
            "categorical": _categorical(categorical),
            "continuous": _continuous(continuous),
        }
        first, rest = _start(p_0, code, samples, seed)
        if z is not None:
            first = checks.floating("z", z, str(len(first)), finite=True).double().tolist()
        nets = _generators(G)
        folded = {
            name: image_network(f"G[{name!r}]" if name else "G", net, len(first), shape, dtype)
            for name, net in nets.items()
        }
        layers = [layer for net in folded.values() for layer in net["layers"]]
        size, limits = _common(folded, limits)
        super().__init__(
            weights=b"".join(net["weights"] for net in folded.values()),
            layers=layers,
            generators=[[name, len(net["layers"])] for name, net in folded.items()],
            dtype=str(dtype).removeprefix("torch."),
            shape=list(size),
            limits=list(limits),
            code=code,
            z=first,
            rest=rest,
            smooth=smooth,
            title=title,
            seed=seed,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        count = len(self.weights) // np.dtype(self.dtype).itemsize
        size = " x ".join(str(n) for n in self.shape)
        names = ", ".join(name for name, _ in self.generators if name)
        which = f"generators {names}, " if names else ""
        return f"LatentExplorer({which}{len(self.z)} -> {size}, {count:,} parameters, {self.dtype})"


def _generators(G: nn.Sequential | Mapping[str, nn.Sequential]) -> dict[str, nn.Sequential]:
    """The generators by name; a single one has the empty name."""
    if not isinstance(G, Mapping):
        return {"": G}
    if not G or not all(isinstance(name, str) and name for name in G):
        raise ValueError(f"G: expected one or more named generators, got the names {list(G)}")
    return dict(G)


def _common(
    folded: dict[str, dict[str, Any]], limits: tuple[float, float] | None
) -> tuple[tuple[int, ...], tuple[float, float]]:
    """The one size and the one range of all generators."""
    sizes = {name: net["size"] for name, net in folded.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"G: expected images of one shape, got {sizes}")
    ranges = {name: limited(limits, net["limits"]) for name, net in folded.items()}
    if len(set(ranges.values())) > 1:
        raise ValueError(f"limits: expected (low, high), as the last layers differ: got {ranges}")
    return next(iter(sizes.values())), next(iter(ranges.values()))


def _categorical(codes: Mapping[str, int | Sequence[str]] | None) -> list[dict[str, Any]]:
    """The name and the classes of each categorical code."""
    found = []
    for name, k in checks.kind("categorical", codes or {}, Mapping).items():
        checks.texts(categorical=name)
        if not isinstance(k, list | tuple):
            k = range(checks.count("categorical", k, 1, 64))
        if not 1 <= len(k) <= 64:
            raise ValueError(f"categorical: expected 1 to 64 classes, got {len(k)}")
        found.append({"name": name, "classes": [str(c) for c in k]})
    return found


def _continuous(codes: Mapping[str, tuple[float, float]] | None) -> list[dict[str, Any]]:
    """The name and the range of each continuous code."""
    found = []
    for name, ends in checks.kind("continuous", codes or {}, Mapping).items():
        checks.texts(continuous=name)
        low, high = checks.interval("continuous", ends)
        found.append({"name": name, "low": low, "high": high})
    return found


def _noise(p_0: Distribution) -> dict[str, Any]:
    """The parameters that the browser draws from: mean and deviation, or low and high."""
    if not hasattr(p_0, "event_shape") or isinstance(p_0, type):
        raise TypeError(f"p_0: expected a distribution, got {type(p_0).__name__}")
    base = p_0.base_dist if isinstance(p_0, Independent) else p_0
    if len(p_0.event_shape) != 1 or p_0.batch_shape or not isinstance(base, Normal | Uniform):
        raise TypeError(
            f"p_0: expected an independent Normal or Uniform over vectors, e.g. "
            f"Independent(Normal(loc, scale), 1), got {p_0}"
        )
    for numbers in (base.loc, base.scale) if isinstance(base, Normal) else (base.low, base.high):
        if not numbers.isfinite().all():
            raise ValueError(f"p_0: expected finite numbers, got {numbers.tolist()}")
    if isinstance(base, Normal):
        return {"normal": True, "first": _floats(base.loc), "second": _floats(base.scale)}
    return {"normal": False, "first": _floats(base.low), "second": _floats(base.high)}


def _sliders(
    noise: dict[str, Any] | None,
    sliders: int | Sequence[int],
    directions: Tensor | None,
    names: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """The noise sliders, each with its range: three deviations, or the interval itself."""
    if noise is None:
        if directions is not None or names is not None:
            raise ValueError("directions, names: expected a p_0 that they belong to, got None")
        return []
    d = len(noise["first"])
    if directions is None:
        if isinstance(sliders, list | tuple | range):
            chosen = [checks.count("sliders", i, 0, d - 1) for i in sliders]
        else:
            chosen = list(range(min(checks.count("sliders", sliders, 0), d)))
        rows = np.eye(d)[chosen].reshape(-1, d)
        keys: list[dict[str, Any]] = [{"index": i} for i in chosen]
        default = [f"z_{i + 1}" for i in chosen]
    else:
        checks.floating("directions", directions, "k d", finite=True)
        rows = directions.detach().double().cpu().numpy()
        if rows.ndim != 2 or rows.shape[1] != d or len(rows) > d:
            raise ValueError(f"directions: expected shape (k, {d}), got {rows.shape}")
        if not np.allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-4):
            raise ValueError(
                "directions: expected orthonormal rows, as torch.linalg.qr or svd give"
            )
        keys = [{"direction": [round(float(v), 7) for v in row]} for row in rows]
        default = [f"u_{j + 1}" for j in range(len(rows))]
    names = default if names is None else list(checks.kind("names", names, list, tuple))
    for name in names:
        checks.texts(names=name)
    if len(names) != len(keys):
        raise ValueError(f"names: expected {len(keys)}, one per noise slider, got {len(names)}")
    first, second = np.asarray(noise["first"]), np.asarray(noise["second"])
    if noise["normal"]:
        centre, reach = rows @ first, 3 * np.sqrt(rows**2 @ second**2)
    else:
        centre, reach = rows @ (first + second) / 2, np.abs(rows) @ (second - first) / 2
    return [
        {"name": name, **key, "low": round(float(c - r), 6), "high": round(float(c + r), 6)}
        for name, key, c, r in zip(names, keys, centre, reach, strict=True)
    ]


def _start(
    p_0: Distribution | None, code: dict[str, Any], samples: int, seed: int
) -> tuple[list[float], list[list[float]]]:
    """The first code, and the noise of the other images; the global generator is left as it was."""
    noise: list[list[float]] = [[]]
    if p_0 is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            noise = [_floats(row) for row in p_0.sample((samples,))]
    one_hot = [float(i == 0) for c in code["categorical"] for i in range(len(c["classes"]))]
    middle = [(c["low"] + c["high"]) / 2 for c in code["continuous"]]
    return noise[0] + one_hot + middle, noise[1:]


def _floats(x: Tensor) -> list[float]:
    return [round(float(v), 6) for v in x]
