r"""A generator on the line as a curve with knots: bend it, and see where its samples go.

.. math:: q(x) = \sum_{z:\, G(z) = x} \frac{p_0(z)}{|G'(z)|}, \qquad z \sim N(0, 1)

Between its knots the curve is straight, like a network of rectified linear units on the line, and
so the density is exact: no histogram, and no derivative but a slope.
"""

from pathlib import Path

import anywidget
import torch
import traitlets
from torch import Tensor
from torch.distributions import Distribution

from gannotes import checks
from gannotes.widgets.bundle import bundle
from gannotes.widgets.densities import describe, formula, interval

_HERE = Path(__file__).parent


class GeneratorBender(anywidget.AnyWidget):
    r"""Drag the knots of :math:`G`; samples and their density follow.

    Forty numbers of noise go up to the curve and to the right, as samples. Where the curve is
    steep they part, where it is flat they crowd; a level piece makes one number again and again,
    and where the curve turns back several :math:`z` make the same :math:`x`. The divergence from
    the data is the halved Jensen-Shannon, by quadrature. All of it runs in the page; with a kernel
    the trait `x` follows in both directions.

    Slide: GAN / Learn a random number generator (E05).

    Args:
        p: the data: a `Normal` or a mixture of two.
        x: the heights of the knots, `(K,)`, K from 3 to 15, at equal steps of z from -2.4 to 2.4;
            without it the curve is straight, :math:`x = z`.
        limits: the interval of x that is drawn, and the range of the knots.
        title: a heading.

    Raises:
        TypeError: for a distribution that is no Gaussian and no mixture of Gaussians.
        ValueError: for knots outside the limits.

    Example:
        >>> from gannotes.data import mixture_1d
        >>> GeneratorBender(mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0]))
        GeneratorBender(p = 0.3 N(-2, 0.6^2) + 0.7 N(1.5, 1^2), 9 knots)
    """

    _entry = "generator_bender.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    p = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    z: traitlets.List[float] = traitlets.List(help="the places of the knots").tag(sync=True)
    x: traitlets.List[float] = traitlets.List(help="their heights").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the interval of x").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        p: Distribution,
        x: Tensor | None = None,
        *,
        limits: tuple[float, float] = (-5.0, 5.0),
        title: str = "",
    ) -> None:
        ends = interval("limits", limits)
        values = torch.linspace(-2.4, 2.4, 9) if x is None else checks.floating("x", x, finite=True)
        if values.ndim != 1 or not 3 <= len(values) <= 15:
            raise ValueError(f"x: expected shape (K,), K from 3 to 15, got {tuple(values.shape)}")
        if not ((values >= ends[0]) & (values <= ends[1])).all():
            raise ValueError(
                f"x: expected knots from {ends[0]} to {ends[1]}, got {values.tolist()}"
            )
        checks.texts(title=title)
        places = torch.linspace(-2.4, 2.4, len(values), dtype=torch.float64)
        super().__init__(
            p=describe("p", p),
            z=[round(v, 6) for v in places.tolist()],
            x=[round(v, 2) for v in values.detach().double().tolist()],
            limits=ends,
            title=title,
        )

    def __repr__(self) -> str:
        """The density and the knots, never an address: a committed notebook compares it."""
        return f"GeneratorBender(p = {formula(self.p)}, {len(self.x)} knots)"
