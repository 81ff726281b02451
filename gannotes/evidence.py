r"""Evidence: estimates of :math:`\log p_\theta(x) = \log \int p_\theta(x, z)\, dz`.

Both take the integrand, as a function of :math:`z`, and a proposal :math:`q` to draw from. Both are
averages of weights without bias, so that their logarithm is too low on average,

.. math:: E[\hat p(x)] = p_\theta(x), \qquad E[\log \hat p(x)] \le \log p_\theta(x),

and neither can say what it has never seen.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from gannotes import checks

LogJoint = Callable[[Tensor], Tensor]


class Annealed(NamedTuple):
    """What `annealed_importance_sampling` returns; C chains, points of shape (...)."""

    log_p: Tensor
    log_weights: Tensor
    z: Tensor
    acceptance: Tensor


def importance_weighted(
    log_joint: LogJoint, q: Distribution, samples: int = 5000, chunk: int = 100
) -> Tensor:
    r"""Log evidence from a proposal, :math:`\log \frac1J \sum_j p(x, z_j) / q(z_j \mid x)`.

    .. math:: \log \hat p(x) = \log \frac1J \sum_{j=1}^J \frac{p_\theta(x, z_j)}{q(z_j \mid x)},
              \quad z_j \sim q(z \mid x), \qquad E[\log \hat p(x)] \le \log p_\theta(x)

    The average is unbiased, its logarithm too low on average, the less the more samples there are.
    Where q misses a part of the posterior nothing shows it: the estimate is simply too low.

    Slide: AVB / MNIST (behind the log p(x) of T04); VAE (E55).

    References:
        Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016.

    Args:
        log_joint: maps z, shape (J, ..., k), to :math:`\log p_\theta(x, z)`, shape (J, ...); for a
            VAE `lambda z: vae.log_joint(x, z)`.
        q: the proposal, batch shape (...), event shape (k,); for a VAE `vae.encoder(x)`.
        samples: J, for each point x.
        chunk: how many of them are in memory at a time.

    Returns:
        Nats, shape (...): one per point. Report their mean and
            `metrics.standard_error`.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if `samples` or `chunk` is not positive, or `log_joint` returns another shape
            or a NaN.

    Example:
        For z ~ N(0, 1) and x | z ~ N(z, 1), and the posterior as proposal, one sample is enough:

        >>> from torch.distributions import Independent, Normal
        >>> x, p_0 = torch.tensor(1.0), Normal(0.0, 1.0)
        >>> def log_joint(z):
        ...     return (p_0.log_prob(z) + Normal(z, 1.0).log_prob(x)).sum(-1)
        >>> q = Independent(Normal(x.reshape(1) / 2, 0.5**0.5), 1)
        >>> log_p = importance_weighted(log_joint, q, samples=1)
        >>> print(f"{log_p:.4f}, exact {Normal(0.0, 2**0.5).log_prob(x):.4f}")
        -1.5155, exact -1.5155
    """
    _check(log_joint, q)
    checks.count("samples", samples)
    checks.count("chunk", chunk)
    parts = []
    with torch.no_grad():
        for start in range(0, samples, chunk):
            z = q.sample(torch.Size((min(chunk, samples - start),)))
            parts.append(torch.logsumexp(_numbers(_values(log_joint, z)) - q.log_prob(z), 0))
    return torch.stack(parts).logsumexp(0) - math.log(samples)


def annealed_importance_sampling(
    log_joint: LogJoint,
    q: Distribution,
    chains: int = 16,
    temperatures: int = 500,
    leapfrog: int = 10,
    pilots: int = 4,
) -> Annealed:
    r"""Log evidence from chains on their way to the posterior, :math:`\log \frac1C \sum_c w_c`.

    .. math:: \pi_t(z) \propto q(z)^{1 - \beta_t}\, p_\theta(x, z)^{\beta_t}, \qquad
              \log w = \sum_{t=0}^{T-1} (\beta_{t+1} - \beta_t)
              \big[\log p_\theta(x, z_t) - \log q(z_t)\big], \qquad
              \log \hat p(x) = \log \frac1C \sum_{c=1}^C w_c

    with linear :math:`\beta_t = t / T`, :math:`z_0 \sim q`, and :math:`z_t` made from
    :math:`z_{t-1}` by a Hamiltonian move that leaves :math:`\pi_t` invariant. Then :math:`E[\hat
    p(x)] = p_\theta(x)` exactly, for any number of temperatures, and :math:`E[\log \hat p(x)] \le
    \log p_\theta(x)`. With the base distribution as the proposal :math:`\pi_t` is :math:`p_0(z)\,
    p_\theta(x \mid z)^{\beta_t}`; a Gaussian fit of the posterior starts closer.

    The step sizes are tuned on pilot chains of their own, towards an acceptance of 0.65, for every
    point and temperature, and then frozen: chains that tuned themselves would be biased. All points
    and chains move together. A mode far from q that no chain finds is missing from the estimate,
    and only a larger spread of `log_weights` may tell.

    Slide: AVB / MNIST (I10, behind the log p(x) of T04).

    References:
        Neal, Annealed importance sampling, 2001; Wu et al., On the quantitative analysis of
        decoder-based generative models, 2017.

    Args:
        log_joint: maps z, shape (C, ..., k), to :math:`\log p_\theta(x, z)`, shape (C, ...),
            differentiably; for a VAE `lambda z: vae.log_joint(x, z)`.
        q: the proposal, batch shape (...), event shape (k,), with a differentiable density that is
            positive everywhere: `vae.encoder(x)`, `distributions.gaussian_fit(z)`, or a
            Gaussian `p_0.expand((N,))`.
        chains: C, for each point x.
        temperatures: T, of at least 1.
        leapfrog: leapfrog steps of a move, each a gradient of `log_joint`.
        pilots: chains for each point that tune the step sizes.

    Returns:
        `log_p`, nats, shape (...); `log_weights`, (C, ...); the last `z`, (C, ..., k), close
        to draws from the posterior; and the mean `acceptance` of the moves, (...). Trust the
        estimate where the log weights of a point differ by little more than 1.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if a count is not positive, the events of `q` are not vectors, or `log_joint`
            returns another shape or a NaN.

    Example:
        For z ~ N(0, 1) and x | z ~ N(z, 1), from the base distribution:

        >>> from torch.distributions import Independent, Normal
        >>> _, x = torch.manual_seed(0), torch.tensor(1.0)
        >>> p_0 = Independent(Normal(torch.zeros(1), 1.0), 1)
        >>> def log_joint(z):
        ...     return p_0.log_prob(z) + Normal(z[..., 0], 1.0).log_prob(x)
        >>> found = annealed_importance_sampling(log_joint, p_0, temperatures=100)
        >>> print(f"{found.log_p:.1f}, exact {Normal(0.0, 2**0.5).log_prob(x):.1f}")
        -1.5, exact -1.5
    """
    _check(log_joint, q)
    counts = {"chains": chains, "temperatures": temperatures}
    for name, count in {**counts, "leapfrog": leapfrog, "pilots": pilots}.items():
        checks.count(name, count)
    if len(q.event_shape) != 1:
        raise ValueError(f"q: expected vectors as events, (k,), got {tuple(q.event_shape)}")
    tuned = _anneal(log_joint, q, pilots, temperatures, leapfrog, None)[-1]
    log_w, z, acceptance, _ = _anneal(log_joint, q, chains, temperatures, leapfrog, tuned)
    return Annealed(log_w.logsumexp(0) - math.log(chains), log_w, z, acceptance)


class _Point(NamedTuple):
    """A state of the chains, with the two log densities there and their gradients."""

    z: Tensor
    log_q: Tensor
    log_joint: Tensor
    log_q_gradient: Tensor
    log_joint_gradient: Tensor

    def log_pi(self, beta: float) -> Tensor:
        return (1 - beta) * self.log_q + beta * self.log_joint

    def gradient(self, beta: float) -> Tensor:
        return (1 - beta) * self.log_q_gradient + beta * self.log_joint_gradient


def _anneal(
    log_joint: LogJoint,
    q: Distribution,
    chains: int,
    temperatures: int,
    leapfrog: int,
    tuned: list[Tensor] | None,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Move the chains along all temperatures; tune the log step sizes unless they are given."""
    with torch.no_grad():
        point = _point(log_joint, q, q.sample(torch.Size((chains,))))
        _numbers(point.log_joint)
        scale = q.stddev.detach()  # the moves see whitened coordinates
        log_w, accepted = torch.zeros_like(point.log_q), torch.zeros_like(point.log_q)
        log_step, used = torch.full_like(point.log_q[0], math.log(0.3)), []
        for t in range(1, temperatures + 1):
            log_w += (point.log_joint - point.log_q) / temperatures
            used.append(log_step if tuned is None else tuned[t - 1])
            point, a = _move(
                log_joint, q, point, t / temperatures, used[-1].exp()[..., None] * scale, leapfrog
            )
            accepted += a / temperatures
            log_step = log_step + 0.2 * (a.mean(0) - 0.65)
    return log_w, point.z, accepted.mean(0), used


