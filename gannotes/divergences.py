r"""Divergences: how far apart two known densities are.

Every divergence here is an f-divergence, the mean under `q` of a convex function of the density
ratio, up to the factor and constant that its name is known by.

.. math::

    D_f(p \| q) = \int q(x)\, f\!\left(\frac{p(x)}{q(x)}\right) dx
        \;\ge\; \mathbb{E}_p[t(x)] - \mathbb{E}_q[f^*(t(x'))],
    \qquad f^*(t) = \sup_{u \ge 0} \; u t - f(u)

The integral on the left needs both densities; the bound on the right needs samples and a function
t, and is met at :math:`t^* = f'(p/q)`. One row of the table below (an `FDivergence`) holds both
sides. Densities come as logarithms on common points with quadrature weights `dx` (1 for
probabilities), and nothing leaves log space before the last sum: tails whose ratio overflows are
exact. `-inf` is a density of zero, with 0 log 0 = 0; supports that do not match give `inf` where
the divergence is infinite, and a point that neither density reaches counts nothing.

What is summed is :math:`q\, [f(u) - f'(1)(u - 1)]` at :math:`u = p/q`: for densities that integrate
to 1 the tangent adds nothing, and no term is ever below zero, whatever the rounding and the grid
(the row `GAN`, whose f(1) is :math:`-\log 4`, is the exception). Near u = 1, where the two
differences would cancel, a series takes their place. Densities that are not normalised are not
noticed: they get this sum. NaN is an error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gannotes import checks

LOG_2 = math.log(2.0)
Elementwise = Callable[[Tensor], Tensor]
Integrand = Callable[[Tensor, Tensor], Tensor]


# Integrands: q [f(u) - f'(1)(u - 1)] at u = p/q, from log p and log q that are not both -inf.


def _log_ratio(log_p: Tensor, log_q: Tensor) -> Tensor:
    """p log p/q, with 0 log 0 = 0."""
    positive = log_p > -torch.inf
    log_p = torch.where(positive, log_p, 0.0)
    # A positive density that underflows must not turn an infinite ratio into 0 * inf.
    p = log_p.exp().clamp_min(torch.finfo(log_p.dtype).tiny)
    return torch.where(positive, p * (log_p - log_q), 0.0)


def _rise(log_p: Tensor, log_q: Tensor, b: float) -> Tensor:
    """(p^b q^(1 - b) - q) / b, with its limit q log p/q at b = 0."""
    if b == 0:
        return -_log_ratio(log_q, log_p)
    s = b * (log_p - log_q)
    near = s.abs() < 1  # there the difference of powers would cancel
    power = torch.exp(log_p if b == 1 else b * log_p + (1 - b) * log_q) - log_q.exp()
    return torch.where(near, log_q.exp() * torch.expm1(torch.where(near, s, 0.0)), power) / b


def _curve(s: Tensor) -> Tensor:
    """2 (e^s - 1 - s) / s^2 for |s| <= 0.3, by its series."""
    total = torch.ones_like(s)
    for n in range(14, 2, -1):
        total = 1 + s / n * total
    return total


def _alpha(log_p: Tensor, log_q: Tensor, a: float) -> Tensor:
    """(a p + (1 - a) q - p^a q^(1 - a)) / (a (1 - a)), exact near a = 0, a = 1 and p = q too."""
    if a > 0.5:
        return _alpha(log_q, log_p, 1 - a)  # the duality D_a[p || q] = D_(1-a)[q || p]
    s = log_p - log_q
    near = s.abs() * max(1.0, abs(a)) < 0.3
    s = torch.where(near, s, 0.0)
    series = log_q.exp() * s.square() / 2 * (_curve(s) - a * _curve(a * s))
    rises = _rise(log_p, log_q, 1.0) - _rise(log_p, log_q, a)
    return torch.where(near, series, rises) / (1 - a)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """p log p/q - p + q."""
    return _alpha(log_p, log_q, 1.0)


def _pearson(log_p: Tensor, log_q: Tensor) -> Tensor:
    """(p - q)^2 / q, as a square that overflows no earlier than its value."""
    return (torch.exp(log_p - log_q / 2) - torch.exp(log_q / 2)).square()


def _jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """p log p/m + q log q/m with m = (p + q)/2: both halves, not halved."""
    log_m = torch.logaddexp(log_p, log_q) - LOG_2
    return _kl(log_p, log_m) + _kl(log_q, log_m)


def _gan(log_p: Tensor, log_q: Tensor) -> Tensor:
    """p log p/(p + q) + q log q/(p + q)."""
    log_sum = torch.logaddexp(log_p, log_q)
    return _log_ratio(log_p, log_sum) + _log_ratio(log_q, log_sum)


def _check(log_p: Tensor, log_q: Tensor, dx: float | Tensor) -> Tensor:
    """Refuse what cannot be integrated; return dx as a tensor like the densities."""
    for name, z in (("log_p", log_p), ("log_q", log_q)):
        _check_logs(name, z, "... K")
    if log_p.shape[-1] != log_q.shape[-1]:
        came = f"{tuple(log_p.shape)} and {tuple(log_q.shape)}"
        raise ValueError(f"log_p, log_q: expected the same last dimension, got {came}")
    checks.leading(log_p=log_p, log_q=log_q)
    dtype = torch.result_type(log_p, log_q)
    return _weights(dx, log_p.shape[-1]).to(dtype=dtype, device=log_p.device)


def _check_logs(name: str, z: Tensor, shape: str) -> None:
    """Log densities: -inf is one, NaN and inf are none."""
    checks.floating(name, z, shape)
    if z.is_meta or not bool((z < torch.inf).all()):
        raise ValueError(f"{name}: expected log densities below inf, got NaN or inf among them")


def _weights(dx: float | Tensor, points: int) -> Tensor:
    """The quadrature weights as a tensor."""
    checks.kind("dx", dx, Real, Tensor, wanted="a number or a tensor of weights")
    weights = torch.as_tensor(dx, dtype=None if isinstance(dx, Tensor) else torch.float64)
    if weights.ndim and weights.shape != (points,):
        came = tuple(weights.shape)
        raise ValueError(
            f"dx: expected a number or a tensor of shape ({points},), got shape {came}"
        )
    if weights.is_meta or not bool(((weights > 0) & (weights < torch.inf)).all()):
        raise ValueError(f"dx: expected positive and finite weights, got {dx}")
    return weights


def _integrate(integrand: Integrand, log_p: Tensor, log_q: Tensor, dx: float | Tensor) -> Tensor:
    """The sum over the last dimension of integrand times dx, skipping what neither reaches."""
    weights = _check(log_p, log_q, dx)
    log_p, log_q = torch.broadcast_tensors(log_p.to(weights.dtype), log_q.to(weights.dtype))
    empty = (log_p == -torch.inf) & (log_q == -torch.inf)
    values = integrand(log_p.masked_fill(empty, 0.0), log_q.masked_fill(empty, 0.0))
    return (values.masked_fill(empty, 0.0) * weights).sum(-1)


@dataclass(frozen=True)
class FDivergence:
    r"""One row of the table: :math:`D_f(p \| q) = \int q\, f(p/q)\, dx` and its bound.

    .. math::

        D_f(p \| q) = \int q\, f\!\left(\frac{p}{q}\right) dx
            \;\ge\; \mathbb{E}_p[h_f(v)] - \mathbb{E}_q[f^*(h_f(v))]

    Calling the row integrates the left side; `bounds.variational` of the row is the right side.
    Where q = 0 < p the integrand is :math:`p \lim_{u \to \infty} f(u)/u = p\, f'(\infty)`. A row of
    your own needs the first six fields only.

    Slide: f-GAN / Sample based divergence minimisation (E48, E49), f-divergences and conjugate
    duals (T01, E51), practical considerations (T02), with the errata X12 (the order of p and q)
    and X13 (the factor of the Jensen-Shannon row); a loss as Limitations in learning (E07) asks.

    References:
        Nowozin, Cseke and Tomioka, f-GAN, 2016; Csiszar, 1967.

    Args:
        name: the key of the row in `F_DIVERGENCES`.
        f: the convex function of the density ratio u = p/q, u >= 0.
        f_prime: its derivative; :math:`t^* = f'(p/q)` is the optimal t.
        conjugate: :math:`f^*(t) = \sup_u ut - f(u)`, `inf` outside its domain.
        activation: :math:`h_f`, increasing, from any raw critic output into the domain of
            :math:`f^*`.
        penalty: :math:`f^* \circ h_f`, fused so that it never overflows early.
        integrand: :math:`q f(p/q)` from log p and log q, not both `-inf`. Left out, it is made
            of `f` and `f_prime`, and exact as long as p/q itself does not overflow.
        best: the raw output :math:`v^*` at which :math:`h_f(v^*) = f'(p/q)`, from log p/q: where
            the bound is met. It is log p/q itself where :math:`h_f(v) = f'(e^v)`, and left out so.

    Example:
        >>> p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
        >>> SQUARED_HELLINGER(p.log(), q.log())
        tensor(0.1848)
        >>> SQUARED_HELLINGER
        FDivergence(name='squared_hellinger')
        >>> KL.best(torch.tensor(0.0))  # t* = f'(1) = 1, and h_f(v) = v
        tensor(1.)
    """

    name: str
    f: Elementwise = field(repr=False)
    f_prime: Elementwise = field(repr=False)
    conjugate: Elementwise = field(repr=False)
    activation: Elementwise = field(repr=False)
    penalty: Elementwise = field(repr=False)
    integrand: Integrand | None = field(default=None, repr=False)
    best: Elementwise = field(default=lambda log_u: log_u, repr=False)

    def __call__(self, log_p: Tensor, log_q: Tensor, dx: float | Tensor = 1.0) -> Tensor:
        r"""The divergence by quadrature: :math:`\sum_k q_k f(p_k/q_k)\, dx_k`.

        Args:
            log_p: log densities or log probabilities, shape (..., K).
            log_q: the same at the same points, shape (..., K).
            dx: quadrature weight or weights, a number or shape (K,); 1 for probabilities.

        Returns:
            Shape (...); `inf` where the divergence is infinite.

        Raises:
            TypeError: if a log density is not a floating-point tensor.
            ValueError: if shapes do not match, a log density is NaN or inf, or dx is not positive.
        """
        return _integrate(self.integrand or self._perspective, log_p, log_q, dx)

    def _perspective(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """q f(p/q), and p f'(inf) where the ratio overflows or is infinite."""
        log_u = log_p - log_q
        finite = log_u < math.log(torch.finfo(log_u.dtype).max)
        value = log_q.exp() * self.f(torch.where(finite, log_u, 0.0).exp())
        limit = self.f_prime(torch.full_like(log_u, torch.inf))
        return torch.where(finite, value, log_p.exp() * limit)


