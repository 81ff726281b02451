r"""Heads that turn: a procedural stand-in for the 3-D faces of the deck, whose factors are known.

A head is the smooth union of ellipsoids with centres :math:`m_k` and radii :math:`r_k`,

.. math:: f(p) = \frac1\beta \log \sum_k e^{\beta f_k(p)} > 0, \qquad
          f_k(p) = \frac{\bar r_k}2 \Big( 1 - \sum_j \frac{(p_j - m_{kj})^2}{r_{kj}^2} \Big),

:math:`\bar r_k` the geometric mean of the radii, so that :math:`f` is about the distance to the
surface. It is stretched sideways, turned, tilted, and seen from far away: parallel rays run into
it until :math:`f = 0`. A point of the surface with normal :math:`n` and paint :math:`a(p)`
(skin, hair, eyes, brows, mouth) has the grey value

.. math:: x = a(p)\, \Big( 0.1 + 0.9\, \Big(\frac{1 + \langle n, l \rangle}2\Big)^2 \Big)

under a lamp in the direction :math:`l`, 30 degrees above the horizon; what no ray hits is black.
"""

import math

import torch
from torch import Tensor

from gannotes import checks

#: The true factors, in the order of their columns, and the ends of their uniform laws. Angles are
#: in degrees: where the face turns (positive: to the right of the picture), how far it looks up,
#: and where the lamp stands, seen from the viewer; "width" stretches the head sideways.
FACTORS = {
    "azimuth": (-60.0, 60.0),
    "elevation": (-25.0, 25.0),
    "light": (-25.0, 25.0),
    "width": (0.85, 1.15),
}

# Centres and radii. To the right, up, out of the face; what has x > 0 is there twice.
ELLIPSOIDS = (
    ((0.00, 0.22, -0.10), (0.60, 0.66, 0.74)),  # skull
    ((0.00, -0.22, 0.12), (0.46, 0.66, 0.50)),  # face
    ((0.00, -0.71, 0.40), (0.17, 0.12, 0.15)),  # chin
    ((0.25, -0.18, 0.38), (0.19, 0.18, 0.17)),  # cheeks
    ((0.20, 0.20, 0.47), (0.20, 0.08, 0.14)),  # brows
    ((0.00, -0.02, 0.56), (0.09, 0.26, 0.16)),  # bridge of the nose
    ((0.00, -0.17, 0.72), (0.11, 0.09, 0.15)),  # tip of the nose
    ((0.00, -0.46, 0.54), (0.15, 0.07, 0.08)),  # lips
    ((0.62, -0.02, -0.08), (0.07, 0.19, 0.13)),  # ears
    ((0.00, -1.20, -0.18), (0.33, 0.90, 0.34)),  # neck
)
SHARPNESS = 12 / math.log(2)  # beta, in base 2, where the exponential is faster
VIEW = 1.1  # half the side of the picture
CENTRE = -0.05  # the height that is its middle
NEAR = 1.1  # where the rays start, in front of everything
FAR = 2.4  # how deep they go, beyond everything
STEPS = 10  # of a ray
MOST = 1_000_000  # heads in a tensor
RAYS = 1 << 14  # traced at a time, so that they stay in the processor's cache


