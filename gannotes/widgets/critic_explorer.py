r"""The bound of the f-GAN for a critic that the reader bends.

:math:`E_p[h_f(v)] - E_q[f^*(h_f(v))] \le D_f(p \| q)` for every function :math:`v`. Here both
densities are
known, :math:`v` is a piecewise cubic, and `critic_explorer.js` computes both sides by quadrature on
one
grid; the difference of the two integrands is drawn, so that one sees where the critic loses.
"""

import math
from pathlib import Path

import anywidget
import torch
import traitlets
from torch.distributions import Distribution

from gannotes import checks
from gannotes.widgets.bundle import bundle
from gannotes.widgets.densities import Density, describe, formula, interval

_HERE = Path(__file__).parent
_ROWS = (
    *("kl", "reverse_kl", "pearson", "neyman", "squared_hellinger", "jeffrey"),
    *("jensen_shannon", "gan", "total_variation", "alpha(0.5)"),
)


class CriticExplorer(anywidget.AnyWidget):
    r"""Bend a critic; see :math:`E_p[t] - E_q[f^*(t)]`, t = h_f(v), stay below :math:`D_f(p \| q)`.

    Slide: f-GAN / Sample based divergence minimisation (E49), practical considerations (E52, T02).

    The critic is Catmull and Rom's cubic between its knots and constant beyond the outer ones. A
    knot is a slider that stands in the picture: the pointer drags it, the arrow keys move it.
    "Ascend" moves all knots along the exact gradient of the bound, at a rate of 4, halved until the
    bound rises; "Follow t*" puts them where the bound is largest, by Newton's steps from
    :math:`v^*`, where :math:`h_f(v^*) = f'(p/q)`, as far as the axis reaches. "Reset" puts them on
    zero. The traits `v` and `f` follow in both directions.

    Args:
        p: a `Normal` or a mixture of two, such as `gannotes.data.mixture_1d` makes.
        q: the same.
        f: the first divergence: a key of `F_DIVERGENCES`, or "alpha(0.5)".
        v: the critic's first values at the knots, `(knots,)`; zero without it.
        knots: the number of knots, evenly spread over `limits`.
        limits: the interval that is drawn; without it, 2.5 deviations around each component.
        outputs: the smallest and the largest value of a knot.
        title: a heading.

    Raises:
        TypeError: for a distribution that is no Gaussian and no mixture of Gaussians.
        ValueError: for an unknown divergence, or a number outside its range.

    Example:
        >>> from torch.distributions import Normal
        >>> CriticExplorer(Normal(-1.0, 1.0), Normal(1.0, 1.5), f="gan")
        CriticExplorer(p = N(-1, 1^2), q = N(1, 1.5^2), gan, 18 knots)
    """

    _entry = "critic_explorer.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    p = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    q = traitlets.Dict(help="weights, means and sds").tag(sync=True)
    f = traitlets.Unicode(help="the divergence").tag(sync=True)
    x: traitlets.List[float] = traitlets.List(help="the places of the knots").tag(sync=True)
    v: traitlets.List[float] = traitlets.List(help="the critic there").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the interval that is drawn").tag(sync=True)
    outputs: traitlets.List[float] = traitlets.List(help="the range of v").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        p: Distribution,
        q: Distribution,
        *,
        f: str = "kl",
        v: torch.Tensor | None = None,
        knots: int = 18,
        limits: tuple[float, float] | None = None,
        outputs: tuple[float, float] = (-5.0, 5.0),
        title: str = "",
    ) -> None:
        checks.one_of("f", f, _ROWS)
        checks.count("knots", knots, 2, 25)
        checks.kind("title", title, str)
        low, high = interval("outputs", outputs)
        first, second = describe("p", p), describe("q", q)
        ends = interval("limits", limits) if limits is not None else _reach(first, second)
        values = torch.zeros(knots) if v is None else v
        checks.floating("v", values, str(knots), finite=True)
        if not low <= 0 <= high or not ((values >= low) & (values <= high)).all():
            raise ValueError(f"outputs: expected to hold 0 and v, got ({low}, {high})")
        step = (ends[1] - ends[0]) / knots
        super().__init__(
            p=first,
            q=second,
            f=f,
            x=[round(ends[0] + (k + 0.5) * step, 12) for k in range(knots)],
            v=[round(u, 6) for u in values.detach().double().tolist()],
            limits=ends,
            outputs=[low, high],
            title=title,
        )

    def __repr__(self) -> str:
        """The densities and the divergence, never an address: a committed notebook compares it."""
        densities = f"p = {formula(self.p)}, q = {formula(self.q)}"
        return f"CriticExplorer({densities}, {self.f}, {len(self.x)} knots)"


def _reach(p: Density, q: Density) -> list[float]:
    """At least 2.5 deviations around each component, in whole numbers."""
    parts = [(m, s) for d in (p, q) for m, s in zip(d["means"], d["sds"], strict=True)]
    low, high = min(m - 2.5 * s for m, s in parts), max(m + 2.5 * s for m, s in parts)
    return [float(math.floor(low)), float(math.ceil(high))]