# Pieces that rows share. torch's softplus drops e^-v beyond v = 20; logsigmoid does not.


def _softplus(v: Tensor) -> Tensor:
    return -logsigmoid(-v)


def _power(v: Tensor, a: float) -> Tensor:
    """(u^a - 1)/a at u = e^v, with its limit log u at a = 0."""
    return v if a == 0 else torch.expm1(a * v) / a


def _until(end: float, conjugate: Elementwise) -> Elementwise:
    """The conjugate up to the end of its domain, `inf` beyond."""

    def limited(t: Tensor) -> Tensor:
        inside = t <= end
        return torch.where(inside, conjugate(torch.where(inside, t, end - 1.0)), torch.inf)

    return limited


def _jeffrey_conjugate(t: Tensor) -> Tensor:
    """e^v + v - 1 at the root of v + 1 - e^-v = t; Lambert's form cancels in the tails."""
    v = t.clamp(min=0) / 2 - torch.log1p(t.clamp(max=0).neg())  # left of the root, which is 0 at 0
    for _ in range(7):  # Newton: concave, so from the left and without a safeguard
        decay = torch.exp(-v)
        v = v + (t - v - 1 + decay) / (1 + decay)
    return torch.expm1(v) + v


# The table. t* = f'(p/q); "link" marks an activation f'(e^v), whose best output is log p/q.

