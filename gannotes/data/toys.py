r"""Toy densities: samples to train on, and the exact log density to be judged by.

All but the point mass are densities on the line or the plane,

.. math:: p(x) = \sum_m \pi_m\, N(x \mid \mu_m, \sigma_m^2 I)
   \qquad\text{or}\qquad
   p(x) = \int p(t)\, N(x \mid c(t), \sigma^2 I)\, dt,

the second being Gaussian noise around a curve. Each is a torch `Distribution`. Its numbers are
float32 unless `dtype` or a tensor argument says otherwise; to place them on another device,
call the function inside `with torch.device(...)`.
"""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    constraints,
)

from gannotes import checks

MOST = 1_000_000  # modes
Numbers = Tensor | Sequence[float]


def mixture_1d(
    weights: Numbers, means: Numbers, sds: Numbers, dtype: torch.dtype | None = None
) -> MixtureSameFamily:
    r"""Mixture of Gaussians on the line, :math:`p(x) = \sum_m \pi_m N(x \mid \mu_m, \sigma_m^2)`.

    .. math:: \log p(x) = \log \sum_m \exp\Big( \log \pi_m - \log\sigma_m - \tfrac12 \log 2\pi
              - \frac{(x - \mu_m)^2}{2 \sigma_m^2} \Big)

    Slide: f-GAN (F07; the cases M1 and M2 of the book).

    Args:
        weights: mixing weights, shape (M,), positive, summing to 1.
        means: means, shape (M,).
        sds: standard deviations (not variances), shape (M,), positive.
        dtype: dtype of the parameters; that of `means` where it is a floating tensor, else the
            default.

    Returns:
        A distribution with event shape (1,): samples are (n, 1), `log_prob` takes (n, 1).

    Raises:
        TypeError: if an argument holds no real numbers.
        ValueError: if the shapes differ, a number is not finite, a weight or sd is not positive,
            or the weights do not sum to 1.

    Example:
        >>> p = mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0])
        >>> p.sample((5,)).shape
        torch.Size([5, 1])
        >>> print(f"{p.mean.item():.2f} {p.stddev.item():.4f}")
        0.45 1.8386
    """
    if dtype is None and isinstance(means, Tensor) and means.is_floating_point():
        dtype = means.dtype
    dtype = _precision(dtype)
    given = {"weights": weights, "means": means, "sds": sds}
    pi, mu, sigma = (_numbers(name, values, dtype) for name, values in given.items())
    if not pi.shape == mu.shape == sigma.shape:
        shapes = f"{tuple(pi.shape)}, {tuple(mu.shape)} and {tuple(sigma.shape)}"
        raise ValueError(f"weights, means, sds: expected one shape (M,), got {shapes}")
    if not (pi > 0).all() or abs(pi.sum().item() - 1) > 1e-5:
        raise ValueError(f"weights: expected positive numbers that sum to 1, got {pi.tolist()}")
    if not (sigma > 0).all():
        raise ValueError(f"sds: expected positive numbers, got {sigma.tolist()}")
    return MixtureSameFamily(
        Categorical(pi), Independent(Normal(mu.unsqueeze(-1), sigma.unsqueeze(-1)), 1)
    )


def univariate_mixture(dtype: torch.dtype | None = None) -> MixtureSameFamily:
    r"""The target of the f-GAN paper's univariate experiment, recovered from its results.

    .. math:: p(x) = 0.33\, N(x \mid -1, 0.255^2) + 0.67\, N(x \mid 2, 1.415^2)

    The paper prints the best Gaussian under five divergences and not the mixture. These numbers
    are a least-squares fit to those fifteen values, and reproduce each within 0.001.

    Slide: beyond the deck (Nowozin, Cseke and Tomioka, 2016, section 2.4).

    Args:
        dtype: dtype of the parameters; the default dtype if None.

    Returns:
        A distribution with event shape (1,).

    Example:
        >>> p = univariate_mixture()
        >>> print(f"{p.mean.item():.3f} {p.stddev.item():.3f}")
        1.010 1.831
    """
    return mixture_1d([0.33, 0.67], [-1.0, 2.0], [0.255, 1.415], dtype)


def ring(
    modes: int = 8, radius: float = 2.0, sd: float = 0.02, dtype: torch.dtype | None = None
) -> MixtureSameFamily:
    r"""Equal Gaussians on a circle, :math:`\mu_m = R\,(\cos 2\pi m/M, \sin 2\pi m/M)`.

    .. math:: p(x) = \frac1M \sum_{m=0}^{M-1} N(x \mid \mu_m, \sigma^2 I_2)

    The usual test for mode collapse. Slide: beyond the deck (Metz et al. 2017; Srivastava et al.
    2017).

    Args:
        modes: number M of modes.
        radius: radius R of the circle.
        sd: standard deviation of a mode, per coordinate.
        dtype: dtype of the parameters; the default dtype if None.

    Returns:
        A distribution with event shape (2,); `.component_distribution.mean` holds the modes,
        shape (M, 2).

    Raises:
        TypeError: if an argument is no number.
        ValueError: if `modes` is below 1, or `radius` or `sd` is not positive.

    Example:
        >>> p = ring()
        >>> p.sample((3, 5)).shape, p.component_distribution.mean.shape
        (torch.Size([3, 5, 2]), torch.Size([8, 2]))
    """
    checks.count("modes", modes, 1, MOST)
    checks.positive("radius", radius)
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    return _equal_gaussians(radius * torch.stack([angle.cos(), angle.sin()], -1), sd, dtype)


