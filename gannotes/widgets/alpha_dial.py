r"""One dial, :math:`\alpha`: the Gaussian that a divergence chooses, and the mistakes it makes.

.. math:: q_\alpha = \arg\min_{\mu, \sigma} D_\alpha\big[p \,\|\, N(\mu, \sigma^2)\big]

For a mixture there are several local minima. A fit that follows one of them while :math:`\alpha`
turns slides with it, and jumps where it ceases to exist.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from torch.distributions import Distribution

from gannotes import checks
from gannotes.widgets.bundle import bundle
from gannotes.widgets.densities import describe, formula, inside, interval

_HERE = Path(__file__).parent
_RANGES = {"means": (-4.0, 4.0), "sds": (0.2, 4.0), "weights": (0.05, 0.95)}


class AlphaDial(anywidget.AnyWidget):
    r"""Turn :math:`\alpha`; the best Gaussian follows, and two meters say what is wrong with it.

    *Missed* is the share of the data at points to which :math:`q` gives less than a tenth of their
    density, *made up* the share of its samples to which :math:`p` does:

    .. math:: \int p\, 1[q < p / 10]\, dx, \qquad \int q\, 1[p < q / 10]\, dx .

    The fit is a local search, from the last minimum and in steps of 0.05: it slides, or jumps. The
    picture below shows where its mean has been. Everything is computed in the page; with a kernel
    the traits `p`, `q` and `a` follow in both directions.

    Slide: f-GAN / Divergence measures (E44, E45, F07).

    Args:
        p: a `Normal` or a mixture of two, such as `gannotes.data.mixture_1d` makes.
        others: name -> density, further choices that a menu offers.
        name: the first density's name in that menu.
        a: the :math:`\alpha` to begin with, from -2 to 3; the fit comes from 3.
        limits: the interval that is drawn.
        title: a heading.

    Raises:
        TypeError: for a distribution that is no Gaussian and no mixture of Gaussians.
        ValueError: for a number outside its range.

    Example:
        >>> from gannotes.data import mixture_1d
        >>> AlphaDial(mixture_1d([0.3, 0.7], [-3.0, 3.0], [0.5, 1.0]))
        AlphaDial(p = 0.3 N(-3, 0.5^2) + 0.7 N(3, 1^2), alpha = 1)
    """

    _entry = "alpha_dial.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    p = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    q = traitlets.Dict(help="weights, means and sds of the Gaussian").tag(sync=True)
    a = traitlets.Float(help="Minka's alpha").tag(sync=True)
    pairs: traitlets.List[Any] = traitlets.List(help="name and p of each choice").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the interval that is drawn").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        p: Distribution,
        *,
        others: Mapping[str, Distribution] | None = None,
        name: str = "first density",
        a: float = 1.0,
        limits: tuple[float, float] = (-6.0, 7.0),
        title: str = "",
    ) -> None:
        checks.number("a", a, -2, 3)
        checks.texts(name=name, title=title)
        choices = {name: p, **checks.kind("others", others or {}, Mapping)}
        pairs = [
            {"name": key, "p": inside("p", describe("p", law), **_RANGES)}
            for key, law in choices.items()
        ]
        super().__init__(
            p=pairs[0]["p"],
            q={"weights": [1.0], "means": [0.0], "sds": [3.0]},
            a=float(a),
            pairs=pairs,
            limits=interval("limits", limits),
            title=title,
        )

    def __repr__(self) -> str:
        """The density and the dial, never an address: a committed notebook compares it."""
        return f"AlphaDial(p = {formula(self.p)}, alpha = {self.a:g})"