def _move(
    log_joint: LogJoint, q: Distribution, start: _Point, beta: float, step: Tensor, leapfrog: int
) -> tuple[_Point, Tensor]:
    """One Hamiltonian move of every chain, accepted or not, and its probability of acceptance."""
    end, momentum = start, torch.randn_like(start.z)
    energy = momentum.square().sum(-1) / 2 - start.log_pi(beta)
    # A random length, or a trajectory may come back to where it began, again and again.
    step = step * (0.5 + torch.rand_like(energy)[..., None])
    log_ratio, lost = torch.zeros_like(energy), torch.zeros_like(energy, dtype=torch.bool)
    for _ in range(leapfrog):
        momentum = momentum + step / 2 * end.gradient(beta)
        z = end.z + step * momentum
        lost = lost | ~z.isfinite().all(-1) | ~(log_ratio > -1000)  # it diverges: to be rejected
        end = _point(log_joint, q, torch.where(lost[..., None], start.z, z))
        momentum = momentum + step / 2 * end.gradient(beta)
        log_ratio = energy - momentum.square().sum(-1) / 2 + end.log_pi(beta)
    probability = log_ratio.clamp(max=0).exp().nan_to_num(nan=0.0).masked_fill(lost, 0.0)
    accept = torch.rand_like(probability) < probability
    chosen = [
        torch.where(accept.reshape(accept.shape + (1,) * (new.ndim - accept.ndim)), new, old)
        for new, old in zip(end, start, strict=True)
    ]
    return _Point(*chosen), probability


