r"""Base distributions, as torch `Distribution` objects over vectors.

:math:`z \sim p_0` with event shape `(d,)`: `sample((N,))` is `(N, d)`, `sample((S, N))` is `(S, N,
d)`.
"""

from torch import Tensor, as_tensor, cartesian_prod, ones, ones_like, stack
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, Uniform


def standard_normal(d: int, like: Tensor | None = None) -> Independent:
    r""":math:`p_0(z) = N(z; 0, I_d)`.

    Slide: Optimisation, step 1 (E22).

    Args:
        d: the dimension.
        like: a tensor whose type and device the samples take; float32 on the CPU without it.

    Example:
        >>> standard_normal(3).sample((5,)).shape
        torch.Size([5, 3])
    """
    one = _ones(d, like)
    return Independent(Normal(0 * one, one), 1)


def uniform(
    d: int, low: float = -1.0, high: float = 1.0, like: Tensor | None = None
) -> Independent:
    r""":math:`p_0(z) = U_d(\mathrm{low}, \mathrm{high})`, independent coordinates.

    Slide: Optimisation, step 1 (E22).

    Args:
        d: the dimension.
        low: the lower end.
        high: the upper end, above `low`.
        like: as for `standard_normal`.

    Raises:
        ValueError: if `high` is not above `low`.

    Example:
        >>> uniform(2).log_prob(as_tensor([0.5, -0.5])).exp()
        tensor(0.2500)
    """
    if not high > low:
        raise ValueError(f"high: expected a number above low = {low}, got {high}")
    one = _ones(d, like)
    return Independent(Uniform(low * one, high * one), 1)


def corners(d: int, sd: float = 0.1, like: Tensor | None = None) -> MixtureSameFamily:
    r"""Separate clouds, one at each corner of a cube: a base that falls apart.

    .. math::

        p_0(z) = 2^{-d} \sum_{c \in \{-1, 1\}^d} N(z; c, s^2 I)

    A continuous generator maps a connected base to a connected set, and so draws bridges between
    the modes of the data; it can send each of these clouds elsewhere.

    Slide: beyond the deck (mode collapse).

    References:
        Gurumurthy et al., DeLiGAN: generative adversarial networks for diverse and limited data,
            2017.

    Args:
        d: the dimension.
        sd: the standard deviation of each cloud.
        like: as for `standard_normal`.

    Example:
        >>> corners(5).sample((100,)).round().abs().mean()
        tensor(1.)
    """
    one = _ones(d, like)
    if not sd > 0:
        raise ValueError(f"sd: expected a positive number, got {sd}")
    centres = cartesian_prod(*[stack([-one[0], one[0]])] * d).reshape(-1, d)
    clouds = Independent(Normal(centres, sd * ones_like(centres)), 1)
    return MixtureSameFamily(Categorical(ones_like(centres[:, 0])), clouds)


def _ones(d: int, like: Tensor | None) -> Tensor:
    if d < 1:
        raise ValueError(f"d: expected a positive dimension, got {d}")
    return ones(d) if like is None else as_tensor(1.0).to(like).repeat(d)
