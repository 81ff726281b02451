r"""Generative adversarial nets: learn a sampler by asking a classifier.

A generator pushes noise through a network, :math:`x' = G_\theta(z)` with :math:`z \sim p_0`. A critic :math:`D_\phi` is trained
to tell data (class 1) from :math:`x'` (class 0). Its value

.. math::

    V(\theta, \phi) = E_p[\log D_\phi(x)] + E_{p_0}[\log(1 - D_\phi(G_\theta(z)))], \qquad
    D_\phi = \sigma(r_\phi),

is at most :math:`2\,\mathrm{JS}(p, p_\theta) - \log 4`, with equality at :math:`r^* = \log p - \log p_\theta`. So the critic
ascends :math:`V` towards a divergence, and the generator descends what it finds there. Any other bound of
`gannotes.bounds` gives another model: LS-GAN is `GAN(G, D, p_0, bound=least_squares)`.

Reference: Goodfellow et al., *Generative Adversarial Nets*, 2014 (arXiv 1406.2661).
"""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes.bounds import Bound, bernoulli
from gannotes.optim import ascend


class GAN(nn.Module):
    r"""A generator :math:`G`, a critic :math:`D` that returns raw outputs, a base distribution :math:`p_0` and a bound.

    With labels :math:`u` the model is conditional: :math:`G(z, u)` and :math:`D(x, u)` learn :math:`p(x \mid u)` from pairs.

    Slide: Generative Adversarial Nets (E05, E14, E22, I01).

    Args:
        G: maps noise `(..., N, k)` to samples `(..., N, *data)`.
        D: maps samples to raw outputs `(..., N)`.
        p_0: the base distribution, event shape `(k,)`.
        bound: the game: a function of the raw outputs on data and on generated samples.

    Example:
        >>> from gannotes import distributions, nets
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2))
        >>> gan.sample(5).shape
        torch.Size([5, 1])
    """

    def __init__(
        self, G: nn.Module, D: nn.Module, p_0: Distribution, bound: Bound = bernoulli
    ) -> None:
        super().__init__()
        self.G = G
        self.D = D
        self.p_0 = p_0
        self.bound = bound

    def sample(self, n: int | tuple[int, ...], u: Tensor | None = None) -> Tensor:
        r"""Draw :math:`x' = G_\theta(z)`, :math:`z \sim p_0`.

        Slide: Learn a random number generator (E05).

        Args:
            n: the number of samples, or `(S, N)` with replicas.
            u: labels `(N, ...)` of a conditional model.

        Returns:
            Samples `(n, *data)`.
        """
        z = self.p_0.sample(torch.Size((n,) if isinstance(n, int) else n))
        return self.G(z) if u is None else self.G(z, u)

    def value(self, x: Tensor, flip: bool = False, u: Tensor | None = None) -> Tensor:
        r"""The bound on a batch, :math:`\hat V`; flipped, with data and generated samples swapped.

        Slide: Optimisation, step 2 (E23); GAN / Training Algorithm, "flip to fix" (E27, I04).

        Args:
            x: data `(..., N, *data)`.
            flip: whether to swap the two classes; ascended by the generator, this is the non-saturating loss.
            u: labels `(N, ...)` of a conditional model, the same for data and generated samples.

        Returns:
            The value, `()` or one per replica `(S,)`.
        """
        v_p = self.D(x) if u is None else self.D(x, u)
        x_q = self.sample(tuple(v_p.shape), u)
        v_q = self.D(x_q) if u is None else self.D(x_q, u)
        return self.bound(v_q, v_p) if flip else self.bound(v_p, v_q)


def step(gan: GAN, x: Tensor, theta: Optimizer, phi: Optimizer, K: int = 1) -> dict[str, Tensor]:
    r"""Stochastic gradient ascent of the critic, :math:`K` times, then one flipped move of the generator.

    Slide: GAN / Training Algorithm (A01, A02, E24, E27); its sign error is erratum X04.

    Args:
        gan: the model.
        x: a batch of data `(..., N, *data)`; every ascent draws fresh noise.
        theta: the optimiser of `gan.G`.
        phi: the optimiser of `gan.D`.
        K: the number of critic steps per generator step.

    Returns:
        The last critic value, before its move.
    """
    for _ in range(K):
        value = ascend(phi, gan.value(x))
    ascend(theta, gan.value(x, flip=True))
    return {"value": value}