KL = FDivergence(
    "kl",  # D = int p log p/q
    f=lambda u: torch.xlogy(u, u),
    f_prime=lambda u: 1 + torch.log(u),
    conjugate=lambda t: torch.exp(t - 1),
    activation=lambda v: v,
    penalty=lambda v: torch.exp(v - 1),
    integrand=_kl,
    best=lambda log_u: 1 + log_u,
)
REVERSE_KL = FDivergence(
    "reverse_kl",  # D = int q log q/p
    f=lambda u: -torch.log(u),
    f_prime=lambda u: -1 / u,
    conjugate=_until(0.0, lambda t: -1 - torch.log(-t)),
    activation=lambda v: -torch.exp(-v),  # link
    penalty=lambda v: v - 1,
    integrand=lambda log_p, log_q: _kl(log_q, log_p),
)
PEARSON = FDivergence(
    "pearson",  # D = int (p - q)^2 / q
    f=lambda u: (u - 1).square(),
    f_prime=lambda u: 2 * (u - 1),
    conjugate=lambda t: t.square() / 4 + t,  # as published; for t < -2, u >= 0 would give -1
    activation=lambda v: v,
    penalty=lambda v: v.square() / 4 + v,
    integrand=_pearson,
    best=lambda log_u: 2 * torch.expm1(log_u),
)
NEYMAN = FDivergence(
    "neyman",  # D = int (p - q)^2 / p
    f=lambda u: (1 - u).square() / u,
    f_prime=lambda u: 1 - u**-2,
    conjugate=_until(1.0, lambda t: 2 - 2 * torch.sqrt(1 - t)),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: -2 * torch.expm1(-v / 2),
    integrand=lambda log_p, log_q: _pearson(log_q, log_p),
    best=lambda log_u: 2 * log_u,
)
SQUARED_HELLINGER = FDivergence(
    "squared_hellinger",  # D = int (sqrt p - sqrt q)^2
    f=lambda u: (torch.sqrt(u) - 1).square(),
    f_prime=lambda u: 1 - torch.rsqrt(u),
    conjugate=_until(1.0, lambda t: t / (1 - t)),
    activation=lambda v: -torch.expm1(-v),
    penalty=torch.expm1,
    integrand=lambda log_p, log_q: (torch.exp(log_p / 2) - torch.exp(log_q / 2)).square(),
    best=lambda log_u: log_u / 2,
)
JEFFREY = FDivergence(
    "jeffrey",  # D = int (p - q) log p/q
    f=lambda u: (u - 1) * torch.log(u),
    f_prime=lambda u: 1 + torch.log(u) - 1 / u,
    conjugate=_jeffrey_conjugate,
    activation=lambda v: v - torch.expm1(-v),  # link
    penalty=lambda v: v + torch.expm1(v),
    integrand=lambda log_p, log_q: _kl(log_p, log_q) + _kl(log_q, log_p),
)
JENSEN_SHANNON = FDivergence(
    "jensen_shannon",  # D = int p log 2p/(p+q) + q log 2q/(p+q), twice `jensen_shannon`
    f=lambda u: torch.xlogy(u, u) - (u + 1) * torch.log((u + 1) / 2),
    f_prime=lambda u: LOG_2 + logsigmoid(torch.log(u)),
    conjugate=_until(LOG_2, lambda t: -LOG_2 - torch.log(-torch.expm1(t - LOG_2))),
    activation=lambda v: LOG_2 + logsigmoid(v),  # link
    penalty=lambda v: _softplus(v) - LOG_2,
    integrand=_jensen_shannon,
)
GAN = FDivergence(
    "gan",  # D = int p log p/(p+q) + q log q/(p+q), that is 2 JS - log 4
    f=lambda u: torch.xlogy(u, u) - (u + 1) * torch.log(u + 1),
    f_prime=lambda u: logsigmoid(torch.log(u)),
    conjugate=_until(0.0, lambda t: -torch.log(-torch.expm1(t))),
    activation=logsigmoid,  # link
    penalty=_softplus,
    integrand=_gan,
)
TOTAL_VARIATION = FDivergence(
    "total_variation",  # D = 1/2 int |p - q|
    f=lambda u: (u - 1).abs() / 2,
    f_prime=lambda u: torch.sign(u - 1) / 2,
    conjugate=_until(0.5, lambda t: torch.where(t >= -0.5, t, torch.inf)),
    activation=lambda v: torch.tanh(v) / 2,
    penalty=lambda v: torch.tanh(v) / 2,
    integrand=lambda log_p, log_q: (log_p.exp() - log_q.exp()).abs() / 2,
    best=lambda log_u: torch.where(log_u == 0, 0.0, torch.inf * log_u),  # beyond all bounds
)

