r"""Fits: the member of a family that is closest to a known density.

.. math:: q^* = \arg\min_{q \in \mathcal Q} D(p \,\|\, q)

Which one it is depends on the divergence: that is the difference between them that one can see.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from gannotes import checks

LOG_2PI = math.log(2.0 * math.pi)
Divergence = Callable[[Tensor, Tensor, float | Tensor], Tensor]


class BestGaussian(NamedTuple):
    """What `best_gaussian` found: mean, standard deviation and divergence, shape (...) each."""

    mu: Tensor
    sigma: Tensor
    value: Tensor


def best_gaussian(
    divergence: Divergence,
    log_p: Tensor,
    x: Tensor,
    dx: float | Tensor,
    start: tuple[float | Tensor, float | Tensor],
) -> BestGaussian:
    r"""The Gaussian closest to p: a local minimum of :math:`D(p \| N(\mu, \sigma^2))`.

    .. math::

        (\mu^*, \sigma^*) = \arg\min_{\mu, \sigma} D\bigl(p \,\|\, N(\mu, \sigma^2)\bigr)

    Newton's method in the coordinates :math:`(\mu / \sigma, \log \sigma)` around the current
    Gaussian. Directions of negative curvature are reversed, the damping falls after a step that
    helps and rises after one that does not, and no step that does not help is taken. Reverse KL
    and its neighbours can have one minimum per mode of p: which one is found depends on the start.
    Start where the divergence is finite; on a grid an infinite one is only huge, and its slope
    misleads. Total variation has kinks, which a grid turns into a staircase: its minimiser is less
    exact than its value.

    Slide: f-GAN / Divergence measures (F07).

    References:
        Minka, Divergence measures and message passing, 2005.

    Args:
        divergence: a row of the table, or any function with the arguments of `kl`.
        log_p: log density of p at the points, shape (K,), best in float64.
        x: the points, shape (K,); they must reach as far as p and the Gaussian do.
        dx: quadrature weight or weights, a number or shape (K,).
        start: mean and standard deviation of the first Gaussian, numbers or shape (...): as many
            searches side by side.

    Returns:
        A BestGaussian, shape (...).

    Raises:
        TypeError: if `log_p` or `x` is not a floating-point tensor.
        ValueError: if shapes do not match, dx is not positive, or the start has a sigma that is
            not positive or a divergence that is not finite.

    Example:
        >>> from gannotes.divergences import KL
        >>> x = torch.linspace(-12, 12, 2401, dtype=torch.float64)
        >>> log_p = torch.logaddexp(-((x + 2) ** 2) / 2, -((x - 2) ** 2) / 2)
        >>> log_p = log_p - math.log(8 * math.pi) / 2  # two modes at -2 and 2, width 1
        >>> best = best_gaussian(KL, log_p, x, 0.01, start=(1.0, 1.0))  # matches the moments
        >>> f"{best.mu:.4f} {best.sigma**2:.4f}"
        '0.0000 5.0000'
    """
    checks.kind("divergence", divergence, Callable)
    checks.floating("log_p", log_p, "K")
    checks.floating("x", x, str(len(log_p)), finite=True)
    mu, sigma = _start(log_p, start)

    def at(move: Tensor) -> Tensor:
        m, log_s = mu + sigma * move[..., 0], sigma.log() + move[..., 1]
        z = (x - m.unsqueeze(-1)) * torch.exp(-log_s).unsqueeze(-1)
        return divergence(log_p, -(z.square() + LOG_2PI) / 2 - log_s.unsqueeze(-1), dx)

    value = at(mu.new_zeros(*mu.shape, 2))
    if not bool(value.isfinite().all()):
        raise ValueError(f"start: expected a finite divergence there, got {value.tolist()}")
    damping = torch.ones_like(mu)
    for _ in range(200):
        move = _damped_newton(at, mu.new_zeros(*mu.shape, 2), damping)
        new = at(move)
        better = new < value
        value = torch.where(better, new, value)
        mu = torch.where(better, mu + sigma * move[..., 0], mu)
        sigma = torch.where(better, sigma * move[..., 1].exp(), sigma)
        damping = torch.where(better, damping / 4, damping * 4).clamp_min(1e-12)
        if not bool((move.abs() > 1e-9).any()):
            break
    return BestGaussian(mu, sigma, value)


def _start(log_p: Tensor, start: tuple[float | Tensor, float | Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation to start from, as tensors like log_p."""
    checks.kind("start", start, tuple, list, wanted="a pair (mu, sigma)")
    if len(start) != 2:
        raise ValueError(f"start: expected a pair (mu, sigma), got {len(start)} values")
    for part in start:
        checks.kind("start", part, Real, Tensor, wanted="two numbers or tensors")
    mu, sigma = (torch.as_tensor(part).to(log_p) for part in start)
    checks.floating("start", mu, finite=True)
    if not bool(((sigma > 0) & (sigma < torch.inf)).all()):
        raise ValueError(f"start: expected a positive sigma, got {sigma.tolist()}")
    checks.leading(0, mu=mu, sigma=sigma)
    mu, sigma = torch.broadcast_tensors(mu, sigma)
    return mu, sigma


def _damped_newton(value: Callable[[Tensor], Tensor], w: Tensor, damping: Tensor) -> Tensor:
    """-(|H| + damping)^-1 g at w (..., 2), at most 1 long; |H| has the moduli of eigenvalues.

    H is made of differences of exact slopes: unlike a second derivative, they see the kinks of
    total variation.
    """

    def slope(w: Tensor) -> Tensor:
        w = w.detach().requires_grad_()
        return torch.autograd.grad(value(w).sum(), w)[0].nan_to_num()

    steps = 0.01 * torch.eye(2, dtype=w.dtype, device=w.device)
    rows = [(slope(w + step) - slope(w - step)) / 0.02 for step in steps]
    H = torch.stack(rows, -2)
    curvature, axes = torch.linalg.eigh((H + H.mT) / 2)
    along = (axes.mT @ slope(w).unsqueeze(-1)).squeeze(-1)
    scale = curvature.abs() + damping.unsqueeze(-1)
    move = -(axes @ (along / scale).unsqueeze(-1)).squeeze(-1)
    return move / move.norm(dim=-1, keepdim=True).clamp_min(1.0)
