r"""Digits and their outlines: two domains with a known map from the one to the other.

An outline is what a digit gains when it grows by a pixel. Nobody needs to pair the two domains to
train on them; that the pairs can be computed makes a translation measurable.
"""

from torch import Tensor
from torch.nn import functional

from gannotes import checks


def outline(x: Tensor) -> Tensor:
    r"""The contour drawn around a digit: :math:`y = \delta(x) - x`, with `δ` the dilation.

    .. math:: y_{ij} = \max_{|a| \le 1,\, |b| \le 1} x_{i+a,\, j+b} \;-\; x_{ij}

    the outer morphological gradient with a square of 3 x 3 pixels. Inside a stroke and far from it
    the largest value nearby is the pixel's own and `y` is 0; next to a stroke it is the stroke's
    ink. A stroke's soft edge makes a soft contour. Beyond the border lies nothing.

    Slide: CycleGAN / Problem statement (E36): the true `G` of a translation.

    References:
        Rivest, Soille and Beucher, Morphological gradients, 1993.

    Args:
        x: images with ink 1 on ground 0, (..., h, w).

    Returns:
        The outlines, in [0, 1], shape of `x`.

    Raises:
        TypeError: if `x` is not floating.
        ValueError: if it leaves [0, 1] or has fewer than two dimensions.

    Example:
        >>> import torch
        >>> outline(torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))
        tensor([[0., 0., 1., 1.],
                [0., 0., 1., 0.]])
    """
    checks.unit("x", x, "... h w")
    stack = x.reshape(-1, 1, *x.shape[-2:])
    if not x.numel():
        return x.clone()
    return functional.max_pool2d(stack, 3, stride=1, padding=1).view_as(x) - x
