r"""A latent plane as a map: point at it, and the decoder draws what lies there.

A decoder with two latent dimensions is a picture of its data: each point of the plane is an image.
The map has equal areas. In the coordinates :math:`u = \Phi(z)`, each uniform on :math:`(0, 1)` when
:math:`z \sim N(0, I)`, a cell of the square holds as much of the prior as any other cell of its
size, and the
mid-points of :math:`n \times n` cells are `gannotes.distributions.latent_grid`.
"""

from collections.abc import Sequence
from math import ceil
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


class LatentMap(anywidget.AnyWidget):
    r"""Point at the latent plane and see :math:`x = G_\theta(z)`, among encoded test images.

    .. math::

        z = \big(\Phi^{-1}(u_1),\; \Phi^{-1}(u_2)\big), \qquad u \in (0, 1)^2

    The first coordinate grows to the right, the second upwards. In the map's background the decoder
    draws the mid-points of `cells` times `cells` cells, in the foreground lie the codes of test
    images, coloured by their class. A switch straightens the axes: equal steps of :math:`z` instead
    of equal shares of the prior.

    Pointing, dragging, touching, the arrow keys and two sliders choose :math:`z`. All of it runs in
    the
    page, without a kernel; with one, the trait `z` follows in both directions.

    Slide: VAE / Structure of the latent space (E66, F09), with the erratum X18.

    Args:
        decoder: the chain of layers from two numbers to an image, as `LatentExplorer` takes it. A
            decoder that returns logits needs its last function:
            `nn.Sequential(*vae.decoder.net, nn.Sigmoid())`.
        z: codes of test images, `(N, 2)`; a few hundred are enough to see the classes.
        labels: their classes, `(N,)`, whole numbers from 0 to 9.
        images: the test images themselves, `(N, 1, h, w)`: then the nearest one is shown beside the
            decoded one. In the page they have sixteen grey levels, half a byte for each pixel.
        classes: the names of the classes, at most ten; their numbers without it.
        name: what a sentence calls a test image.
        cells: the sheet in the background has `cells` times `cells` images; 0 for none.
        quantiles: whether to start with the coordinates :math:`\Phi(z)` instead of :math:`z`.
        limit: where the sliders and the plain axes end; 3, or what 99 of 100 codes need.
        point: the code to start from.
        shape: `(h, w)` of a flat output.
        limits: the output values shown as black and white; `(-1, 1)` after a final Tanh, otherwise
            `(0, 1)`.
        smooth: whether to blend neighbouring pixels when an image is enlarged.
        title: a heading.
        dtype: `torch.float16` or `torch.float32`, the precision of the weights in the page.

    Raises:
        TypeError: for a layer that the browser does not know, or codes that are no tensor.
        ValueError: if the decoder does not make images of two numbers, or if codes, labels and
            images do not belong together.

    Example:
        >>> G = nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Unflatten(-1, (1, 4, 4)))
        >>> LatentMap(G, torch.randn(50, 2), torch.arange(50) % 10)
        LatentMap(2 -> 1 x 4 x 4, 48 parameters, float16, 50 codes of 10 classes)
    """

    _entry = "latent_map.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    layers: traitlets.List[Any] = traitlets.List(help="the layers, without numbers").tag(sync=True)
    weights = traitlets.Bytes(help="each layer's weight and bias in torch's order").tag(sync=True)
    dtype = traitlets.Unicode(help="the type of `weights`").tag(sync=True)
    shape: traitlets.List[int] = traitlets.List(help="channels, height, width").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="black and white").tag(sync=True)
    points = traitlets.Bytes(help="float16 (N, 2)").tag(sync=True)
    labels = traitlets.Bytes(help="uint8 (N,)").tag(sync=True)
    images = traitlets.Bytes(help="half a byte a pixel, (N, channels, h, w), or none").tag(
        sync=True
    )
    view = traitlets.Dict(help="classes, name, cells and limit").tag(sync=True)
    z = traitlets.List(traitlets.Float(), help="the code on show").tag(sync=True)
    quantiles = traitlets.Bool(True, help="whether the axes are those of Phi(z)").tag(sync=True)
    sheet = traitlets.Bool(True, help="whether the decoded sheet is drawn").tag(sync=True)
    only = traitlets.Int(-1, help="the class that is shown alone, or -1").tag(sync=True)
    smooth = traitlets.Bool().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        decoder: nn.Sequential,
        z: Tensor,
        labels: Tensor,
        images: Tensor | None = None,
        *,
        classes: Sequence[str] | None = None,
        name: str = "test digit",
        cells: int = 14,
        quantiles: bool = True,
        limit: float | None = None,
        point: tuple[float, float] = (0.0, 0.0),
        shape: tuple[int, int] | None = None,
        limits: tuple[float, float] | None = None,
        smooth: bool = False,
        title: str = "",
        dtype: torch.dtype = torch.float16,
    ) -> None:
        codes = encoded.codes("z", z, "(N, 2)", 2)
        found, names = encoded.classes(labels, len(codes), classes, 10)
        net = image_network("decoder", decoder, 2, shape, dtype)
        checks.count("cells", cells, 0, 64)
        checks.texts(name=name, title=title)
        checks.flags(quantiles=quantiles, smooth=smooth)
        reach = _reach(codes) if limit is None else checks.positive("limit", limit, 6)
        if len(checks.kind("point", point, tuple, list, wanted="a pair of numbers")) != 2:
            raise ValueError(f"point: expected two numbers, got {len(point)}")
        for v in point:
            checks.number("point", v, -reach, reach)
        limits = limited(limits, net["limits"])
        shown = None if images is None else (images, net["size"], limits, len(codes), 4)
        super().__init__(
            layers=net["layers"],
            weights=net["weights"],
            dtype=str(dtype).removeprefix("torch."),
            shape=list(net["size"]),
            limits=[float(v) for v in limits],
            points=codes.clip(-60, 60).astype("<f2").tobytes(),
            labels=bytes(found),
            images=b"" if shown is None else encoded.pixels(*shown),
            view={"classes": names, "name": name, "cells": cells, "limit": reach},
            z=[float(v) for v in point],
            quantiles=quantiles,
            sheet=cells > 0,
            smooth=smooth,
            title=title,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        count = len(self.weights) // np.dtype(self.dtype).itemsize
        size = " x ".join(str(n) for n in self.shape)
        return (
            f"LatentMap(2 -> {size}, {count:,} parameters, {self.dtype}, {len(self.labels)} codes "
            f"of {len(self.view['classes'])} classes)"
        )


def _reach(codes: np.ndarray) -> float:
    """Three deviations of the prior, or the half that is next to what 99 of 100 codes need."""
    furthest = np.abs(codes).max(axis=1)
    return min(6.0, max(3.0, ceil(2 * np.quantile(furthest, 0.99)) / 2))
