r"""From one encoded image to another: the decoder along a path between two codes.

An encoder turns two images into codes :math:`z_0, z_1`. What the decoder makes of the points
between them
shows what it has learnt: a decoder that has only learnt images by heart jumps, one that has learnt
a space of images changes steadily.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from gannotes import checks
from gannotes.widgets import encoded
from gannotes.widgets.bundle import bundle
from gannotes.widgets.network import image_network, limited

_HERE = Path(__file__).parent


class CodeInterpolator(anywidget.AnyWidget):
    r"""Choose two encoded images and walk from the one to the other, :math:`x_t = G_\theta(z_t)`.

    .. math::

        z_t = (1 - t)\, z_0 + t\, z_1
        \qquad\text{or}\qquad
        z_t = \frac{\sin((1 - t)\Omega)\, z_0 + \sin(t \Omega)\, z_1}{\sin \Omega},
        \quad t \in [0, 1],

    :math:`\Omega` the angle of :math:`z_0` and :math:`z_1`. For independent codes from
    :math:`N(0, I_k)` the straight line
    passes through points that the prior hardly knows, :math:`E\|z_{1/2}\|^2 = k/2` instead of
    :math:`k`; the
    great circle keeps the length. The curve below the images shows it, beside :math:`\sqrt{k}`.

    Each image stands above its reconstruction :math:`G_\theta(z)`, which the page computes. Nothing
    needs
    a kernel; with one, the traits `first`, `second`, `t` and `great_circle` follow in both
    directions, and the page writes the code on show to `z`.

    Slide: ALI / Results (F10; I17, reconstruction; I16, interpolation).

    References:
        White, Sampling generative networks, 2016.

    Args:
        decoder: the chain of layers from a code to an image, as `LatentExplorer` takes it.
        images: the images, `(N, 1, h, w)` or `(N, 3, h, w)`, in the range of `limits`; about a
            dozen, at least two and at most 24.
        codes: their codes, `(N, k)`, such as the means of an encoder.
        labels: their classes, `(N,)`, whole numbers from 0.
        first: the image to start from.
        second: the image to end at.
        t: where on the path to begin.
        great_circle: whether to begin with the great circle.
        steps: the number of images along the path, both ends included.
        classes: the names of the classes; their numbers without it.
        name: what a sentence calls an image.
        limits: the values shown as black and white; `(-1, 1)` after a final Tanh, otherwise
            `(0, 1)`.
        smooth: whether to blend neighbouring pixels when an image is enlarged.
        title: a heading.
        dtype: `torch.float16` or `torch.float32`, the precision of weights and codes in the page.

    Raises:
        TypeError: for a layer that the browser does not know, or codes that are no tensor.
        ValueError: if images, codes and labels do not belong together, or a number is out of range.

    Example:
        >>> G = nn.Sequential(nn.Linear(3, 16), nn.Sigmoid(), nn.Unflatten(-1, (1, 4, 4)))
        >>> CodeInterpolator(G, torch.rand(6, 1, 4, 4), torch.randn(6, 3), torch.arange(6))
        CodeInterpolator(6 codes, 3 -> 1 x 4 x 4, 64 parameters, float16)
    """

    _entry = "code_interpolator.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    layers: traitlets.List[Any] = traitlets.List(help="the layers, without numbers").tag(sync=True)
    weights = traitlets.Bytes(help="each layer's weight and bias in torch's order").tag(sync=True)
    dtype = traitlets.Unicode(help="the type of `weights` and `codes`").tag(sync=True)
    shape: traitlets.List[int] = traitlets.List(help="channels, height, width").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="black and white").tag(sync=True)
    images = traitlets.Bytes(help="uint8 (N, channels, h, w)").tag(sync=True)
    codes = traitlets.Bytes(help="(N, k)").tag(sync=True)
    view = traitlets.Dict(help="the class of each image, name and steps").tag(sync=True)
    first = traitlets.Int(help="the image to start from").tag(sync=True)
    second = traitlets.Int(help="the image to end at").tag(sync=True)
    t = traitlets.Float(help="where on the path, from 0 to 1").tag(sync=True)
    great_circle = traitlets.Bool(help="the great circle, or the straight line").tag(sync=True)
    z = traitlets.List(traitlets.Float(), help="the code on show, from the page").tag(sync=True)
    smooth = traitlets.Bool().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        decoder: nn.Sequential,
        images: Tensor,
        codes: Tensor,
        labels: Tensor,
        *,
        first: int = 0,
        second: int = 1,
        t: float = 0.5,
        great_circle: bool = False,
        steps: int = 9,
        classes: Sequence[str] | None = None,
        name: str = "test digit",
        limits: tuple[float, float] | None = None,
        smooth: bool = False,
        title: str = "",
        dtype: torch.dtype = torch.float16,
    ) -> None:
        z = encoded.codes("codes", codes, "(N, k)")
        if len(z) > 24:
            raise ValueError(f"codes: expected at most 24 of them, got {len(z)}")
        found, names = encoded.classes(labels, len(z), classes, 1000)
        checks.floating("images", images, "N C h w", finite=True)
        checks.texts(name=name, title=title)
        checks.flags(great_circle=great_circle, smooth=smooth)
        shape = (int(images.shape[-2]), int(images.shape[-1]))
        net = image_network("decoder", decoder, z.shape[1], shape, dtype)
        for end, n in (("first", first), ("second", second)):
            checks.count(end, n, 0, len(z) - 1)
        checks.number("t", t, 0, 1)
        checks.count("steps", steps, 2, 15)
        limits = limited(limits, net["limits"])
        packed = z.astype("<f2" if dtype == torch.float16 else "<f4")
        if not np.isfinite(packed).all():
            raise ValueError(f"codes: expected numbers that are finite in {dtype}, got larger ones")
        super().__init__(
            layers=net["layers"],
            weights=net["weights"],
            dtype=str(dtype).removeprefix("torch."),
            shape=list(net["size"]),
            limits=[float(v) for v in limits],
            images=encoded.pixels(images, net["size"], limits, len(z), 8),
            codes=packed.tobytes(),
            view={"classes": [names[n] for n in found], "name": name, "steps": steps},
            first=first,
            second=second,
            t=float(t),
            great_circle=great_circle,
            z=[float(v) for v in packed[first]],
            smooth=smooth,
            title=title,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        count = len(self.weights) // np.dtype(self.dtype).itemsize
        size = " x ".join(str(n) for n in self.shape)
        return (
            f"CodeInterpolator({len(self.view['classes'])} codes, {len(self.z)} -> {size}, "
            f"{count:,} parameters, {self.dtype})"
        )