def grid(
    side: int = 5, spacing: float = 2.0, sd: float = 0.05, dtype: torch.dtype | None = None
) -> MixtureSameFamily:
    r"""Equal Gaussians on a square grid centred at 0, :math:`\mu_{ij} = s\,(i, j)`.

    .. math:: p(x) = \frac1{n^2} \sum_{i,j} N(x \mid \mu_{ij}, \sigma^2 I_2), \qquad
              i, j \in \{-\tfrac{n-1}2, \dots, \tfrac{n-1}2\}

    Slide: beyond the deck (Srivastava et al. 2017).

    Args:
        side: number n of modes along each axis.
        spacing: distance s between neighbouring modes.
        sd: standard deviation of a mode, per coordinate.
        dtype: dtype of the parameters; the default dtype if None.

    Returns:
        A distribution with event shape (2,); `.component_distribution.mean` holds the modes,
        shape (n * n, 2).

    Raises:
        TypeError: if an argument is no number.
        ValueError: if `side` is below 1, or `spacing` or `sd` is not positive.

    Example:
        >>> grid(side=2).component_distribution.mean.tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """
    checks.count("side", side, 1, 1000)
    checks.positive("spacing", spacing)
    axis = spacing * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
    return _equal_gaussians(torch.cartesian_prod(axis, axis), sd, dtype)


def two_moons(sd: float = 0.1, dtype: torch.dtype | None = None) -> Distribution:
    r"""Two interleaved half circles with Gaussian noise, :math:`x = c_m(t) + \sigma\epsilon`.

    .. math:: p(x) = \frac12 \sum_{m=1}^2 \frac1\pi \int_0^\pi N(x \mid c_m(t), \sigma^2 I_2)\,dt,
              \qquad c_1(t) = (\cos t, \sin t), \quad c_2(t) = (1 - \cos t, \tfrac12 - \sin t)

    The centre lines are those of scikit-learn's `make_moons`; the noise makes the density a
    proper one, and `log_prob` evaluates it to rounding error for every `sd` and every x, with
    gradients. Slide: beyond the deck.

    Args:
        sd: standard deviation of the noise, per coordinate.
        dtype: dtype of the samples; the default dtype if None.

    Returns:
        A distribution with event shape (2,).

    Raises:
        ValueError: if `sd` is not positive.

    Example:
        >>> p = two_moons()
        >>> x = p.sample((4,))
        >>> x.shape, p.log_prob(x).shape
        (torch.Size([4, 2]), torch.Size([4]))
    """
    checks.positive("sd", sd)
    return TwoMoons(torch.tensor(sd, dtype=_precision(dtype)))


def dirac(x: float | Numbers = 0.0, dtype: torch.dtype | None = None) -> Distribution:
    r"""The point mass :math:`\delta(x' - x)`: every sample is the point.

    .. math:: \log p(x') = \begin{cases} 0 & x' = x \\ -\infty & x' \ne x \end{cases}

    A point mass has no density in the usual sense: this `log_prob` is with respect to the
    counting measure, so it must not be compared with the others of this module.
    Slide: beyond the deck (the Dirac-GAN of Mescheder et al. 2018).

    Args:
        x: the point; a number for a point of the line, or its coordinates, shape (d,).
        dtype: dtype of the point; that of `x` if it is a floating tensor, else the default.

    Returns:
        A distribution with event shape (d,), where d = 1 for a number.

    Raises:
        ValueError: if `x` has more than one dimension or none of its coordinates.

    Example:
        >>> p = dirac()
        >>> p.sample((2,)).tolist(), p.log_prob(torch.tensor([[0.0], [1.0]])).tolist()
        ([[0.0], [0.0]], [0.0, -inf])
    """
    if dtype is None and isinstance(x, Tensor) and x.is_floating_point():
        dtype = x.dtype
    if isinstance(x, Tensor) and x.ndim == 0:
        x = x.reshape(1)
    values = [float(x)] if isinstance(x, Real) and not isinstance(x, bool) else x
    return Dirac(_numbers("x", values, _precision(dtype)))


class Dirac(Distribution):
    """The distribution that `dirac` returns."""

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector

    def __init__(self, point: Tensor) -> None:
        self.point = point
        super().__init__(event_shape=point.shape)

    @property
    def mean(self) -> Tensor:
        return self.point

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.point)

    def sample(self, sample_shape: torch.Size | Sequence[int] = ()) -> Tensor:
        return self.point.repeat(*sample_shape, 1) if len(sample_shape) else self.point.clone()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        hit = (value == self.point).all(-1)
        return torch.zeros_like(value[..., 0]).masked_fill(~hit, -math.inf)


