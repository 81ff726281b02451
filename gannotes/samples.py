r"""Learning from samples: what is integrated exactly when it can be, and averaged when it cannot.

A latent-variable model and its push-forward special case are

.. math:: p_\theta(x) = \int p_\theta(x \mid z)\, p_0(z)\, dz,
   \qquad x' = G_\theta(z),\; z \sim p_0,

and all that training sees of data and model are samples, through averages and their gradients:

.. math:: E_{p_\theta}[l(x')] = E_{p_0}[l(G_\theta(z))] \approx \frac1S \sum_s l(G_\theta(z_s)),
   \qquad
   \partial_\theta E_{p_\theta}[l(x')]
   = E_{p_0}\big[(\partial_x l)(G_\theta(z))\, \partial_\theta G_\theta(z)\big].
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gannotes import checks

Function = Callable[[Tensor], Tensor]


class Estimate(NamedTuple):
    """A Monte Carlo average and its standard error, both of shape (...)."""

    value: Tensor
    standard_error: Tensor


def log_marginal(log_likelihood: Function, nodes: Tensor, log_weights: Tensor) -> Tensor:
    r"""Log marginal of a latent-variable model, :math:`\log\int p_\theta(x\mid z)p_0(z)dz`.

    .. math:: \log p_\theta(x) \approx \log \sum_{j=1}^Q w_j\, p_\theta(x \mid z_j)

    Nodes and weights are a quadrature rule for :math:`p_0` (`gauss_hermite`), or S samples
    of it with weights 1/S: then :math:`p_\theta(x)` is estimated without bias, and its logarithm
    with a downward one. A model conditioned on an input u is the same sum, with u inside
    `log_likelihood`.

    Slide: Supervised and unsupervised learning (E01, E03); VAE (E54).

    Args:
        log_likelihood: maps z, shape (Q, k), to the values of :math:`\log p_\theta(x \mid z_j)`,
            shape (..., Q).
        nodes: the z, shape (Q, k).
        log_weights: logarithms of their weights, shape (Q,).

    Returns:
        :math:`\log p_\theta(x)`, shape (...): whatever stands before Q.

    Raises:
        ValueError: if the numbers of nodes, weights and log likelihoods differ.

    Example:
        For z ~ N(0, 1) and x | z ~ N(z, 1), x ~ N(0, 2):

        >>> from torch.distributions import Normal
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> log_p = log_marginal(lambda z: Normal(z[:, 0], 1.0).log_prob(x), *gauss_hermite(40))
        >>> bool(torch.allclose(log_p, Normal(0.0, 2.0**0.5).log_prob(x[:, 0])))
        True
    """
    checks.kind("log_likelihood", log_likelihood, Callable)
    checks.floating("nodes", nodes, "Q k", finite=True)
    checks.floating("log_weights", log_weights, str(len(nodes)))
    log_p = _values("log_likelihood", log_likelihood(nodes))
    if log_p.shape[-1:] != log_weights.shape:
        wanted = f"values of shape (..., {len(nodes)})"
        raise ValueError(f"log_likelihood: expected {wanted}, got {tuple(log_p.shape)}")
    return torch.logsumexp(log_p + log_weights, -1)


def gauss_hermite(count: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    r"""Quadrature rule for the base N(0, 1), :math:`E[l(z)] \approx \sum_j w_j l(z_j)`.

    .. math:: \int l(z)\, N(z \mid 0, 1)\, dz = \sum_{j=1}^Q w_j\, l(z_j)
              \quad\text{for every polynomial } l \text{ of degree} < 2Q

    Slide: beyond the deck; the integral of E01.

    Args:
        count: number Q of nodes, 1 to 250.
        dtype: dtype of the result.

    Returns:
        `nodes`, shape (Q, 1), and `log_weights`, shape (Q,).

    Raises:
        ValueError: if `count` is outside 1..250 (beyond, the outer weights underflow).

    Example:
        >>> z, log_w = gauss_hermite(5)
        >>> round((log_w.exp() * z[:, 0] ** 4).sum().item(), 12)
        3.0
    """
    checks.count("count", count, 1, 250)
    checks.precision("dtype", dtype)
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    log_weights = torch.tensor(weights, dtype=torch.float64).log() - 0.5 * math.log(2 * math.pi)
    return torch.tensor(nodes, dtype=dtype).unsqueeze(-1), log_weights.to(dtype)


@dataclass(frozen=True, eq=False)
class Empirical:
    r"""The empirical distribution, :math:`\hat p(x) = \frac1S\sum_s\delta(x - x_s)`.

    .. math:: \hat p(x \mid u)
              = \frac{\sum_s \delta(x - x_s)\, 1[u_s = u]}{\sum_s 1[u_s = u]}

    The deck's conditional lacks the denominator (erratum X01): what it prints is the joint.

    Slide: Supervised and unsupervised learning (E02, E04).

    Args:
        x: the samples, shape (S, ...).
        u: inputs or labels that go with them, shape (S,) or (S, k); None without.

    Raises:
        ValueError: if `x` is empty or `u` has another length.

    Example:
        >>> p = Empirical(torch.tensor([0.0, 0.0, 1.0, 1.0]), u=torch.tensor([1, 1, 1, 2]))
        >>> p.expectation(lambda x: x).item(), p.conditional(2).expectation(lambda x: x).item()
        (0.5, 1.0)
    """

    x: Tensor
    u: Tensor | None = None

    def __post_init__(self) -> None:
        checks.kind("x", self.x, Tensor)
        if self.x.ndim == 0 or not len(self.x):
            raise ValueError(f"x: expected shape (S, ...), S >= 1, got {tuple(self.x.shape)}")
        if self.u is None:
            return
        checks.kind("u", self.u, Tensor)
        if self.u.ndim not in (1, 2) or len(self.u) != len(self.x):
            wanted = f"({len(self.x)},) or ({len(self.x)}, k)"
            raise ValueError(f"u: expected shape {wanted}, got {tuple(self.u.shape)}")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        r"""Draw with replacement, :math:`x \sim \hat p`.

        Args:
            n: number of draws.
            generator: source of randomness; torch's global one if None.

        Returns:
            Draws, shape (n, ...).
        """
        checks.count("n", n, 0, 100_000_000)
        checks.kind("generator", generator, torch.Generator, type(None), wanted="a Generator")
        index = torch.randint(len(self.x), (n,), generator=generator, device=self.x.device)
        return self.x[index]

    def expectation(self, l: Function) -> Tensor:
        r"""The mean over the samples, :math:`E_{\hat p}[l(x)] = \frac1S\sum_s l(x_s)`, exactly.

        Args:
            l: maps the samples, shape (S, ...), to values, shape (S, ...).

        Returns:
            The mean over S, shape (...).
        """
        checks.kind("l", l, Callable)
        values = checks.floating("l", l(self.x))
        if values.shape[:1] != self.x.shape[:1]:
            wanted = f"one value for each of {len(self.x)} samples"
            raise ValueError(f"l: expected {wanted}, got shape {tuple(values.shape)}")
        return values.mean(0)

    def conditional(self, u: Tensor | float) -> "Empirical":
        r"""The empirical conditional :math:`\hat p(x \mid u)`, defined where u was observed.

        Args:
            u: the input, a number or shape (k,).

        Returns:
            The empirical distribution of the samples whose input equals `u`.

        Raises:
            ValueError: if the distribution has no inputs, or none equals `u`.
        """
        if self.u is None:
            raise ValueError("u: expected a distribution with inputs, got one made without any")
        checks.kind("u", u, Real, Tensor, wanted="an input, a number or a tensor")
        wanted = tuple(self.u.shape[1:])
        if isinstance(u, Tensor) and tuple(u.shape) not in ((), wanted):
            raise ValueError(f"u: expected one input of shape {wanted}, got {tuple(u.shape)}")
        same = self.u == torch.as_tensor(u, device=self.u.device)
        same = same.flatten(1).all(1) if same.ndim > 1 else same
        if not same.any():
            raise ValueError(f"u: expected an input that was observed, got {u}")
        return Empirical(self.x[same], self.u[same])


def pushforward_log_prob(
    x: Tensor, inverse: Function, derivative: Function, base_log_prob: Function
) -> Tensor:
    r"""Log density of x = G(z), z ~ p_0, for monotone G: :math:`\log p_0(z) - \log|G'(z)|`.

    .. math:: p_\theta(x) = \int p_0(z)\, \delta(x - G_\theta(z))\, dz
              = \frac{p_0(z)}{|G_\theta'(z)|} \bigg|_{z = G_\theta^{-1}(x)}

    On the line, elementwise, for strictly monotone G.
    Slide: Supervised and unsupervised learning / generator (E05).

    Args:
        x: points, any shape.
        inverse: :math:`G^{-1}`, elementwise. Where its value is not finite, x lies outside the
            range of G and its density is 0.
        derivative: :math:`G'`, elementwise, a function of z.
        base_log_prob: :math:`\log p_0`, elementwise.

    Returns:
        Log densities, shape of `x`.

    Raises:
        TypeError: if `x` is not floating, or a function is none.
        ValueError: if a function changes the shape, or `x` is not finite.

    Example:
        >>> from torch.distributions import LogNormal, Normal
        >>> x = torch.tensor([-1.0, 2.0])
        >>> pushforward_log_prob(x, torch.log, torch.exp, Normal(0.0, 1.0).log_prob).exp()
        tensor([0.0000, 0.1569])
    """
    checks.floating("x", x, finite=True)
    functions = {"inverse": inverse, "derivative": derivative, "base_log_prob": base_log_prob}
    for name, function in functions.items():
        checks.kind(name, function, Callable)
    z = _values("inverse", inverse(x))
    if z.shape != x.shape:
        raise ValueError(f"inverse: expected the shape {tuple(x.shape)}, got {tuple(z.shape)}")
    inside = z.isfinite()
    log_p_0 = _values("base_log_prob", base_log_prob(z[inside]))
    slope = _values("derivative", derivative(z[inside]))
    if not log_p_0.shape == slope.shape == z[inside].shape:
        raise ValueError(
            f"base_log_prob, derivative: expected the shape {tuple(z[inside].shape)}, "
            f"got {tuple(log_p_0.shape)} and {tuple(slope.shape)}"
        )
    log_p = torch.full_like(z, -math.inf, dtype=torch.promote_types(z.dtype, log_p_0.dtype))
    log_p[inside] = log_p_0 - slope.abs().log()
    return log_p


def expectation(l: Function, x: Tensor) -> Estimate:
    r"""Monte Carlo average with its standard error, :math:`E_p[l(x)] \approx \frac1S\sum_s l(x_s)`.

    .. math:: \hat l = \frac1S \sum_{s=1}^S l(x_s), \qquad
              \mathrm{SE} = \sqrt{\frac{1}{S(S-1)} \sum_s (l(x_s) - \hat l)^2}

    An expectation under the model is one under the base,
    :math:`E_{p_\theta}[l(x)] = E_{p_0}[l(G_\theta(z))]`: pass `lambda z: l(G(z))` and the z.

    Slide: Limitations in learning / training (E09, E10).

    Args:
        l: maps `x` to values, shape (..., S).
        x: independent samples; its layout is the affair of `l`.

    Returns:
        `value` and `standard_error`, shape (...): only the last dimension is averaged, so
        leading dimensions are replicas.

    Raises:
        ValueError: if `l` returns fewer than two values.

    Example:
        >>> value, standard_error = expectation(torch.square, torch.tensor([1.0, 2.0, 3.0]))
        >>> print(f"{value:.4f} {standard_error:.4f}")
        4.6667 2.3333
    """
    checks.kind("l", l, Callable)
    checks.kind("x", x, Tensor)
    values = checks.floating("l", _values("l", l(x)), "... S")
    if values.shape[-1] < 2:
        raise ValueError(f"l: expected two values or more, got shape {tuple(values.shape)}")
    return Estimate(values.mean(-1), values.std(-1) / math.sqrt(values.shape[-1]))


def pathwise_gradient(
    l: Function,
    G: Function,
    params: Sequence[Tensor],
    z: Tensor,
) -> tuple[Tensor, ...]:
    r"""Gradient through the samples, :math:`\frac1S\sum_s(\partial_x l)(G(z_s))\partial_\theta G`.

    .. math:: \partial_\theta E_{p_\theta}[l(x)]
              \approx \frac1S \sum_s
              \Big(\frac{\partial G_\theta(z_s)}{\partial\theta}\Big)^{\!\top}
              \frac{\partial l}{\partial x}\Big|_{x = G_\theta(z_s)}

    Unbiased if G is differentiable in :math:`\theta`, and l is locally Lipschitz (so no steps:
    for a step function this returns 0, which is wrong), with an integrable bound, and does not
    itself depend on :math:`\theta`.

    Slide: Limitations in learning / training (E11, erratum X21).

    Args:
        l: maps samples to values, shape (..., S).
        G: generator, a function of z that uses `params`.
        params: the parameters :math:`\theta`, each requiring a gradient.
        z: samples of :math:`p_0`. Leading dimensions of the values are replicas: parameters of
            shape (R, 1) with z of shape (R, S) give R independent estimates.

    Returns:
        One gradient per parameter, of its shape.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if a parameter requires no gradient or `l` returns a single number.

    Example:
        >>> mu = torch.tensor(0.7, requires_grad=True)
        >>> pathwise_gradient(torch.square, lambda z: mu + z, [mu], torch.tensor([-0.5, 0.5]))
        (tensor(1.4000),)
    """
    _check_params(params)
    checks.kind("l", l, Callable)
    checks.kind("G", G, Callable)
    checks.kind("z", z, Tensor)
    with torch.enable_grad():
        values = checks.floating("l", _values("l", l(G(z))), "... S")
    return _gradient(values, params)


def score_function_gradient(
    l: Function,
    log_prob: Function,
    params: Sequence[Tensor],
    x: Tensor,
) -> tuple[Tensor, ...]:
    r"""Gradient through the density, :math:`\frac1S\sum_s l(x_s)\partial_\theta\log p_\theta(x_s)`.

    .. math:: \partial_\theta E_{p_\theta}[l(x)]
              = E_{p_\theta}\big[l(x)\, \partial_\theta \log p_\theta(x)\big]

    Unbiased for any integrable l, steps included, and usually of larger variance than
    `pathwise_gradient`; it needs the density, which a generator does not have.

    Slide: beyond the deck; the alternative to E11 (I02).

    References:
        Williams (1992), REINFORCE.

    Args:
        l: maps samples to values, shape (..., S); no gradient is taken through it.
        log_prob: :math:`\log p_\theta`, a function of x that uses `params`, shape (..., S).
        params: the parameters :math:`\theta`, each requiring a gradient.
        x: samples of :math:`p_\theta`; taken as constants. Leading dimensions as in
            `pathwise_gradient`.

    Returns:
        One gradient per parameter, of its shape.

    Raises:
        ValueError: if a parameter requires no gradient or the shapes of values and log
            probabilities differ.

    Example:
        >>> from torch.distributions import Normal
        >>> mu = torch.tensor(0.0, requires_grad=True)
        >>> x = torch.tensor([-1.0, 2.0])
        >>> score_function_gradient(torch.square, lambda x: Normal(mu, 1.0).log_prob(x), [mu], x)
        (tensor(3.5000),)
    """
    _check_params(params)
    checks.kind("l", l, Callable)
    checks.kind("log_prob", log_prob, Callable)
    x = checks.kind("x", x, Tensor).detach()
    with torch.enable_grad():
        values = checks.floating("l", _values("l", l(x)), "... S").detach()
        log_p = _values("log_prob", log_prob(x))
    if values.shape != log_p.shape:
        raise ValueError(
            "l, log_prob: expected the same shape (..., S), "
            f"got {tuple(values.shape)} and {tuple(log_p.shape)}"
        )
    return _gradient(values * log_p, params)


def _gradient(values: Tensor, params: Sequence[Tensor]) -> tuple[Tensor, ...]:
    # The sum over leading dimensions gives each replica the gradient of its own average.
    objective = values.mean(-1).sum()
    if not objective.requires_grad:  # a step function: its derivative is 0 where there is one
        return tuple(torch.zeros_like(theta) for theta in params)
    return torch.autograd.grad(objective, params, allow_unused=True, materialize_grads=True)


def _values(name: str, values: Tensor) -> Tensor:
    """What a function has returned, which the error calls by the function's name."""
    wanted = "a function that returns a tensor"
    return checks.kind(name, values, Tensor, wanted=wanted)


def _check_params(params: Sequence[Tensor]) -> None:
    checks.kind("params", params, list, tuple, wanted="a list or tuple of tensors")
    if not params:
        raise ValueError("params: expected at least one tensor, got none")
    for i, theta in enumerate(params):
        checks.floating(f"params[{i}]", theta)
        if not theta.requires_grad:
            came = f"one of shape {tuple(theta.shape)} without"
            raise ValueError(f"params[{i}]: expected a tensor that requires a gradient, got {came}")
