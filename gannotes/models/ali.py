r"""Adversarially learnt inference (BiGAN): one critic of pairs for both directions.

A decoder makes pairs from codes, an encoder makes pairs from data:

.. math::

    p_\theta(x, z) = p_\theta(x \mid z)\, p_0(z), \qquad
    q_\phi(x, z) = q_\phi(z \mid x)\, \hat p(x).

Neither joint has a density that could be computed, and neither is needed: a critic :math:`D_\omega
(x, z)` that tells the encoder's pairs (class 1) from the decoder's bounds their divergence,

.. math::

    V(\theta, \phi, \omega) = E_{q_\phi}[\log D_\omega(x, z)]
        + E_{p_\theta}[\log(1 - D_\omega(x, z))]
        \;\le\; 2\,\mathrm{JS}(q_\phi, p_\theta) - \log 4,

and encoder and decoder descend it together. At :math:`-\log 4` the joints agree; then both
marginals and both conditionals do, so that the encoder is the posterior.

References: Dumoulin et al., *Adversarially learned inference*, 2017 (arXiv 1606.00704); Donahue,
Krähenbühl and Darrell, *Adversarial feature learning*, 2017 (arXiv 1605.09782).
"""

import torch  # noqa: F401, for the examples below
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes.bounds import Bound, bernoulli, squared_gradient
from gannotes.checks import applied, floating, kind, laws, networks, one_per_point, shaped, size
from gannotes.optim import ascend, owners


