r"""Tinyscapes: procedural street scenes with their label maps, a stand-in for Cityscapes.

A camera at height 1 above a straight street looks along it. A point at lateral position :math:`X`,
height :math:`Y` above the ground and depth :math:`1/s` falls on the place

.. math:: u = u_0 + s X, \qquad v = h + s\,(1 - Y)

of the picture, where :math:`(u_0, h)` is the vanishing point and :math:`v` grows downwards. So the
ground at a place below the horizon has :math:`s = v - h`, and a facade in the plane
:math:`X = \pm B` has :math:`s = |u - u_0| / B`: what has the larger :math:`s` is in front. Trees
and cars stand in planes of constant :math:`s`. Each place has a class and an albedo :math:`a`, and
the photograph shows

.. math:: x = (1 - f)\, \ell\, a + f\, x_{\text{sky}} + 0.03\, \epsilon, \qquad
          f = f_0\, e^{-9 s},

under a light :math:`\ell` that depends on the time of day, the clouds, the side and the shadows,
through haze :math:`f`, with noise :math:`\epsilon`. Everything is computed on four places for each
pixel; a photograph shows their mean, a label map their most frequent class.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, one_hot

from gannotes import checks

#: The classes, in the order of their numbers, and the colours of their label maps: Cityscapes'.
PALETTE = {
    "sky": (70, 130, 180),
    "building": (70, 70, 70),
    "road": (128, 64, 128),
    "pavement": (244, 35, 232),
    "tree": (107, 142, 35),
    "car": (0, 0, 142),
}
SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR = range(len(PALETTE))

SIZE = 32
SIDE = 2 * SIZE  # four places a pixel
MOST = 1_000_000  # scenes in a tensor
PART = 16  # scenes at a time, so that they stay in the processor's cache
HOUSES = 8  # on each side
TREES = 4
CARS = 3
WALLS = (  # brick, plaster, concrete, slate, sandstone, dark glass
    (0.62, 0.33, 0.25),
    (0.85, 0.80, 0.68),
    (0.55, 0.55, 0.56),
    (0.38, 0.42, 0.50),
    (0.74, 0.62, 0.45),
    (0.25, 0.30, 0.36),
)
PAINTS = (  # white, silver, black, red, blue, green, yellow
    (0.95, 0.95, 0.95),
    (0.62, 0.64, 0.67),
    (0.10, 0.10, 0.12),
    (0.72, 0.10, 0.10),
    (0.12, 0.24, 0.60),
    (0.15, 0.38, 0.25),
    (0.90, 0.72, 0.15),
)


def scapes(n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    r"""Draw street scenes, as photographs and as label maps: :math:`(x, y) \sim p(x, y)`.

    .. math:: x = (1 - f)\, \ell\, a + f\, x_{\text{sky}} + 0.03\, \epsilon, \qquad
              y = \text{the class of what is in front}

    Slide: CycleGAN / Experiments I (F05), in place of its photographs.

    References:
        Cordts et al., The Cityscapes dataset for semantic urban scene understanding, 2016.

    Args:
        n: how many.
        generator: source of randomness, on the CPU; torch's global one if None.

    Returns:
        photographs, float32 in [0, 1], shape (n, 3, 32, 32), and classes, int64, (n, 32, 32), in
        the order of `PALETTE`.

    Raises:
        TypeError: if `n` is no integer.
        ValueError: if it is negative, or above a million.

    Example:
        >>> photos, labels = scapes(3, torch.Generator().manual_seed(0))
        >>> photos.shape, labels.shape
        (torch.Size([3, 3, 32, 32]), torch.Size([3, 32, 32]))
    """
    checks.count("n", n, 0, MOST)
    checks.kind("generator", generator, torch.Generator, type(None), wanted="a Generator")
    photos = torch.empty(n, 3, SIZE, SIZE)
    labels = torch.empty(n, SIZE, SIZE, dtype=torch.int64)
    for at in range(0, n, PART):
        photos[at : at + PART], labels[at : at + PART] = _scenes(min(PART, n - at), generator)
    return photos, labels


def paint(labels: Tensor) -> Tensor:
    r"""Show label maps in the colours of their classes, :math:`y_{cij} = c_{l_{ij}}`.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        labels: classes, int64, shape (n, 32, 32) or any (n, H, W).

    Returns:
        Pictures in [0, 1], shape (n, 3, H, W).

    Raises:
        TypeError: if `labels` are no integers.
        ValueError: if their shape is another, or a class is not in `PALETTE`.

    Example:
        >>> (255 * paint(torch.tensor([[[0, 5]]]))[0, :, 0]).T.tolist()
        [[70.0, 130.0, 180.0], [0.0, 0.0, 142.0]]
    """
    labels = checks.classes("labels", labels, "n H W", len(PALETTE))
    return _palette(labels)[labels].movedim(-1, 1)


def nearest_class(pictures: Tensor) -> Tensor:
    r"""Read label maps from pictures, :math:`l_{ij} = \arg\min_k \|y_{\cdot ij} - c_k\|`.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        pictures: in [0, 1], shape (n, 3, H, W).

    Returns:
        Classes, int64, shape (n, H, W).

    Raises:
        TypeError: if `pictures` are not floating.
        ValueError: if their shape is another, or a number is not finite.

    Example:
        >>> labels = torch.tensor([[[0, 1, 2], [3, 4, 5]]])
        >>> bool((nearest_class(paint(labels) + 0.05) == labels).all())
        True
    """
    checks.floating("pictures", pictures, "n 3 H W", finite=True)
    colours = _palette(pictures).to(pictures.dtype)
    # |y - c|^2 without |y|^2, which is the same for every class
    likeness = torch.einsum("kc,nchw->nkhw", colours, pictures)
    return (colours.square().sum(1).view(1, -1, 1, 1) - 2 * likeness).argmin(1)


def _palette(like: Tensor) -> Tensor:
    return torch.tensor(list(PALETTE.values()), device=like.device) / 255


def _scenes(n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Render n scenes from nearest to farthest, and average four places into a pixel."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, 1, 1, generator=generator)

    def pick(colours: tuple[tuple[float, ...], ...], *shape: int) -> Tensor:
        index = torch.randint(len(colours), (n, *shape), generator=generator)
        vary = 1 + 0.25 * (torch.rand(n, *shape, 3, generator=generator) - 0.5)
        return (torch.tensor(colours)[index] * vary)[..., None, None]

    def noise(side: int) -> Tensor:
        rough = torch.randn(n, 1, side, side, generator=generator)
        if side == SIDE:
            return rough[:, 0]
        return interpolate(rough, SIDE, mode="bilinear", align_corners=False)[:, 0]

    places = (torch.arange(SIDE) + 0.5) / SIDE
    v, u = places.view(-1, 1), places.view(1, -1)

    # The street: vanishing point, middle and half width of the road, width of the pavement.
    u_0, h = uniform(0.3, 0.7), uniform(0.36, 0.54)
    middle, half, beside = uniform(-0.25, 0.25), uniform(0.65, 1.0), uniform(0.22, 0.5)
    wall = half + beside
    # The light: time of day, clouds, the sun's side, haze.
    dusk = uniform(0, 1).clamp_min(0.6).sub(0.6) / 0.4
    cloud, sun, haze = uniform(0, 1), uniform(-1, 1), uniform(0.1, 0.6)
    warm = torch.tensor([1.08, 0.86, 0.68]).view(3, 1, 1)
    light = (1.1 - 0.3 * cloud - 0.35 * dusk)[:, None] * (1 + dusk[:, None] * (warm - 1))
    fine, middling, coarse = noise(SIDE), noise(SIZE), noise(8)

    # Sky.
    blue, grey = torch.tensor([[0.36, 0.58, 0.92], [0.74, 0.76, 0.79]]).view(2, 3, 1, 1)
    glow = torch.tensor([1.0, 0.66, 0.42]).view(3, 1, 1)
    veil = (cloud + 0.35 * coarse).clamp(0, 1)[:, None]
    low = (v / h).clamp(0, 1)[:, None]
    sky = blue + (grey - blue) * veil + 0.18 * low
    sky = (sky + 0.9 * dusk[:, None] * low * (glow - sky)) * (1 - 0.3 * dusk[:, None])
    picture, label = sky.clone(), torch.zeros(n, SIDE, SIDE, dtype=torch.uint8)
    depth = torch.zeros(n, SIDE, SIDE)

    def place(where: Tensor, s: Tensor, kind: int, colour: Tensor) -> None:
        where = where & (s >= depth)
        torch.where(where[:, None], colour, picture, out=picture)
        label.masked_fill_(where, kind)
        torch.where(where, s, depth, out=depth)

    # The end of the street: houses or trees far away.
    far = uniform(0.03, 0.13) * (1 + 0.3 * coarse)
    woods = uniform(0, 1) < 0.5
    behind = (v < h) & (v > h - far)
    s_far = torch.tensor(0.01)
    place(behind & ~woods, s_far, BUILDING, light * pick(WALLS))
    foliage = torch.tensor([0.24, 0.40, 0.16]).view(3, 1, 1)
    place(behind & woods, s_far, TREE, light * foliage * (1 + 0.2 * fine[:, None]))

    # Ground: road with marks, pavement with slabs; one side may lie in the shadow of its houses.
    s = (v - h).clamp_min(1e-3)
    across = (u - u_0) / s - middle
    z = 1 / s
    shade = 1 - 0.45 * (1 - cloud) * ((across * sun.sign()) > 1.2 * half * (1 - sun.abs()))
    rough = (1 + 0.07 * fine + 0.06 * coarse)[:, None]
    tone = uniform(0.28, 0.5)[:, None]
    dash = (across.abs() < 0.035) & ((z * uniform(0.7, 1.4) + uniform(0, 1)) % 1 < 0.55)
    edge = ((across.abs() - 0.93 * half).abs() < 0.025) & (uniform(0, 1) < 0.5)
    asphalt = torch.where((dash | edge)[:, None], torch.tensor(0.9), tone * rough)
    lit = light * shade[:, None]
    place((v > h) & (across.abs() < half), s, ROAD, lit * asphalt)
    slab = 1 - 0.12 * ((z * 2.5) % 1 < 0.15)
    stone = (uniform(0.42, 0.72)[:, None] + torch.tensor([0.03, 0.0, -0.03]).view(3, 1, 1)) * rough
    place((v > h) & (across.abs() >= half), s, PAVEMENT, lit * stone * slab[:, None])

    # Houses along both sides, some of them gardens. Everything about a house comes from a table.
    right = u > u_0 + s * 0
    s = torch.where(right, (u - u_0) / (wall + middle), (u_0 - u) / (wall - middle)).clamp_min(1e-3)
    z = 1 / s
    number = (z / uniform(1.2, 2.6) + uniform(0, 1)).long().clamp_max(HOUSES - 1) + HOUSES * right
    number = number.flatten(1)

    def of_house(table: Tensor) -> Tensor:
        return table.view(n, -1).gather(1, number).view(n, SIDE, SIDE)

    garden = of_house(uniform(0, 1, 2 * HOUSES)) < 0.18
    tall = of_house(uniform(0.25, 1.3, 2 * HOUSES))
    tall = torch.where(garden, 0.35 * tall + 0.08 * middling, tall)
    up = 1 + (h - v) * z  # height above the ground
    there = (s > 0.05) & (up > 0) & (up < 1 + tall)
    facing = 1 + 0.3 * (1 - cloud) * torch.where(right, -sun, sun)
    walls = pick(WALLS, 2 * HOUSES)
    albedo = torch.stack([of_house(walls[:, :, c]) for c in range(3)], 1)
    pitch = of_house(uniform(0.16, 0.3, 2 * HOUSES))
    glazed = ((z * 0.5 / pitch) % 1 > 0.45) & ((up / pitch) % 1 > 0.42) & (up > 0.3)
    glazed &= up < 0.94 * (1 + tall)
    lamp = dusk > 0.4
    pane = torch.where(lamp & (fine > 0.3), 1.3, 0.45 + 0.2 * cloud)[:, None]
    albedo = torch.where(glazed[:, None], albedo * pane, albedo) * (1 + 0.05 * fine)[:, None]
    lit = light * facing[:, None]
    place(there & ~garden, s, BUILDING, lit * albedo)
    leaves = 1 + 0.22 * fine + 0.25 * middling
    place(there & garden, s, TREE, lit * foliage * leaves[:, None])

    # Trees at the kerb.
    sides = torch.tensor([-1.0, 1.0]).repeat(TREES // 2).view(1, TREES, 1, 1)
    s_all = uniform(0.09, 0.46, TREES)
    shown = uniform(0, 1, TREES) < uniform(0.1, 0.9)[:, None]
    at = u_0[:, None] + s_all * (middle[:, None] + sides * (half + 0.4 * beside)[:, None])
    crown, radius = uniform(1.0, 1.45, TREES), uniform(0.24, 0.42, TREES)
    hue = uniform(0, 1, TREES)
    autumn = torch.tensor([0.42, 0.32, 0.12]).view(3, 1, 1)
    bark = torch.tensor([0.28, 0.20, 0.14]).view(3, 1, 1)
    for k in range(TREES):
        s = s_all[:, k]
        x, y = (u - at[:, k]) / s, 1 + (h - v) / s
        trunk = (x.abs() < 0.05) & (y > 0) & (y < crown[:, k]) & shown[:, k]
        place(trunk, s, TREE, light * bark)
        a, b = x / radius[:, k], (y - crown[:, k]) / (1.25 * radius[:, k])
        inside = (a.square() + b.square() < 1 + 0.35 * middling) & shown[:, k]
        bright = (leaves + 0.25 * b - 0.25 * (1 - cloud) * sun * a).clamp_min(0.2)
        leaf = foliage + hue[:, k, None] ** 3 * (autumn - foliage)
        place(inside, s, TREE, light * leaf * bright[:, None])

    # Cars, seen from behind or from the front, with a shadow on the road.
    lanes = torch.tensor([-0.5, 0.5, 0.5]).view(1, CARS, 1, 1) + uniform(-0.12, 0.12, CARS)
    s_all = uniform(0.14, 0.52, CARS)
    shown = uniform(0, 1, CARS) < 0.7
    at = u_0[:, None] + s_all * (middle[:, None] + lanes * half[:, None])
    width, height = uniform(0.23, 0.3, CARS), uniform(0.38, 0.54, CARS)
    bodies = pick(PAINTS, CARS)
    red, white, black = torch.tensor([[0.9, 0.1, 0.1], [1.0, 1.0, 0.8], [0.07] * 3]).view(
        3, 3, 1, 1
    )
    for k in range(CARS):
        s = s_all[:, k]
        x, y = (u - at[:, k]) / (s * width[:, k]), (1 + (h - v) / s) / height[:, k]
        under = (x.abs() < 1.15) & (y > -0.12) & (y < 0.1) & shown[:, k] & (label == ROAD)
        picture = torch.where(under[:, None] & (depth <= s)[:, None], 0.5 * picture, picture)
        hull = (y > 0.12) & (y < 0.62) & (x.abs() < 1)
        cabin = (y >= 0.62) & (y < 1) & (x.abs() < 1 - 0.8 * (y - 0.62))
        wheels = (y > 0) & (y <= 0.16) & ((x.abs() - 0.75).abs() < 0.2)
        body = bodies[:, k] * (0.75 + 0.4 * y - 0.12 * sun * x)[:, None]
        glass = cabin & (y < 0.93) & (x.abs() < 0.8 - 0.8 * (y - 0.62))
        colour = torch.where(glass[:, None], 0.25 * sky + 0.12, light * body)
        lights = (y > 0.36) & (y < 0.54) & ((x.abs() - 0.82).abs() < 0.14)
        oncoming = (lanes[:, k] < 0)[:, None]
        colour = torch.where(lights[:, None], torch.where(oncoming, white, red), colour)
        colour = torch.where((wheels | (y < 0.2))[:, None], black, colour)
        place((hull | cabin | wheels) & shown[:, k], s, CAR, colour)

    fog = torch.where(label == SKY, 0.0, haze * (-9 * depth).exp())[:, None]
    distant = sky.mean((2, 3), keepdim=True)
    picture = picture + fog * (distant - picture)
    grain = 0.03 * torch.randn(n, 3, SIZE, SIZE, generator=generator)
    photos = (avg_pool2d(picture, 2) + grain).clamp(0, 1)
    votes = one_hot(label.long(), len(PALETTE)).movedim(-1, 1).float()
    return photos, avg_pool2d(votes, 2).argmax(1)