_ROWS = (
    KL,
    REVERSE_KL,
    PEARSON,
    NEYMAN,
    SQUARED_HELLINGER,
    JEFFREY,
    JENSEN_SHANNON,
    GAN,
    TOTAL_VARIATION,
)
F_DIVERGENCES: dict[str, FDivergence] = {row.name: row for row in _ROWS}


def alpha_family(a: float) -> FDivergence:
    r"""The row of Minka's :math:`D_a`: :math:`f(u) = (au + 1 - a - u^a) / (a(1 - a))`.

    .. math::

        f'(u) = \frac{u^{a-1} - 1}{a - 1}, \qquad
        h_f(v) = f'(e^v) = \frac{e^{(a-1)v} - 1}{a - 1}, \qquad
        f^*(h_f(v)) = \frac{e^{av} - 1}{a}

    With this activation the optimum is :math:`v^* = \log p/q` for every a. All expressions are
    continuous in a; at 0 and 1 they are those of KL(q || p) and KL(p || q), up to a constant in t.
    For a outside [0, 1] and \|v\| = 80 these powers can lie beyond float32, whose largest
    exponent is 88: there they are `inf`, as :math:`e^{av}` itself. float64 holds them.

    Slide: f-GAN / Divergence measures (E44, E45, T01, T02).

    References:
        Minka, Divergence measures and message passing, 2005.

    Args:
        a: a number from -1000 to 1000.

    Returns:
        An FDivergence named "alpha(a)".

    Raises:
        TypeError: if `a` is no number.
        ValueError: if it is out of range.

    Example:
        >>> alpha_family(0.5).name
        'alpha(0.5)'
        >>> alpha_family(2).penalty(torch.tensor(0.0))
        tensor(0.)
    """
    a = checks.number("a", a, -1000, 1000)
    if abs(a) < 1e-30:  # a log p/q would underflow, and the limit is exact
        a = 0.0

    def conjugate(t: Tensor) -> Tensor:
        if a == 1:
            return torch.expm1(t)
        x = (a - 1) * t
        inside = x > -1 if a > 1 else x >= -1
        v = torch.log1p(torch.where(inside, x, 0.0)) / (a - 1)  # the inverse of the activation
        return torch.where(inside, _power(v, a), -1 / a if a > 1 else torch.inf)

    return FDivergence(
        f"alpha({a:g})",
        f=lambda u: _alpha(torch.log(u), torch.zeros_like(u), a),
        f_prime=lambda u: _power(torch.log(u), a - 1),
        conjugate=conjugate,
        activation=lambda v: _power(v, a - 1),
        penalty=lambda v: _power(v, a),
        integrand=lambda log_p, log_q: _alpha(log_p, log_q, a),
    )


