r"""Two densities that the reader moves, and every divergence between them.

:math:`D_f(p \| q) = \int q\, f(p/q)\, dx` is a number; the widget draws the integrand too, so that
one
sees where on the line it comes from. All rows of `gannotes.divergences.F_DIVERGENCES`, Minka's
:math:`D_\alpha` and the halved Jensen-Shannon are computed in the page (`divergences.js`), by the
trapezoidal rule in :math:`u` with :math:`x = \sinh u`, which reaches the slowest Gaussian tail;
where the tail
itself makes the integral infinite the table says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from torch.distributions import Distribution

from gannotes import checks
from gannotes.widgets.bundle import bundle
from gannotes.widgets.densities import Density, describe, formula, inside, interval

_HERE = Path(__file__).parent
_ROWS = (
    *("kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey"),
    *("jensen_shannon", "half_jensen_shannon", "gan", "total_variation", "alpha"),
)
_ALPHA = (-2, 3)


class DivergenceExplorer(anywidget.AnyWidget):
    r"""Move two densities; see :math:`\int q\, f(p/q)\, dx` for every row; fit one to the other.

    Slide: f-GAN / Divergence measures (E44-E48), f-divergences and conjugate duals (T01).

    "Fit q" moves the parameters of :math:`q` to the nearest minimum of the chosen divergence, by
    Nelder
    and Mead's simplex from where :math:`q` is, within the sliders' ranges: means from -4 to 4,
    deviations
    from 0.2 to 4, the weight of a second component from 0.05 to 0.95. The traits `p`, `q`, `a`
    (Minka's :math:`\alpha`) and `row` follow in both directions.

    Args:
        p: a `Normal` or a mixture of two, such as `gannotes.data.mixture_1d` makes.
        q: the same; the one that "Fit q" moves.
        others: name -> `(p, q)`, further pairs that a menu offers besides the first.
        name: the first pair's name in that menu.
        row: the divergence drawn first: a key of `F_DIVERGENCES`, "half_jensen_shannon" or "alpha".
        a: Minka's :math:`\alpha`, from -2 to 3.
        limits: the interval that is drawn; the integrals run over the whole line.
        title: a heading.

    Raises:
        TypeError: for a distribution that is no Gaussian and no mixture of Gaussians.
        ValueError: for a number outside its range, or an unknown row.

    Example:
        >>> from torch.distributions import Normal
        >>> DivergenceExplorer(Normal(-1.0, 1.0), Normal(1.0, 1.5), row="alpha", a=2.0)
        DivergenceExplorer(p = N(-1, 1^2), q = N(1, 1.5^2), alpha)
    """

    _entry = "divergence_explorer.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    p = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    q = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    a = traitlets.Float(help="Minka's alpha").tag(sync=True)
    row = traitlets.Unicode(help="the divergence that is drawn").tag(sync=True)
    pairs: traitlets.List[Any] = traitlets.List(help="name, p and q of each choice").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the interval that is drawn").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        p: Distribution,
        q: Distribution,
        *,
        others: Mapping[str, tuple[Distribution, Distribution]] | None = None,
        name: str = "first pair",
        row: str = "kl",
        a: float = 0.5,
        limits: tuple[float, float] = (-6.0, 6.0),
        title: str = "",
    ) -> None:
        checks.one_of("row", row, _ROWS)
        checks.number("a", a, *_ALPHA)
        checks.kind("name", name, str)
        checks.kind("title", title, str)
        for pair in checks.kind("others", others or {}, Mapping).values():
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ValueError(f"others: expected pairs (p, q), got {pair!r}")
        pairs = [
            {"name": key, "p": _density("p", first), "q": _density("q", second)}
            for key, (first, second) in {name: (p, q), **(others or {})}.items()
        ]
        super().__init__(
            p=pairs[0]["p"],
            q=pairs[0]["q"],
            a=float(a),
            row=row,
            pairs=pairs,
            limits=interval("limits", limits),
            title=title,
        )

    def __repr__(self) -> str:
        """The densities and the row, never an address: a committed notebook compares it."""
        return f"DivergenceExplorer(p = {formula(self.p)}, q = {formula(self.q)}, {self.row})"


def _density(name: str, p: Distribution) -> Density:
    ranges = {"means": (-4.0, 4.0), "sds": (0.2, 4.0), "weights": (0.05, 0.95)}
    return inside(name, describe(name, p), **ranges)
