r"""CycleGAN on Tinyscapes: label maps into photographs and back, and what each term contributes.

The first domain holds label maps in the colours of their classes, the second photographs. Both are
in [0, 1]. The paper's weight 10 is for the mean over the `d` numbers of a picture that goes from -1
to 1; for a sum over pictures from 0 to 1 it is :math:`\lambda = 20 / d`.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gannotes import data, metrics, nets, weights
from gannotes.bounds import cycle
from gannotes.models.cyclegan import CycleGAN, History, step
from gannotes.optim import ascend, descend, linear_decay
from gannotes.recipes.frame import Desk, Row, Sweep

BATCH = 16
RATE = 1.5e-3
WEIGHT = 20 / (3 * 32 * 32)
SCENES = 2_500  # in each half of the training data
HELD_OUT = 500
CLASSES = len(data.PALETTE)
DIRECTIONS = ("labels to photo", "photo to labels")

Loss = Callable[[CycleGAN, Tensor, Tensor, Tensor, Tensor], Tensor]


class Places(nn.Module):
    """Shift colours to [-1, 1] and append where a pixel is: `(N, 3, H, W)` to `(N, 5, H, W)`.

    Slide: beyond the deck (networks).

    References:
        Liu et al., An intriguing failing of convolutional neural networks and the CoordConv
        solution, 2018.

    Example:
        >>> Places()(torch.ones(1, 3, 1, 2))[0, :, 0].tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [-0.5, 0.5]]
    """

    def forward(self, x: Tensor) -> Tensor:
        v, u = (2 * (torch.arange(k, device=x.device) + 0.5) / k - 1 for k in x.shape[-2:])
        where = torch.stack(torch.meshgrid(v, u, indexing="ij")).expand(len(x), -1, -1, -1)
        return torch.cat([2 * x - 1, where.to(x)], 1)


class Block(nn.Module):
    """Two convolutions, added to what they are of: `(N, C, H, W)` to `(N, C, H, W)`.

    Slide: beyond the deck (networks).

    Args:
        channels: `C`.
        reach: the distance of the first convolution's neighbours.

    Example:
        >>> Block(4, 2)(torch.zeros(1, 4, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=reach, dilation=reach),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class Patches(nn.Module):
    """One game for each patch: maps of raw outputs `(N, 1, H, W)` to `(H W, N)`.

    Slide: beyond the deck (networks).

    Example:
        >>> Patches()(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([64, 5])
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).T


def scapes_features(outputs: int, channels: int = 32) -> nn.Sequential:
    """Three residual blocks at half the resolution: `(N, 3, 32, 32)` to `(N, outputs, 32, 32)`.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        outputs: the number of raw numbers for each pixel.
        channels: the number of features.

    Example:
        >>> scapes_features(6)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 6, 32, 32])
    """
    return nn.Sequential(
        Places(),
        nn.Conv2d(5, channels, 4, stride=2, padding=1),
        nn.ReLU(),
        Block(channels, 1),
        Block(channels, 2),
        Block(channels, 4),
        nn.Conv2d(channels, 4 * outputs, 3, padding=1),
        nn.PixelShuffle(2),
    )


def scapes_translator() -> nn.Sequential:
    """Either generator, from pictures `(N, 3, 32, 32)` to pictures of the other domain.

    Slide: CycleGAN / Experiments I (F05).

    Example:
        >>> scapes_translator()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """
    return scapes_features(3).append(nn.Sigmoid())


def scapes_judge() -> nn.Sequential:
    """The segmentation network: photographs `(N, 3, 32, 32)` to logits `(N, 6, 32, 32)`.

    Slide: CycleGAN / Experiments I (I13), in place of the FCN.

    Example:
        >>> scapes_judge()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 6, 32, 32])
    """
    return scapes_features(CLASSES, 48)


def scapes_critic(channels: int = 32) -> nn.Sequential:
    """A critic of 8 x 8 overlapping patches: pictures `(N, 3, 32, 32)` to raw outputs `(64, N)`.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        channels: the number of features at half the resolution; twice as many at a quarter.

    Example:
        >>> scapes_critic()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([64, 2])
    """
    return nn.Sequential(
        Places(),
        nn.Conv2d(5, channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(2 * channels, 1, 3, padding=1),
        Patches(),
    )


def both_ways(model: CycleGAN, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
    r""":math:`E_x \|F(G(x)) - x\|_1 + E_y \|G(F(y)) - y\|_1`.

    Slide: CycleGAN / loss functions II (E40).
    """
    return model.cycle(x, y, y_made, x_made)


def forward(model: CycleGAN, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
    r""":math:`E_x \|F(G(x)) - x\|_1`, from labels and back.

    Slide: CycleGAN / Experiments I (F05).
    """
    return cycle(x, model.F(y_made), y, y, 3)


def backward(model: CycleGAN, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
    r""":math:`E_y \|G(F(y)) - y\|_1`, from photographs and back.

    Slide: CycleGAN / Experiments I (F05).
    """
    return cycle(x, x, y, model.G(x_made), 3)


def neither(model: CycleGAN, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
    """Nothing.

    Slide: CycleGAN / Experiments I (F05).
    """
    return x.new_zeros(())


def truth(model: CycleGAN, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
    r""":math:`E_{x, y} (\|G(x) - y\|_1 + \|F(y) - x\|_1)` on pairs, which no other variant has.

    Slide: beyond the deck (the upper bound).

    References:
        Isola, Zhu, Zhou and Efros, Image-to-image translation with conditional adversarial
        networks, 2017, whose critics see the source as well.
    """
    return cycle(x, x_made, y, y_made, 3)


def play(
    model: CycleGAN, x: Tensor, y: Tensor, theta: Optimizer, phi: Optimizer, loss: Loss
) -> dict[str, Tensor]:
    """`models.cyclegan.step` with another term in place of the cycle loss.

    Slide: CycleGAN / Experiments I (F05). Arguments and returns are those of `step`.
    """
    y_made, x_made = model.translate(x, y)
    term = loss(model, x, y, y_made, x_made)
    ascend(theta, model.value(x, y, y_made, x_made, flip=True) - WEIGHT * term)
    y_made, x_made = model.past_Y(y_made), model.past_X(x_made)
    value = ascend(phi, model.value(x, y, y_made, x_made))
    return {"value": value, "cycle": term.detach()}


def no_game(
    model: CycleGAN, x: Tensor, y: Tensor, theta: Optimizer, phi: Optimizer
) -> dict[str, Tensor]:
    """The cycle loss alone; the critics rest.

    Slide: CycleGAN / Experiments I (F05). Arguments are those of `step`.
    """
    y_made, x_made = model.translate(x, y)
    return {"cycle": descend(theta, WEIGHT * model.cycle(x, y, y_made, x_made)) / WEIGHT}


SCAPES_VARIANTS: dict[str, Callable[..., dict[str, Tensor]]] = {
    "cycle alone": no_game,
    "GAN alone": partial(play, loss=neither),
    "GAN + forward": partial(play, loss=forward),
    "GAN + backward": partial(play, loss=backward),
    "CycleGAN": partial(step, lam=WEIGHT),
    "paired": partial(play, loss=truth),
}


def scapes_data() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Photographs and classes of the first half, of the second half, and of the held-out scenes.

    Slide: CycleGAN / Experiments I (F05).
    """
    photos, labels = data.scapes(2 * SCENES + HELD_OUT, torch.Generator().manual_seed(0))
    sizes = [SCENES, SCENES, HELD_OUT]
    first, second, held_out = zip(photos.split(sizes), labels.split(sizes), strict=True)
    return first, second, held_out


