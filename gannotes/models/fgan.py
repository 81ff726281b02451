r"""f-GAN: any f-divergence as the game, one row of the table each.

A generator :math:`G_\theta` pushes noise to samples, a critic returns a raw output
:math:`v_\omega(x)`, and the row's activation :math:`h_f` brings it into the domain of the
conjugate, :math:`t_\omega = h_f(v_\omega)`. The game is

.. math::

    \min_\theta \max_\omega\; L(\theta, \omega) = E_p[h_f(v_\omega(x))]
        - E_{p_0}[f^*(h_f(v_\omega(G_\theta(z))))] \;\le\; D_f(p \| p_\theta).

The critic ascends towards the divergence, with equality at :math:`h_f(v^*) = f'(p/p_\theta)`, and
the generator descends what it finds there. With the row `GAN` this is the model of
`gannotes.models.gan`; another divergence is another row, and nothing else changes.

Reference: Nowozin, Cseke and Tomioka, *f-GAN: Training Generative Neural Samplers using
Variational Divergence Minimization*, 2016 (arXiv 1606.00709).
"""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes.bounds import variational
from gannotes.checks import applied, floating, laws, networks, one_per_point, shaped, size
from gannotes.divergences import FDivergence
from gannotes.optim import ascend, descend, descend_ascend, owners


class FGAN(nn.Module):
    r"""A generator :math:`G`, a critic :math:`V`, a base distribution :math:`p_0`, a divergence.

    Slide: f-GAN / Sample based divergence minimisation (E50, I19, I20).

    Args:
        G: maps noise `(..., N, k)` to samples `(..., N, *data)`.
        V: maps samples to raw outputs `(..., N)`; no output activation, the row has it.
        p_0: the base distribution, event shape `(k,)`.
        f: a row of the table, `gannotes.divergences.F_DIVERGENCES` or one of your own.

    Raises:
        TypeError: if `f` is not an `FDivergence`.

    Example:
        >>> from gannotes import distributions, divergences, nets
        >>> G, V, p_0 = nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2)
        >>> FGAN(G, V, p_0, divergences.JEFFREY).sample(5).shape
        torch.Size([5, 1])
    """

    def __init__(self, G: nn.Module, V: nn.Module, p_0: Distribution, f: FDivergence) -> None:
        networks(G=G, V=V)
        laws(p_0=p_0)
        super().__init__()
        self.G = G
        self.V = V
        self.p_0 = p_0
        self.f = f
        self.bound = variational(f)

    def sample(self, n: int | tuple[int, ...]) -> Tensor:
        r"""Draw :math:`x' = G_\theta(z)`, :math:`z \sim p_0`.

        Slide: Learn a random number generator (E05).

        Args:
            n: the number of samples, or `(S, N)` with replicas.

        Returns:
            Samples `(n, *data)`.
        """
        return applied("G", self.G, self.p_0.sample(size("n", n)))

    def value(self, x: Tensor, flip: bool = False) -> Tensor:
        r"""The bound on a batch, :math:`\hat L(\theta, \omega)`; flipped, with the samples swapped.

        Slide: f-GAN practical considerations (E50, E52), with the errata X30, X32 and X33.

        Args:
            x: data `(..., N, *data)`.
            flip: whether to swap the two samples; ascended by the generator, this is the
                step of the paper that raises :math:`E[h_f(v(G(z)))]`.

        Returns:
            The value, `()` or one per replica `(S,)`.

        Raises:
            TypeError: if `x` is no floating-point tensor.
            ValueError: if `V` does not give one number per point, or if `G` makes samples of
                another shape than the data.
        """
        v_p = one_per_point("V", applied("x", self.V, floating("x", x)), x)
        v_q = self.V(shaped("G", self.sample(v_p.shape), x.shape))
        return self.bound(v_q, v_p) if flip else self.bound(v_p, v_q)

    def is_data(self, x: Tensor) -> Tensor:
        r"""Where the critic takes :math:`x` for data: :math:`t_\omega(x) > f'(1)`.

        :math:`f'` increases, so :math:`t^* = f'(p/p_\theta)` exceeds :math:`f'(1)` exactly where
        :math:`p > p_\theta`.

        Slide: f-divergences and conjugate duals (E51, T01); beyond the deck (I18).

        Args:
            x: points `(..., N, *data)`.

        Returns:
            Booleans `(..., N)`.
        """
        v = one_per_point("V", applied("x", self.V, floating("x", x)), x)
        t = self.f.activation(v)
        return t > self.f.f_prime(torch.ones_like(t))


def step(fgan: FGAN, x: Tensor, theta: Optimizer, omega: Optimizer) -> dict[str, Tensor]:
    r"""Both players move from the same iterate, after a single back-propagation.

    Slide: f-GAN practical considerations (E53, A05).

    Args:
        fgan: the model.
        x: a batch of data `(..., N, *data)`.
        theta: the optimiser of `fgan.G`.
        omega: the optimiser of `fgan.V`.

    Returns:
        The value before the move.

    Raises:
        FloatingPointError: if the value or a gradient is not finite; no parameter was touched.
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, or a network returns another shape.

    Example:
        >>> from gannotes import distributions, divergences, nets
        >>> G, V, p_0 = nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2)
        >>> fgan = FGAN(G, V, p_0, divergences.SQUARED_HELLINGER)
        >>> theta, omega = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (G, V))
        >>> step(fgan, torch.randn(32, 1), theta, omega)["value"].shape
        torch.Size([])
    """
    owners(theta=(theta, fgan.G), omega=(omega, fgan.V))
    return {"value": descend_ascend(theta, omega, fgan.value(x))}


def step_alternating(
    fgan: FGAN, x: Tensor, theta: Optimizer, omega: Optimizer, flip: bool = True
) -> dict[str, Tensor]:
    r"""The critic ascends the value, then the generator meets the critic that has moved.

    The flip changes what is minimised. At the best critic the generator of the row
    :math:`D_\alpha` then descends :math:`D_{\alpha - 1}`, up to a factor: KL(q || p) in place of
    KL(p || q), half of Neyman's divergence in place of KL(q || p). Only the optimum p = q of an
    unrestricted generator is the same.

    Slide: GAN / Training Algorithm (A01, A02, I04, I05), for any f-divergence.

    Args:
        fgan: the model.
        x: a batch of data `(..., N, *data)`.
        theta: the optimiser of `fgan.G`.
        omega: the optimiser of `fgan.V`.
        flip: whether the generator ascends the flipped value; otherwise it descends the value
            itself, whose gradient can vanish where the critic is sure (it saturates).

    Returns:
        The value before the critic's move.

    Raises:
        FloatingPointError: if a value or a gradient is not finite; the player was not moved.
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, or a network returns another shape;
            nothing has moved.

    Example:
        >>> from gannotes import distributions, divergences, nets
        >>> G, V, p_0 = nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2)
        >>> fgan = FGAN(G, V, p_0, divergences.SQUARED_HELLINGER)
        >>> theta, omega = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (G, V))
        >>> list(step_alternating(fgan, torch.randn(32, 1), theta, omega, flip=False))
        ['value']
    """
    owners(theta=(theta, fgan.G), omega=(omega, fgan.V))
    value = ascend(omega, fgan.value(x))
    if flip:
        ascend(theta, fgan.value(x, flip=True))
    else:
        descend(theta, fgan.value(x))
    return {"value": value}