def kl(log_p: Tensor, log_q: Tensor, dx: float | Tensor = 1.0) -> Tensor:
    r"""The Kullback-Leibler divergence KL(p || q), the deck's D_1[p || q].

    .. math::

        \mathrm{KL}(p \| q) = \int p(x) \log \frac{p(x)}{q(x)}\, dx

    Slide: f-GAN / Divergence measures (E45).

    References:
        Kullback and Leibler, 1951.

    Args:
        log_p: log densities or log probabilities, shape (..., K).
        log_q: the same at the same points, shape (..., K).
        dx: quadrature weight or weights, a number or shape (K,); 1 for probabilities.

    Returns:
        Nats, shape (...); `inf` where p reaches a point that q does not.

    Raises:
        TypeError: if a log density is not a floating-point tensor.
        ValueError: if shapes do not match, a log density is NaN or inf, or dx is not positive.

    Example:
        >>> p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
        >>> kl(p.log(), q.log())
        tensor(0.3601)
    """
    return KL(log_p, log_q, dx)


def information(log_joint: Tensor, dx: float | Tensor = 1.0) -> Tensor:
    r"""Mutual information: :math:`\mathrm{KL}(p(c, x) \| p(c)\, p(x))`.

    .. math::

        I(c; x) = \sum_c \int p(c)\, p(x \mid c) \log \frac{p(x \mid c)}{p(x)}\, dx
            = H(c) - H(c \mid x)

    Slide: InfoGAN / Loss function (E29, E30), with the erratum X05.

    References:
        Cover and Thomas, Elements of information theory, 2006.

    Args:
        log_joint: log p(c, x), shape (..., C, K): codes in rows, points in columns.
        dx: quadrature weight or weights of the points, a number or shape (K,).

    Returns:
        Nats, shape (...).

    Raises:
        TypeError: if `log_joint` is not a floating-point tensor.
        ValueError: if it is not at least two-dimensional, holds a NaN or inf, or dx is not
            positive.

    Example:
        >>> channel = torch.tensor([[0.45, 0.05], [0.05, 0.45]])  # flips a fair bit in one of ten
        >>> information(channel.log())
        tensor(0.3681)
    """
    _check_logs("log_joint", log_joint, "... C K")
    weight = _weights(dx, log_joint.shape[-1]).to(log_joint)
    log_c = (log_joint + weight.log()).logsumexp(-1, keepdim=True)
    log_x = log_joint.logsumexp(-2, keepdim=True)
    flat = weight.expand(log_joint.shape[-2:]).flatten()
    return kl(log_joint.flatten(-2), (log_c + log_x).flatten(-2), flat)


