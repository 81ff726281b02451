r"""Adversarial variational Bayes: a VAE whose encoder needs no density.

An encoder with noise among its inputs, :math:`z = z_\phi(x, \epsilon)`, can have any law, but the
bound of the VAE asks for the density of that law in :math:`\mathrm{KL}(q_\phi(z \mid x) \| p_0) =
E_{q_\phi}[r^*(z, x)]`. A classifier learns the log ratio from samples:

.. math::

    r^* = \arg\max_r\; E_{\hat p(x)\, q_\phi(z \mid x)}[\log \sigma(r(z, x))]
        + E_{\hat p(x)\, p_0(z)}[\log(1 - \sigma(r(z, x)))]
        = \log q_\phi(z \mid x) - \log p_0(z),

and the two other players ascend :math:`E[\log p_\theta(x \mid z) - r_\omega(z, x)]` with the ratio
held fixed. It is the ELBO for the exact ratio, and for no other a lower bound.

**Adaptive contrast** splits the divergence at a Gaussian :math:`r_\alpha(z \mid x)` with the
moments of :math:`q_\phi`,

.. math::

    \mathrm{KL}(q_\phi \| p_0) = \mathrm{KL}(q_\phi \| r_\alpha)
        + E_{q_\phi}[\log r_\alpha(z \mid x) - \log p_0(z)],

so that the classifier has only the first, small part to learn.

Reference: Mescheder, Nowozin and Geiger, *Adversarial variational Bayes*, 2017 (arXiv 1701.04722).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes import checks
from gannotes.bounds import bernoulli
from gannotes.optim import ascend, owners

Contrast = Callable[[Distribution], Distribution]


class AVB(nn.Module):
    r"""Encoder :math:`z_\phi(x, \epsilon)`, decoder :math:`p_\theta(x \mid z)`, log ratio, base.

    Slide: AVB (E70, E71, E76), with the errata X37 to X39; adaptive contrast (I09).

    Args:
        encoder: maps data `(..., N, *data)` to a law with `rsample`, event shape `(k,)`: `Implicit`
            of `gannotes.distributions`, or any other.
        decoder: maps latent points `(..., N, k)` to a distribution of event shape `(*data)`.
        r: maps latent points `(..., N, k)` and data `(..., N, *data)`, in this order, to log ratios
            `(..., N)`.
        p_0: the base distribution, event shape `(k,)`.
        contrast: maps the encoder's law to the Gaussian that the classifier tells it from, of
            batch shape `(..., N)`; without it, that law is `p_0`. Adaptive contrast is
            `lambda q: gaussian_fit(q.sample((32,)))`. The network `r` then sees :math:`\tilde z =
            (z - \mu) / \sigma`.

    Example:
        >>> from gannotes.distributions import Bernoulli, Implicit, standard_normal
        >>> from gannotes.nets import Pair, critic
        >>> head = Pair(nn.Identity(), nn.Linear(3, 8), nn.Linear(8, 2))
        >>> encoder = Implicit(nn.Linear(6, 8), head, standard_normal(3))
        >>> r = Pair(nn.Linear(2, 8), nn.Linear(6, 8), critic(8, 8))
        >>> avb = AVB(encoder, Bernoulli(nn.Linear(2, 6)), r, standard_normal(2))
        >>> avb.elbo(torch.ones(5, 6)).shape, avb.value(torch.ones(5, 6)).shape
        (torch.Size([5]), torch.Size([]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        r: nn.Module,
        p_0: Distribution,
        contrast: Contrast | None = None,
    ) -> None:
        checks.networks(encoder=encoder, decoder=decoder, r=r)
        if contrast is not None:
            checks.networks(contrast=contrast)
        checks.laws(p_0=p_0)
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.r = r
        self.p_0 = p_0
        self.contrast = contrast

    def sample(self, n: int | tuple[int, ...]) -> Tensor:
        r"""Draw :math:`x' \sim p_\theta(x \mid z)`, :math:`z \sim p_0`.

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

    def log_ratio(self, z: Tensor, x: Tensor, r_alpha: Distribution | None = None) -> Tensor:
        r"""What is learnt of :math:`r^*(z, x) = \log q_\phi(z \mid x) - \log p_0(z)`.

        .. math:: r_\omega(z, x), \qquad\text{or}\qquad
                  r_\omega(\tilde z, x) + \log r_\alpha(z \mid x) - \log p_0(z)

        Slide: AVB (E74, I09), with the errata X37 and X38.

        Args:
            z: latent points `(N_z, ..., N, k)`.
            x: data `(..., N, *data)`.
            r_alpha: the law that the classifier was trained against, if that is not `p_0`.

        Returns:
            Nats, `(N_z, ..., N)`.

        Raises:
            ValueError: if `r` does not give one number per point.
        """
        checks.floating("x", x)
        if r_alpha is None:
            return checks.one_per_point(
                "r", checks.applied("r", self.r, checks.floating("z", z), x), z
            )
        known = r_alpha.log_prob(z) - self.p_0.log_prob(z)
        return checks.one_per_point("r", self.r((z - r_alpha.mean) / r_alpha.stddev, x), z) + known

    def terms(self, x: Tensor, N_z: int = 1) -> tuple[Tensor, Tensor]:
        r"""The terms of the bound: expected log likelihood, and what is learnt of the divergence.

        Slide: AVB (E71, E75), with the errata X20 and X37.

        Args:
            x: data `(..., N, *data)`.
            N_z: the number of latent samples for each point.

        Returns:
            Both in nats, `(..., N)`, one per point; the second may be negative.

        Raises:
            TypeError: if `x` is no floating-point tensor, `N_z` no integer, or a network does not
                return a distribution.
            ValueError: if `N_z` is not positive, if a law has another shape than the data or `p_0`,
                or if `r` does not give one number per point.
        """
        q = self._posterior(x, N_z)
        z = checks.shaped("encoder", q.rsample(torch.Size((N_z,))), self._codes(q, x, N_z))
        log_ratio = self.log_ratio(z, x, self._reference(q))
        return self._log_likelihood(x, z).mean(0), log_ratio.mean(0)

    def elbo(self, x: Tensor, N_z: int = 1) -> Tensor:
        r"""The evidence lower bound with the learnt ratio in place of the exact one.

        .. math:: E_{q_\phi(z \mid x)}[\log p_\theta(x \mid z) - r_\omega(z, x)]

        For :math:`r_\omega = r^*` it is a lower bound of :math:`\log p_\theta(x)`. A ratio that
        finds the divergence too small makes it too large.

        Slide: AVB (E71), with the erratum X37. Arguments and errors are those of `terms`.

        Returns:
            Nats, `(..., N)`, one per point.
        """
        log_likelihood, log_ratio = self.terms(x, N_z)
        return log_likelihood - log_ratio

    def value(self, x: Tensor, N_z: int = 1) -> Tensor:
        r"""The classifier's objective, which only :math:`\omega` ascends.

        .. math:: \hat L(r) = \frac{1}{N_x N_z} \sum_{i, j} \log \sigma(r_\omega(z_i^{(j)}, x_i))
                  + \log(1 - \sigma(r_\omega(z_{0, i}^{(j)}, x_i)))

        Slide: AVB (E70, E72, E73), with the erratum X38. Arguments and errors are those of `terms`.

        Returns:
            The value, `()` or one per replica `(S,)`.
        """
        with torch.no_grad():
            q = self._posterior(x, N_z)
            r_alpha = self._reference(q)
            z = checks.shaped("encoder", q.sample(torch.Size((N_z,))), self._codes(q, x, N_z))
            if r_alpha is not None:
                z = (z - r_alpha.mean) / r_alpha.stddev
                z_0 = torch.randn_like(z)
            else:
                z_0 = self.p_0.sample(z.shape[:-1])
        both = torch.stack([z, z_0])
        v_q, v_0 = checks.one_per_point("r", self.r(both, x), both)
        return bernoulli(v_q, v_0).mean(0)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        made = checks.applied("decoder", self.decoder, checks.floating("z", z))
        p = checks.law_of("decoder", made, checks.floating("x", x))
        return checks.one_per_point("decoder", p.log_prob(x), z)

    def _posterior(self, x: Tensor, N_z: int) -> Distribution:
        checks.count("N_z", N_z)
        law = "a network that returns a Distribution, as distributions.Implicit does"
        return checks.kind(
            "encoder",
            checks.applied("x", self.encoder, checks.floating("x", x)),
            Distribution,
            wanted=law,
        )

    def _codes(self, q: Distribution, x: Tensor, N_z: int) -> torch.Size:
        """The shape of its samples: for each point, events as the base has them."""
        return torch.Size((N_z,)) + x.shape[: len(q.batch_shape)] + self.p_0.event_shape

    def _reference(self, q: Distribution) -> Distribution | None:
        """The law that the classifier tells q from, if that is not `p_0`; its moments are fixed."""
        with torch.no_grad():
            return None if self.contrast is None else self.contrast(q)


def step(
    avb: AVB, x: Tensor, theta_phi: Optimizer, omega: Optimizer, N_z: int = 1, K: int = 1
) -> dict[str, Tensor]:
    r"""The slide's three updates: decoder and encoder ascend the bound, then the ratio its own.

    Decoder (2.1) and encoder (2.2) share one back-propagation, which gives each the slide's
    gradient because :math:`r_\omega` does not depend on :math:`\theta`. The ratio stays fixed
    meanwhile, and the dependence of :math:`r^*` on :math:`\phi` is ignored, which is exact:
    :math:`E_{q_\phi}[\partial_\phi r^*] = 0`.

    Slide: AVB / Algorithm (A08, E77 to E79), with the errata X38 and X39.

    Args:
        avb: the model.
        x: a batch of data `(..., N, *data)`; every ascent draws fresh noise.
        theta_phi: the optimiser of `avb.decoder` and `avb.encoder`.
        omega: the optimiser of `avb.r`.
        N_z: the number of latent samples for each point.
        K: the number of ratio steps per step of the model.

    Returns:
        Before their moves: the learnt bound and its divergence term, averaged over the batch, and
        the last value of the classifier.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, `N_z` or `K` is not positive, or a
            network returns another shape; nothing has moved.

    Example:
        >>> from gannotes.distributions import Bernoulli, Implicit, standard_normal
        >>> from gannotes.nets import Pair, critic
        >>> head = Pair(nn.Identity(), nn.Linear(3, 8), nn.Linear(8, 2))
        >>> encoder = Implicit(nn.Linear(6, 8), head, standard_normal(3))
        >>> decoder = Bernoulli(nn.Linear(2, 6))
        >>> r = Pair(nn.Linear(2, 8), nn.Linear(6, 8), critic(8, 8))
        >>> avb = AVB(encoder, decoder, r, standard_normal(2))
        >>> model = [*encoder.parameters(), *decoder.parameters()]
        >>> theta_phi = torch.optim.Adam(model, lr=1e-3)
        >>> omega = torch.optim.Adam(r.parameters(), lr=1e-3)
        >>> list(step(avb, torch.ones(5, 6), theta_phi, omega, K=2))
        ['elbo', 'kl', 'value']
    """
    owners(K, theta_phi=(theta_phi, avb.decoder, avb.encoder), omega=(omega, avb.r))
    log_likelihood, kl = avb.terms(x, N_z)
    elbo = ascend(theta_phi, (log_likelihood - kl).mean(-1))  # 2.1 and 2.2
    for _ in range(K):
        value = ascend(omega, avb.value(x, N_z))  # 2.3
    return {"elbo": elbo, "kl": kl.detach().mean(-1), "value": value}