@torch.no_grad()
def scapes_scores(
    G: nn.Module, F: nn.Module, judge: nn.Module, photos: Tensor, labels: Tensor
) -> dict[str, metrics.Segmentation]:
    """Judge translators by the truth: photographs by the segmentation network, labels by colour.

    Slide: CycleGAN / Experiments I (I13).

    Args:
        G: from labels to photographs.
        F: from photographs to labels.
        judge: from photographs to logits.
        photos: shape (n, 3, 32, 32).
        labels: their classes, shape (n, 32, 32).

    Returns:
        The scores in each of `DIRECTIONS`.
    """
    seen = [judge(G(data.paint(part))).argmax(1) for part in labels.split(250)]
    read = [data.nearest_class(F(part)) for part in photos.split(250)]
    return {
        name: metrics.segmentation_scores(torch.cat(found), labels, CLASSES)
        for name, found in zip(DIRECTIONS, (seen, read), strict=True)
    }


def scapes_segmenter(desk: Desk, steps: int = 1_000) -> Row:
    """Train the segmentation network on pairs, to judge the photographs that others make.

    Slide: CycleGAN / Experiments I (I13), in place of the FCN.

    Args:
        desk: where to train.
        steps: the number of steps, of 32 scenes each, or of their mirror images.
    """
    halves = scapes_data()
    x, y = (torch.cat(parts).to(desk.device) for parts in zip(*halves[:2], strict=True))
    net = desk.place(scapes_judge())
    quick = nets.Autocast(net)
    theta = Adam(net.parameters(), 2e-3, fused=True)

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        photos, labels = batch if torch.rand(()) < 0.5 else (part.flip(-1) for part in batch)
        return {"loss": descend(theta, cross_entropy(quick(photos), labels))}

    falling = LambdaLR(theta, linear_decay(steps // 2, steps - steps // 2))
    desk.fit(one, data.Batches((x, y), 32, steps, desk.seed), falling)
    shipped = desk.ship(net, scapes_judge(), "recipes.scapes.scapes_judge()")
    photos, labels = halves[2]
    found = torch.cat([shipped(part).argmax(1) for part in photos.split(250)])
    return metrics.segmentation_scores(found, labels, CLASSES)._asdict()


def scapes(desk: Desk, variant: str, steps: int = 700) -> list[Row]:
    """Train two translators between label maps and photographs, and score them by the truth.

    The label maps of the first half of the scenes meet the photographs of the second half, so that
    no scene is in both domains; only the variant "paired" gets the photographs of the first.

    Slide: CycleGAN / Experiments I (F05, I13), Training tricks (A04).

    Args:
        desk: where to train; the scenes are the same for all seeds.
        variant: a key of `SCAPES_VARIANTS`.
        steps: the number of steps, of 16 pictures of each domain; in the second half the rate
            falls to zero.
    """
    first, second, held_out = scapes_data()
    x, y = data.paint(first[1]), (first if variant == "paired" else second)[0]
    translators = [scapes_translator(), scapes_translator()]
    critics = [scapes_critic(), scapes_critic()]
    for net in (*translators, *critics):
        desk.place(net)
    model = CycleGAN(*(nets.Autocast(net) for net in (*translators, *critics)), data_dims=3)
    model.past_X, model.past_Y = (History((3, 32, 32)).to(desk.device) for _ in range(2))
    theta, phi = (
        Adam(nn.ModuleList(pair).parameters(), RATE, (0.5, 0.999), fused=True)
        for pair in (translators, critics)
    )
    move = SCAPES_VARIANTS[variant]
    players = (theta,) if move is no_game else (theta, phi)
    falling = [LambdaLR(player, linear_decay(steps // 2, steps - steps // 2)) for player in players]
    batches = data.Batches((x.to(desk.device), y.to(desk.device)), BATCH, steps, desk.seed)
    desk.fit(lambda batch: move(model, *batch, theta, phi), batches, *falling)
    G, F = (
        desk.ship(
            net, scapes_translator(), "recipes.scapes.scapes_translator()", f"{desk.name}_{p}"
        )
        for net, p in zip(translators, "GF", strict=True)
    )
    scores = scapes_scores(G, F, weights.load(scapes_judge(), "scapes_segmenter"), *held_out)
    return [{"direction": way, **scores[way]._asdict()} for way in DIRECTIONS]


SCAPES = Sweep(scapes, {"variant": list(SCAPES_VARIANTS)}, seeds=3)