def alpha(log_p: Tensor, log_q: Tensor, a: float, dx: float | Tensor = 1.0) -> Tensor:
    r"""Minka's alpha divergence: :math:`(1 - \int p^a q^{1-a}) / (a(1-a))`.

    .. math::

        D_a[p \| q] = \int \frac{a\,p + (1 - a)\,q - p^a q^{1-a}}{a(1 - a)}\, dx,
        \qquad D_0 = \mathrm{KL}(q \| p), \quad D_1 = \mathrm{KL}(p \| q)

    This form needs no normalised densities, is never negative and is continuous in a.
    a = 1/2 is twice the squared Hellinger, 2 half of Pearson's, -1 half of Neyman's divergence.

    Slide: f-GAN / Divergence measures (E44, E45).

    References:
        Minka, Divergence measures and message passing, 2005.

    Args:
        log_p: log densities or log probabilities, shape (..., K).
        log_q: the same at the same points, shape (..., K).
        a: a number from -1000 to 1000.
        dx: quadrature weight or weights, a number or shape (K,); 1 for probabilities.

    Returns:
        Shape (...); `inf` where the divergence is infinite.

    Raises:
        TypeError: if a log density is not a floating-point tensor.
        ValueError: if shapes do not match, a log density is NaN or inf, dx is not positive or `a`
            is out of range.

    Example:
        >>> p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
        >>> alpha(p.log(), q.log(), 2.0)
        tensor(0.3833)
    """
    return alpha_family(a)(log_p, log_q, dx)


def jensen_shannon(log_p: Tensor, log_q: Tensor, dx: float | Tensor = 1.0) -> Tensor:
    r"""The Jensen-Shannon divergence with its two halves: at most log 2.

    .. math::

        \mathrm{JS}(p, q) = \tfrac12 \mathrm{KL}(p \| m) + \tfrac12 \mathrm{KL}(q \| m),
        \qquad m = \tfrac12 (p + q)

    The row `JENSEN_SHANNON` is 2 JS, the row `GAN` is 2 JS - log 4.

    Slide: f-GAN / Divergence measures (E46), with the errata X10, X11 and X13.

    References:
        Lin, Divergence measures based on the Shannon entropy, 1991.

    Args:
        log_p: log densities or log probabilities, shape (..., K).
        log_q: the same at the same points, shape (..., K).
        dx: quadrature weight or weights, a number or shape (K,); 1 for probabilities.

    Returns:
        Nats, shape (...), finite for any supports.

    Raises:
        TypeError: if a log density is not a floating-point tensor.
        ValueError: if shapes do not match, a log density is NaN or inf, or dx is not positive.

    Example:
        >>> p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> jensen_shannon(p.log(), q.log())  # log 2
        tensor(0.6931)
    """
    return JENSEN_SHANNON(log_p, log_q, dx) / 2


def total_variation(log_p: Tensor, log_q: Tensor, dx: float | Tensor = 1.0) -> Tensor:
    r"""The total variation: half of the L1 distance, at most 1.

    .. math::

        \mathrm{TV}(p, q) = \tfrac12 \int |p(x) - q(x)|\, dx

    Slide: f-GAN / Divergence measures (E47).

    References:
        Levin and Peres, Markov Chains and Mixing Times, 2017, chapter 4.

    Args:
        log_p: log densities or log probabilities, shape (..., K).
        log_q: the same at the same points, shape (..., K).
        dx: quadrature weight or weights, a number or shape (K,); 1 for probabilities.

    Returns:
        Shape (...), finite for any supports.

    Raises:
        TypeError: if a log density is not a floating-point tensor.
        ValueError: if shapes do not match, a log density is NaN or inf, or dx is not positive.

    Example:
        >>> p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.5, 0.5])
        >>> total_variation(p.log(), q.log())
        tensor(0.5000)
    """
    return TOTAL_VARIATION(log_p, log_q, dx)