def heads(n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw heads and their factors, :math:`x = \mathrm{render}(s),\; s \sim U(\text{ranges})`.

    .. math:: s_j \sim U(\mathrm{low}_j, \mathrm{high}_j) \text{ independently}, \qquad
              j = \text{azimuth}, \text{elevation}, \text{light}, \text{width}

    Slide: InfoGAN (F04), in place of its 3-D faces.

    References:
        Chen et al., InfoGAN: interpretable representation learning by information maximizing
        generative adversarial nets, 2016; Paysan et al., A 3D face model for pose and illumination
        invariant face recognition, 2009, for the faces of the deck.

    Args:
        n: how many.
        generator: source of randomness, on whose device everything is computed; torch's global
            one if None.

    Returns:
        images, float32 in [0, 1], shape (n, 1, 32, 32), and factors, shape (n, 4), in the units
        and the order of `FACTORS`.

    Raises:
        TypeError: if `n` is no integer.
        ValueError: if it is negative, or above a million.

    Example:
        >>> images, factors = heads(3, torch.Generator().manual_seed(0))
        >>> images.shape, factors.shape
        (torch.Size([3, 1, 32, 32]), torch.Size([3, 4]))
    """
    checks.count("n", n, 0, MOST)
    checks.kind("generator", generator, torch.Generator, type(None), wanted="a Generator")
    device = None if generator is None else generator.device
    low, high = torch.tensor(list(FACTORS.values()), device=device).unbind(1)
    factors = low + (high - low) * torch.rand(n, 4, generator=generator, device=device)
    return render_heads(factors), factors


def render_heads(factors: Tensor, size: int = 32) -> Tensor:
    r"""Render heads, :math:`x = a(p)\,(0.1 + 0.9\,((1 + \langle n,l\rangle)/2)^2)`.

    .. math:: x_{ij} = \frac14 \sum_{\text{4 rays}} 1[\text{hit}]\; a(p)
              \Big( 0.1 + 0.9\, \Big(\frac{1 + \langle n, l \rangle}2\Big)^2 \Big)

    Slide: InfoGAN (F04), in place of its 3-D faces.

    Args:
        factors: shape (n, 4), in the units, the order and the ranges of `FACTORS`.
        size: pixels along a side.

    Returns:
        Images in [0, 1], shape (n, 1, size, size), dtype and device of `factors`.

    Raises:
        TypeError: if `factors` is not floating, or `size` is no integer.
        ValueError: if the shape of `factors` is another, if one leaves its range, or if `size` is
            not positive.

    Example:
        A face seen from the front, the lamp in the middle, is its own mirror image:

        >>> x = render_heads(torch.tensor([[0.0, 0.0, 0.0, 1.0]]))
        >>> torch.allclose(x, x.flip(-1), atol=1e-4)
        True
    """
    checks.floating("factors", factors, "n 4", finite=True, empty=True)
    checks.count("size", size, 1, 1024)
    for (name, (low, high)), column in zip(FACTORS.items(), factors.unbind(1), strict=True):
        margin = 1e-4 * (high - low)  # rounding
        if not ((column >= low - margin) & (column <= high + margin)).all():
            outside = column[~((column >= low) & (column <= high))][0]
            raise ValueError(f"factors: expected {name} from {low} to {high}, got {outside:.4g}")
    side = 2 * size  # four rays a pixel
    parts = factors.split(max(1, RAYS // side**2)) if len(factors) else ()
    grey = [_shade(*_trace(part, side)) for part in parts]
    images = torch.cat([*grey, factors.new_empty(0, side**2)])
    return torch.nn.functional.avg_pool2d(images.view(len(factors), 1, side, side), 2)


def _trace(factors: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Follow a ray to the surface for each of `side**2` places of each picture.

    Returns, for heads n and rays R: where it ends in the coordinates of the head (n, 3, R), the
    unit normals there (n, 3, R) and the lamp (n, 3), both as the viewer sees them, and whether
    the ray has hit the head (n, R).
    """
    azimuth, elevation, light = torch.deg2rad(factors[:, :3]).unbind(1)
    zero, one = torch.zeros_like(azimuth), torch.ones_like(azimuth)
    ca, sa, ce, se = azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin()
    turn = torch.stack([ca, zero, sa, zero, one, zero, -sa, zero, ca], 1).view(-1, 3, 3)
    tilt = torch.stack([one, zero, zero, zero, ce, se, zero, -se, ce], 1).view(-1, 3, 3)
    head_to_viewer = tilt @ turn
    squeeze = torch.stack([1 / factors[:, 3], one, one], 1)
    viewer_to_head = squeeze[:, :, None] * head_to_viewer.mT
    above = math.radians(30)
    lamp = torch.stack([light.sin(), one * math.tan(above), light.cos()], 1) * math.cos(above)

    places = VIEW * ((torch.arange(side).to(factors) + 0.5) * 2 / side - 1)
    y, x = torch.meshgrid(CENTRE - places, places, indexing="ij")
    start = viewer_to_head @ torch.stack([x, y, torch.full_like(x, NEAR)]).view(3, -1)
    start = start.transpose(0, 1).reshape(3, -1)  # (3, n R), all rays side by side
    ahead = -viewer_to_head[:, :, 2].T[:, :, None].expand(3, len(factors), side**2).reshape(3, -1)
    depth = torch.zeros_like(start[0])
    for _ in range(STEPS):
        f, gradient = _field(start + depth * ahead)
        steepness = gradient.square().sum(0).rsqrt_()
        gap, cosine = -f * steepness, (gradient * ahead).sum(0) * steepness
        # Newton's step, but no leap over a thin part by a ray that is about to graze another.
        step = torch.minimum(gap / cosine.clamp_min_(0.2), gap.clamp_min(0.15))
        depth = (depth + step).clamp_max_(FAR)
    end = start + depth * ahead
    f, gradient = _field(end)
    normal = (head_to_viewer * squeeze[:, None]) @ -gradient.view(3, len(factors), -1).transpose(
        0, 1
    )
    normal = normal * normal.square().sum(1, keepdim=True).rsqrt_()
    return (
        end.view(3, len(factors), -1).transpose(0, 1),
        normal,
        lamp,
        (f > -0.01).view(-1, side**2),
    )


def _shade(point: Tensor, normal: Tensor, lamp: Tensor, hit: Tensor) -> Tensor:
    """The grey values (n, R) of what `_trace` has found."""
    facing = (lamp[:, None] @ normal)[:, 0]
    return _paint(*point.unbind(1)) * (0.1 + 0.9 * ((1 + facing) / 2) ** 2) * hit


def _field(p: Tensor) -> tuple[Tensor, Tensor]:
    """The function f, shape (R,), and its gradient (3, R) at points p (3, R) of the head."""
    centre, radii = p.new_tensor(ELLIPSOIDS).unbind(1)
    scale = radii.prod(1, keepdim=True) ** (1 / 3) / 2
    square, cross = scale / radii**2, scale * centre / radii**2
    constant = scale - (cross * centre).sum(1, keepdim=True)
    x = torch.cat([p[:1].abs(), p[1:]])
    terms = torch.addmm(
        SHARPNESS * constant, SHARPNESS * torch.cat([-square, 2 * cross], 1), torch.cat([x * x, x])
    ).exp2_()
    sums = torch.cat([torch.ones_like(scale), -2 * square, 2 * cross], 1).T @ terms
    total = sums[0].clamp_min_(1e-30)
    gradient = (x * sums[1:4] + sums[4:]) / total
    gradient[0] *= torch.where(p[0] < 0, -1.0, 1.0).to(p)
    return total.log2() / SHARPNESS, gradient


def _paint(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The share of light that the surface of the head sends back at a point."""
    x = x.abs()
    face = torch.sigmoid(20 * (z - 0.2))

    def spot(right: float, up: Tensor | float, width: float, height: float) -> Tensor:
        return face * torch.exp(-((((x - right) / width) ** 2 + ((y - up) / height) ** 2) ** 2))

    hair = torch.sigmoid(25 * (0.8 * y - 0.6 * z - 0.24))
    eyes = spot(0.21, 0.04, 0.10, 0.065)
    brows = spot(0.22, 0.21 + 0.06 * (x - 0.22), 0.16, 0.042) * (1 - hair)
    mouth = spot(0.0, -0.48 + 1.3 * x * x, 0.19, 0.045)
    return (1 - 0.68 * hair - 0.85 * eyes - 0.5 * brows - 0.45 * mouth).clamp(0.05, 1)