def _point(log_joint: LogJoint, q: Distribution, z: Tensor) -> _Point:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        log_q, log_p = q.log_prob(z), _values(log_joint, z)
        (log_q_gradient,) = torch.autograd.grad(log_q.sum(), z)
        (log_p_gradient,) = torch.autograd.grad(log_p.sum(), z)
    return _Point(z.detach(), log_q.detach(), log_p.detach(), log_q_gradient, log_p_gradient)


def _values(log_joint: LogJoint, z: Tensor) -> Tensor:
    values = checks.kind(
        "log_joint", log_joint(z), Tensor, wanted="a function that returns a tensor"
    )
    if values.shape != z.shape[:-1]:
        raise ValueError(
            f"log_joint: expected one value per latent point, shape {tuple(z.shape[:-1])}, "
            f"got {tuple(values.shape)}"
        )
    return values


def _numbers(values: Tensor) -> Tensor:
    """Log joint densities of draws from q: -inf is one, NaN and inf are none."""
    if not bool((values < torch.inf).all()):
        raise ValueError("log_joint: expected log densities below inf, got NaN or inf among them")
    return values


def _check(log_joint: LogJoint, q: Distribution) -> None:
    checks.kind("log_joint", log_joint, Callable)
    if isinstance(q, type) or not all(hasattr(q, part) for part in ("sample", "log_prob")):
        raise TypeError(f"q: expected a distribution with a density, got {type(q).__name__}")