class TwoMoons(Distribution):
    """The distribution that `two_moons` returns."""

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector

    def __init__(self, sd: Tensor) -> None:
        self.sd = sd
        # A moon is a half circle of radius 1: its centre and the angle of its middle.
        self.centre = sd.new_tensor([[0.0, 0.0], [1.0, 0.5]])
        self.middle = sd.new_tensor([math.pi / 2, -math.pi / 2])
        super().__init__(event_shape=torch.Size([2]))

    def sample(self, sample_shape: torch.Size | Sequence[int] = ()) -> Tensor:
        shape = tuple(sample_shape)
        moon = torch.randint(2, shape, device=self.sd.device)
        uniform = torch.rand(shape, dtype=self.sd.dtype, device=self.sd.device)
        angle = self.middle[moon] + math.pi * (uniform - 0.5)
        noise = torch.randn(*shape, 2, dtype=self.sd.dtype, device=self.sd.device)
        return self.centre[moon] + torch.stack([angle.cos(), angle.sin()], -1) + self.sd * noise

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        # Slices keep the (points, nodes) temporaries in the cache of the processor.
        parts = [self._log_prob(part) for part in value.reshape(-1, 2).split(1024)]
        return torch.cat(parts).reshape(value.shape[:-1])

    def _log_prob(self, value: Tensor) -> Tensor:
        offset = value.unsqueeze(-2) - self.centre  # (N, 2 moons, 2)
        angle, log_weight = self._nodes(offset.detach())  # (N, 2 moons, nodes)
        across, up = offset.unsqueeze(-1).unbind(-2)
        square = (across - angle.cos()).square() + (up - angle.sin()).square()
        log_terms = log_weight - square / (2 * self.sd**2)
        log_normaliser = 2 * math.log(2 * math.pi) + 2 * self.sd.log()
        return torch.logsumexp(log_terms.flatten(-2), -1) - log_normaliser

    def _nodes(self, offset: Tensor) -> tuple[Tensor, Tensor]:
        r"""Gauss-Legendre nodes on the part of the arc that a point sees.

        With :math:`(\rho, \psi)` the polar coordinates around the centre, the integrand is
        :math:`\exp(\rho \cos(t - \psi) / \sigma^2)`. Only angles where it is above
        :math:`e^{-50}` of its maximum on the arc count, which is at most one interval around each
        of the two images of :math:`\psi`; on such an interval 48 nodes are exact to rounding.
        """
        half = math.pi / 2
        psi = torch.atan2(offset[..., 1], offset[..., 0]) - self.middle
        psi = torch.remainder(psi + math.pi, 2 * math.pi) - math.pi  # 0: the middle of the arc
        turn = torch.full_like(psi, 2 * math.pi).copysign(psi)
        image = torch.stack([psi, psi - turn], -1)
        rho = offset.norm(dim=-1).clamp_min(torch.finfo(offset.dtype).tiny)
        nearest = (psi.abs() - half).clamp_min(0).cos()
        reach = (nearest - 50 * self.sd**2 / rho).clamp(-1, 1).acos().unsqueeze(-1)
        low = (image - reach).clamp(-half, half).unsqueeze(-1)
        high = (image + reach).clamp(-half, half).unsqueeze(-1)
        node, weight = (offset.new_tensor(v) for v in np.polynomial.legendre.leggauss(48))
        angle = (low + high) / 2 + (high - low) / 2 * node  # (..., 2 moons, 2 images, 48)
        log_weight = ((high - low) / 2).log() + weight.log()
        return (self.middle[:, None, None] + angle).flatten(-2), log_weight.flatten(-2)


def _equal_gaussians(means: Tensor, sd: float, dtype: torch.dtype | None) -> MixtureSameFamily:
    checks.positive("sd", sd)
    means = means.to(_precision(dtype))
    weights = means.new_full((len(means),), 1 / len(means))
    return MixtureSameFamily(
        Categorical(weights), Independent(Normal(means, means.new_tensor(sd)), 1)
    )


def _precision(dtype: torch.dtype | None) -> torch.dtype:
    return torch.get_default_dtype() if dtype is None else checks.precision("dtype", dtype)


def _numbers(name: str, x: float | Numbers, dtype: torch.dtype) -> Tensor:
    """Finite numbers in a row, as a tensor of a type."""
    if not isinstance(x, Tensor):
        checks.kind(name, x, Sequence, np.ndarray, wanted="a tensor or a sequence of numbers")
        for value in x if isinstance(x, Sequence) else ():
            checks.kind(name, value, Real, Tensor, wanted="numbers")
    elif x.is_complex() or x.dtype == torch.bool:
        raise TypeError(f"{name}: expected real numbers, got {x.dtype}")
    return checks.floating(name, torch.as_tensor(x, dtype=dtype), "M", finite=True)
