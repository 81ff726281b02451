r"""Variational autoencoders: ascend a lower bound of the log likelihood.

A decoder turns latent points into densities, :math:`p_\theta(x) = \int p_\theta(x \mid z)\,
p_0(z)\, dz`, an integral that is out of reach. An encoder answers with a density in the latent
space for every :math:`x`, and Jensen's inequality with a bound:

.. math::

    L(\theta, \phi; x) = E_{q_\phi(z \mid x)}[\log p_\theta(x \mid z)]
        - \mathrm{KL}(q_\phi(z \mid x) \| p_0)
        = \log p_\theta(x) - \mathrm{KL}(q_\phi(z \mid x) \| p_\theta(z \mid x)).

The bound is tight where :math:`q_\phi` is the posterior. Both networks ascend it: the decoder
raises the likelihood, the encoder closes the gap. Samples are written as :math:`z = \mu_\phi(x) +
\sigma_\phi(x) \epsilon`, so that the gradient passes through them.

References: Kingma and Welling, *Auto-encoding variational Bayes*, 2014 (arXiv 1312.6114); Rezende,
Mohamed and Wierstra, *Stochastic backpropagation*, 2014 (arXiv 1401.4082).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.optim import Optimizer

from gannotes import checks
from gannotes.optim import ascend, owners

Divergence = Callable[[Distribution, Distribution, Tensor], Tensor]


def analytic_kl(q: Distribution, p_0: Distribution, z: Tensor) -> Tensor:
    r"""The divergence in closed form, :math:`\mathrm{KL}(q_\phi(z \mid x) \| p_0)`.

    .. math:: \mathrm{KL}(N(\mu, \mathrm{diag}\,\sigma^2) \| N(0, I))
              = \frac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - 2 \log \sigma_j)

    Slide: VAE / Experiments (E64).

    Args:
        q: the encoder's density, batch shape `(..., N)`.
        p_0: the base distribution.
        z: samples of `q`, not used.

    Returns:
        Nats, `(..., N)`.

    Raises:
        TypeError: if a law is none.
        NotImplementedError: if torch knows no closed form for the pair; use `sampled_kl`.

    Example:
        >>> from gannotes.distributions import standard_normal
        >>> analytic_kl(standard_normal(2), standard_normal(2), torch.zeros(0))
        tensor(0.)
    """
    checks.laws(q=q, p_0=p_0)
    return kl_divergence(q, p_0)


def sampled_kl(q: Distribution, p_0: Distribution, z: Tensor) -> Tensor:
    r"""The divergence from samples, :math:`\frac{1}{N_z} \sum_j \log q(z_j) - \log p_0(z_j)`.

    Needs no closed form. Its noise can cancel that of the log likelihood: near the posterior the
    bound with this estimate varies *less* than with the exact divergence, and at the posterior,
    where :math:`\log p_\theta(x, z) - \log q(z)` is constant, not at all.

    Slide: VAE / bounding the likelihood (E55), one step before the last.

    Args:
        q: the encoder's density, batch shape `(..., N)`.
        p_0: the base distribution.
        z: samples of `q`, `(N_z, ..., N, k)`.

    Returns:
        Nats, `(..., N)`; may be negative.

    Raises:
        TypeError: if a law is none, or `z` no floating-point tensor.

    Example:
        >>> from gannotes.distributions import standard_normal
        >>> sampled_kl(standard_normal(2), standard_normal(2), torch.ones(3, 2))
        tensor(0.)
    """
    checks.laws(q=q, p_0=p_0)
    return (q.log_prob(checks.floating("z", z)) - p_0.log_prob(z)).mean(0)


class VAE(nn.Module):
    r"""Encoder :math:`q_\phi(z \mid x)`, decoder :math:`p_\theta(x \mid z)`, base :math:`p_0`.

    The networks return densities (`gannotes.distributions.Gaussian`, `Bernoulli`, or any other
    torch `Distribution`); those of the encoder must be reparameterised.

    Slide: VAE / Experiments (E54, E61, E63), with the errata X16 and X34.

    Args:
        encoder: maps data `(..., N, *data)` to a distribution of batch shape `(..., N)` and event
            shape `(k,)`.
        decoder: maps latent points `(..., N, k)` to a distribution of event shape `(*data)`.
        p_0: the base distribution, event shape `(k,)`.
        kl: how the divergence from the base is computed, `analytic_kl` or `sampled_kl`.

    Example:
        >>> from gannotes.distributions import Bernoulli, Gaussian, standard_normal
        >>> encoder, decoder = Gaussian(nn.Linear(6, 2 * 2)), Bernoulli(nn.Linear(2, 6))
        >>> vae = VAE(encoder, decoder, standard_normal(2))
        >>> vae.elbo(torch.ones(5, 6)).shape, vae.sample(3).shape
        (torch.Size([5]), torch.Size([3, 6]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        p_0: Distribution,
        kl: Divergence = analytic_kl,
    ) -> None:
        checks.networks(encoder=encoder, decoder=decoder, kl=kl)
        checks.laws(p_0=p_0)
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.p_0 = p_0
        self.kl = kl

    def sample(self, n: int | tuple[int, ...]) -> Tensor:
        r"""Draw :math:`x' \sim p_\theta(x \mid z)`, :math:`z \sim p_0`.

        A picture usually shows `vae.decoder(z).mean` instead.

        Slide: Learn a random number generator (E05).

        Args:
            n: the number of samples, or `(S, N)` with replicas.

        Returns:
            Samples `(n, *data)`.
        """
        z = self.p_0.sample(checks.size("n", n))
        return self.decoder(z).sample()

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        r"""The unnormalised log posterior, :math:`\log p_\theta(x \mid z) + \log p_0(z)`.

        Slide: VAE / bounding the likelihood (E55).

        Args:
            x: data `(..., N, *data)`.
            z: latent points `(N_z, ..., N, k)`.

        Returns:
            Nats, `(N_z, ..., N)`.

        Raises:
            TypeError: if the decoder does not return a distribution.
            ValueError: if it is a law of another shape than the data's.
        """
        return self._log_likelihood(x, z) + self.p_0.log_prob(z)

    def terms(self, x: Tensor, N_z: int = 1) -> tuple[Tensor, Tensor]:
        r"""The terms of the bound: expected log likelihood, and divergence from the base.

        .. math::

            \frac{1}{N_z} \sum_j \log p_\theta(x_i \mid z_i^{(j)}), \qquad
            \mathrm{KL}(q_\phi(z \mid x_i) \| p_0), \qquad
            z_i^{(j)} = \mu_\phi(x_i) + \sigma_\phi(x_i)\, \epsilon_i^{(j)}

        Slide: VAE / Experiments (E62, E64, E65), with the erratum X17.

        Args:
            x: data `(..., N, *data)`.
            N_z: the number of latent samples for each point.

        Returns:
            Both in nats, `(..., N)`, one per point.

        Raises:
            TypeError: if `x` is no floating-point tensor, `N_z` no integer, or a network does not
                return a distribution.
            ValueError: if `N_z` is not positive, or if a law has another shape than the data or
                `p_0`.
        """
        q = self._posterior(x, N_z)
        z = q.rsample(torch.Size((N_z,)))
        return self._log_likelihood(x, z).mean(0), self.kl(q, self.p_0, z)

    def elbo(self, x: Tensor, N_z: int = 1) -> Tensor:
        r"""An unbiased estimate of the evidence lower bound, :math:`\hat L(\theta, \phi; x_i)`.

        .. math::

            E_{q_\phi(z \mid x)}[\log p_\theta(x \mid z)] - \mathrm{KL}(q_\phi(z \mid x) \| p_0)
            \;\le\; \log p_\theta(x)

        Slide: VAE / bounding the likelihood (E55 to E58); large scale data (E59, E60), with the
        errata X14 and X15; Experiments (E65). Arguments and errors are those of `terms`.

        Returns:
            Nats, `(..., N)`, one per point.
        """
        log_likelihood, kl = self.terms(x, N_z)
        return log_likelihood - kl

    def elbo_score(self, x: Tensor, N_z: int = 1) -> Tensor:
        r"""The same estimate, differentiated without passing through the samples.

        .. math::

            \partial_\phi L = E_{q_\phi}\Big[ \log \frac{p_\theta(x, z)}{q_\phi(z \mid x)}\;
            \partial_\phi \log q_\phi(z \mid x) \Big]

        The score-function estimator: right on average, for discrete codes too, and usually far
        noisier.

        Slide: beyond the deck (I02), the alternative to E62. Arguments, returns and errors are
        those of `elbo`.
        """
        q = self._posterior(x, N_z)
        z = q.sample(torch.Size((N_z,)))
        log_q = q.log_prob(z)
        log_w = self.log_joint(x, z) - log_q.detach()
        return (log_w + log_w.detach() * (log_q - log_q.detach())).mean(0)

    def importance_weighted(self, x: Tensor, N_z: int) -> Tensor:
        r"""A tighter bound from several samples, which is the ELBO at :math:`N_z = 1`.

        .. math::

            E\Big[\log \frac{1}{N_z} \sum_{j=1}^{N_z}
            \frac{p_\theta(x, z^{(j)})}{q_\phi(z^{(j)} \mid x)}\Big] \;\le\; \log p_\theta(x)

        It rises with :math:`N_z`, to the log likelihood.

        Slide: beyond the deck (the rows of T04 give its limit). Arguments and errors are those of
        `terms`, returns those of `elbo`.

        References:
            Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016.
        """
        q = self._posterior(x, N_z)
        z = q.rsample(torch.Size((N_z,)))
        return torch.logsumexp(self.log_joint(x, z) - q.log_prob(z), 0) - math.log(N_z)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        made = checks.applied("decoder", self.decoder, checks.floating("z", z))
        p = checks.law_of("decoder", made, checks.floating("x", x))
        return checks.one_per_point("decoder", p.log_prob(x), z)

    def _posterior(self, x: Tensor, N_z: int) -> Distribution:
        """The encoder's law: one for each point, of events as the base has them."""
        checks.count("N_z", N_z)
        law = "a network that returns a Distribution, as distributions.Gaussian does"
        q = checks.applied("x", self.encoder, checks.floating("x", x))
        checks.kind("encoder", q, Distribution, wanted=law)
        codes = q.batch_shape + q.event_shape
        wanted = x.shape[: len(q.batch_shape)] + self.p_0.event_shape
        if codes != wanted:
            raise ValueError(f"encoder: expected codes {tuple(wanted)}, got {tuple(codes)}")
        return q


def step(vae: VAE, x: Tensor, theta_phi: Optimizer, N_z: int = 1) -> dict[str, Tensor]:
    r"""Encoder and decoder ascend the mean bound together, by one back-propagation.

    Slide: VAE / Experiments (E65, A06); large scale data (E59), with the errata X15 and X17.

    Args:
        vae: the model.
        x: a batch of data `(..., N, *data)`; every step draws fresh noise.
        theta_phi: the optimiser of both networks.
        N_z: the number of latent samples for each point.

    Returns:
        The bound and its divergence term before the move, averaged over the batch.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if the optimiser owns nothing of the model, `N_z` is not positive, or a network
            returns another shape; nothing has moved.

    Example:
        >>> from gannotes.distributions import Bernoulli, Gaussian, standard_normal
        >>> encoder, decoder = Gaussian(nn.Linear(6, 2 * 2)), Bernoulli(nn.Linear(2, 6))
        >>> vae = VAE(encoder, decoder, standard_normal(2))
        >>> theta_phi = torch.optim.Adam(vae.parameters(), lr=0.03)
        >>> x = torch.eye(6)
        >>> first, *_, last = (step(vae, x, theta_phi, N_z=8)["elbo"] for _ in range(100))
        >>> bool(last > first)
        True
    """
    owners(theta_phi=(theta_phi, vae))
    log_likelihood, kl = vae.terms(x, N_z)
    elbo = ascend(theta_phi, (log_likelihood - kl).mean(-1))
    return {"elbo": elbo, "kl": kl.detach().mean(-1)}