class ALI(nn.Module):
    r"""Encoder :math:`q_\phi(z \mid x)`, decoder :math:`p_\theta(x \mid z)`, critic of pairs, base.

    The encoder and the decoder are sampled, never evaluated: any module of
    `gannotes.distributions` will do, with a density (`Gaussian`), without one (`Implicit`), or
    without noise (`Deterministic`, which is BiGAN).

    Slide: ALI (E67, E68), with the errata X19, X35 and X36.

    Args:
        encoder: maps data `(..., N, *data)` to a law with `rsample`, event shape `(k,)`.
        decoder: maps latent points `(..., N, k)` to a law with `rsample`, event shape `(*data)`.
        D: maps data and latent points, in this order, to raw outputs `(..., N)`.
        p_0: the base distribution, event shape `(k,)`.
        bound: the game: a function of the raw outputs on encoder pairs and on decoder pairs.

    Example:
        >>> from gannotes.distributions import Deterministic, Gaussian, standard_normal
        >>> from gannotes.nets import Pair, critic
        >>> D = Pair(nn.Linear(6, 8), nn.Linear(2, 8), critic(8, 8))
        >>> encoder, decoder = Gaussian(nn.Linear(6, 4)), Deterministic(nn.Linear(2, 6))
        >>> ali = ALI(encoder, decoder, D, standard_normal(2))
        >>> ali.sample(3).shape, ali.reconstruct(torch.zeros(5, 6)).shape
        (torch.Size([3, 6]), torch.Size([5, 6]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        D: nn.Module,
        p_0: Distribution,
        bound: Bound = bernoulli,
    ) -> None:
        networks(encoder=encoder, decoder=decoder, D=D, bound=bound)
        laws(p_0=p_0)
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.D = D
        self.p_0 = p_0
        self.bound = bound

    def sample(self, n: int | tuple[int, ...]) -> Tensor:
        r"""Draw :math:`x' \sim p_\theta(x \mid z)`, :math:`z \sim p_0`.

        Slide: Learn a random number generator (E05).

        Args:
            n: the number of samples, or `(S, N)` with replicas.

        Returns:
            Samples `(n, *data)`.
        """
        z = self.p_0.sample(size("n", n))
        return self.decoder(z).rsample()

    def reconstruct(self, x: Tensor) -> Tensor:
        r"""There and back: :math:`z \sim q_\phi(z \mid x)`, :math:`x' \sim p_\theta(x \mid z)`.

        Nothing in the objective asks for :math:`x' = x`; at the optimum :math:`x'` is a draw from
        the posterior predictive law.

        Slide: ALI / Experiments (I17).

        Args:
            x: data `(..., N, *data)`.

        Returns:
            Data of the same shape.
        """
        return self.decoder(self._posterior(x).rsample()).rsample()

    def value(self, x: Tensor, flip: bool = False) -> Tensor:
        r"""The bound on a batch of pairs, :math:`\hat V`; flipped, with the two joints swapped.

        Slide: ALI (E68, E69), with the errata X19 and X36.

        Args:
            x: data `(..., N, *data)`.
            flip: whether to swap the two classes; ascended by encoder and decoder, this is the
                non-saturating loss.

        Returns:
            The value, `()` or one per replica `(S,)`.

        Raises:
            TypeError: if `x` is no floating-point tensor, or a sampler returns no distribution.
            ValueError: if a sampler draws another shape than that of the data or of `p_0`, or if
                `D` does not give one number per pair.
        """
        q = self._posterior(x)
        z_q, z = q.rsample(), self.p_0.sample(q.batch_shape)
        x_p = self._likelihood(z).rsample()
        v_q = one_per_point("D", self.D(x, shaped("encoder", z_q, z.shape)), x)
        v_p = self.D(shaped("decoder", x_p, x.shape), z)
        return self.bound(v_p, v_q) if flip else self.bound(v_q, v_p)

    def _posterior(self, x: Tensor) -> Distribution:
        return kind("encoder", applied("x", self.encoder, floating("x", x)), Distribution)

    def _likelihood(self, z: Tensor) -> Distribution:
        return kind("decoder", applied("decoder", self.decoder, z), Distribution)


def step(
    ali: ALI, x: Tensor, theta_phi: Optimizer, omega: Optimizer, K: int = 1
) -> dict[str, Tensor]:
    r"""Ascend the critic on the value, :math:`K` times, then both samplers on the flipped value.

    Slide: ALI / Algorithm (A07), with the erratum X36; "flip to fix" (E27) for both samplers.

    Args:
        ali: the model.
        x: a batch of data `(..., N, *data)`; every ascent draws fresh noise.
        theta_phi: the optimiser of `ali.decoder` and `ali.encoder`.
        omega: the optimiser of `ali.D`.
        K: the number of critic steps per step of the samplers.

    Returns:
        The last critic value, before its move.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, `K` is not positive, or a network
            returns another shape; nothing has moved.

    Example:
        >>> from gannotes.distributions import Deterministic, Gaussian, standard_normal
        >>> from gannotes.nets import Pair, critic
        >>> D = Pair(nn.Linear(6, 8), nn.Linear(2, 8), critic(8, 8))
        >>> encoder, decoder = Gaussian(nn.Linear(6, 4)), Deterministic(nn.Linear(2, 6))
        >>> ali = ALI(encoder, decoder, D, standard_normal(2))
        >>> samplers = [*encoder.parameters(), *decoder.parameters()]
        >>> theta_phi = torch.optim.Adam(samplers, lr=1e-3)
        >>> omega = torch.optim.Adam(D.parameters(), lr=1e-3)
        >>> step(ali, torch.randn(32, 6), theta_phi, omega)
        {'value': tensor(-1...)}
    """
    owners(K, theta_phi=(theta_phi, ali.decoder, ali.encoder), omega=(omega, ali.D))
    for _ in range(K):
        value = ascend(omega, ali.value(x))
    ascend(theta_phi, ali.value(x, flip=True))
    return {"value": value}


def step_regularised(
    ali: ALI, x: Tensor, theta_phi: Optimizer, omega: Optimizer, gamma: float
) -> dict[str, Tensor]:
    r"""One ascent of the critic with gradient penalties, one of both samplers, on the same pairs.

    .. math::

        \max_\omega\; \hat V(\theta, \phi, \omega) - \tfrac{\gamma}{2} \big(
        E_{q_\phi} \|\nabla_{x, z} r_\omega(x, z)\|^2
        + E_{p_\theta} \|\nabla_{x, z} r_\omega(x, z)\|^2 \big)

    Slide: ALI / Algorithm (A07); beyond the deck (mode collapse).

    Args:
        ali: the model.
        x: a batch of data `(..., N, d)`.
        theta_phi: the optimiser of `ali.decoder` and `ali.encoder`.
        omega: the optimiser of `ali.D`.
        gamma: the weight of the penalties.

    Returns:
        The critic's value less the penalties, before its move.
    """
    owners(theta_phi=(theta_phi, ali.decoder, ali.encoder), omega=(omega, ali.D), gamma=gamma)
    z = ali.p_0.sample(floating("x", x).shape[:-1])
    x_p, z_q = ali._likelihood(z).rsample(), ali._posterior(x).rsample()
    v_q, R_1 = squared_gradient(ali.D, x, shaped("encoder", z_q, z.shape))
    v_p, R_2 = squared_gradient(ali.D, shaped("decoder", x_p, x.shape), z)
    penalised = ascend(omega, ali.bound(v_q, v_p) - gamma / 2 * (R_1 + R_2))
    ascend(theta_phi, ali.bound(ali.D(x_p, z), ali.D(x, z_q)))
    return {"value": penalised}
