r"""Base distributions, as torch `Distribution` objects over vectors.

:math:`z \sim p_0` with event shape `(d,)`: `sample((N,))` is `(N, d)`, `sample((S, N))` is `(S, N,
d)`.
"""

from torch import Tensor, as_tensor, ones
from torch.distributions import Independent, Normal, Uniform


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


def _ones(d: int, like: Tensor | None) -> Tensor:
    if d < 1:
        raise ValueError(f"d: expected a positive dimension, got {d}")
    return ones(d) if like is None else as_tensor(1.0).to(like).repeat(d)
