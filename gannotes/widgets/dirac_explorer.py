r"""The smallest GAN, played: data at 0, a sample at :math:`\theta`, a critic :math:`\psi x`.

.. math:: V(\theta, \psi) = \log \sigma(0) + \log \sigma(-\psi \theta) - \gamma \psi^2

The critic ascends :math:`V`, the generator descends it. Around the equilibrium a round is a linear
map, and whether it leads there is a question of its eigenvalues.
"""

from pathlib import Path

import anywidget
import traitlets

from gannotes import checks
from gannotes.widgets.bundle import bundle

_HERE = Path(__file__).parent


class DiracExplorer(anywidget.AnyWidget):
    r"""Click a start, turn rates and penalty; see the rounds, and the eigenvalues of one round.

    With :math:`a = \eta_\theta / 2`, :math:`b = \eta_\psi / 2` and :math:`c = 2 \gamma \eta_\psi`
    the state :math:`(\theta, \psi)` is multiplied, near the equilibrium, by

    .. math::

        \begin{pmatrix} 1 & a \\ -b & 1 - c \end{pmatrix}
        \quad\text{(together)}, \qquad
        \begin{pmatrix} 1 - ab & a (1 - c) \\ -b & 1 - c \end{pmatrix}
        \quad\text{(in turn, the critic first)} .

    All of it runs in the page. With a kernel the traits `start`, `eta`, `gamma`, `in_turn` and
    `flip` follow in both directions.

    Slide: beyond the deck (the Dirac-GAN of Mescheder et al. 2018).

    Args:
        start: :math:`(\theta, \psi)` before the first round, from -2 to 2 each.
        eta: the rates of the generator and of the critic, from 0.02 to 2.
        gamma: the weight of both penalties on the critic's slope, from 0 to 1.5.
        in_turn: whether the generator sees the critic that has just moved.
        flip: whether the generator ascends the flipped value in place of descending the value.
        rounds: how many rounds are drawn.
        title: a heading.

    Raises:
        TypeError: for an argument of another type.
        ValueError: for a number outside its range.

    Example:
        >>> DiracExplorer(eta=(0.2, 0.2), gamma=0.3, in_turn=True)
        DiracExplorer((0.8, 0.0), eta (0.2, 0.2), gamma 0.3, in turn)
    """

    _entry = "dirac_explorer.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    start: traitlets.List[float] = traitlets.List(help="theta and psi").tag(sync=True)
    eta: traitlets.List[float] = traitlets.List(help="of generator and critic").tag(sync=True)
    gamma = traitlets.Float(help="the weight of the penalties").tag(sync=True)
    in_turn = traitlets.Bool(help="the critic first, then the generator").tag(sync=True)
    flip = traitlets.Bool(help="whether the generator's classes are flipped").tag(sync=True)
    rounds = traitlets.Int(help="how many are drawn").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        *,
        start: tuple[float, float] = (0.8, 0.0),
        eta: tuple[float, float] = (0.2, 0.2),
        gamma: float = 0.0,
        in_turn: bool = False,
        flip: bool = False,
        rounds: int = 150,
        title: str = "",
    ) -> None:
        for name, pair, ends in (("start", start, (-2, 2)), ("eta", eta, (0.02, 2))):
            if len(checks.kind(name, pair, tuple, list, wanted="a pair of numbers")) != 2:
                raise ValueError(f"{name}: expected two numbers, got {len(pair)}")
            for v in pair:
                checks.number(name, v, *ends)
        checks.number("gamma", gamma, 0, 1.5)
        checks.flags(in_turn=in_turn, flip=flip)
        checks.count("rounds", rounds, 1, 2000)
        checks.texts(title=title)
        super().__init__(
            start=[float(v) for v in start],
            eta=[float(v) for v in eta],
            gamma=float(gamma),
            in_turn=in_turn,
            flip=flip,
            rounds=rounds,
            title=title,
        )

    def __repr__(self) -> str:
        """The settings, never an address: a committed notebook compares it."""
        order = ("in turn" if self.in_turn else "together") + (", flipped" if self.flip else "")
        rates = f"eta {tuple(self.eta)}, gamma {self.gamma:g}"
        return f"DiracExplorer({tuple(self.start)}, {rates}, {order})"
