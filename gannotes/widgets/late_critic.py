r"""A bound with a learnt divergence, when the critic that learnt it stands still.

The encoder is :math:`N(\mu, \sigma^2)` with the posterior's mean, so everything is a formula of
:math:`\sigma`: the bound :math:`L`, and the number
:math:`\hat L = L + \mathrm{KL}(q_\sigma \| q_{\sigma_0})` that a critic prints which is exact for
:math:`\sigma_0` and no longer moves. `late_critic.js` draws both; the reader moves the encoder.
"""

from pathlib import Path

import anywidget
import traitlets

from gannotes import checks
from gannotes.widgets.bundle import bundle

_HERE = Path(__file__).parent
_WIDTHS = (0.02, 1.1)


class LateCritic(anywidget.AnyWidget):
    r"""Move an encoder away from the critic that judges it, and see the printed bound pass log p.

    .. math::

        L(\sigma) = \log p_\theta(x) - \mathrm{KL}(q_\sigma \,\|\, q_{\sigma^*}),
        \qquad
        \hat L(\sigma) = L(\sigma) + \mathrm{KL}(q_\sigma \,\|\, q_{\sigma_0}) .

    "Encoder ascends" takes 40 steps up :math:`\hat L` and asks no critic; "Train the critic" sets
    :math:`\sigma_0 = \sigma`; "In turn" does both after each other, 40 times. The traits `sigma`
    and `held` follow in both directions.

    Slide: AVB / step by step (E78).

    Args:
        log_p: the evidence, in nats.
        posterior: the posterior's standard deviation, from 0.02 to 1.1.
        sigma: the encoder's.
        held: the one for which the critic is exact.
        title: a heading.

    Raises:
        TypeError: for what is no number.
        ValueError: for a width outside 0.02 to 1.1.

    Example:
        >>> LateCritic(-1.54, 0.316)
        LateCritic(sigma = 0.6, the critic at 0.6)
    """

    _entry = "late_critic.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    log_p = traitlets.Float(help="the evidence").tag(sync=True)
    posterior = traitlets.Float(help="the posterior's width").tag(sync=True)
    sigma = traitlets.Float(help="the encoder's width").tag(sync=True)
    held = traitlets.Float(help="the width for which the critic is exact").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="the widths that are drawn").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        log_p: float,
        posterior: float,
        *,
        sigma: float = 0.6,
        held: float = 0.6,
        title: str = "",
    ) -> None:
        checks.number("log_p", log_p, -1000, 1000)
        for name, width in (("posterior", posterior), ("sigma", sigma), ("held", held)):
            checks.number(name, width, *_WIDTHS)
        checks.kind("title", title, str)
        super().__init__(
            log_p=float(log_p),
            posterior=float(posterior),
            sigma=float(sigma),
            held=float(held),
            limits=list(_WIDTHS),
            title=title,
        )

    def __repr__(self) -> str:
        """The two widths, never an address: a committed notebook compares it."""
        return f"LateCritic(sigma = {self.sigma:g}, the critic at {self.held:g})"
