r"""CycleGAN on Tinyscapes: label maps into photographs and back, and what each term contributes.

The first domain holds label maps in the colours of their classes, the second photographs. Both are
in [0, 1]. The paper's weight 10 is for the mean over the `d` numbers of a picture that goes from -1
to 1; for a sum over pictures from 0 to 1 it is :math:`\lambda = 20 / d`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import process_time

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gannotes import data, metrics, nets, results, weights
from gannotes.bounds import cycle
from gannotes.models.cyclegan import CycleGAN, History, step
from gannotes.optim import ascend, descend, fit, linear_decay
from gannotes.recipes.card import start, write_card

STEPS = 700
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


def scapes_segmenter(out: Path, seed: int = 0, device: str = "cpu", steps: int = 1_000) -> None:
    """Train the segmentation network on pairs, to judge the photographs that others make.

    Slide: CycleGAN / Experiments I (I13), in place of the FCN.

    Args:
        out: the folder for the checkpoint, the weights and the card.
        seed: of the initial weights and the batches.
        device: where to train.
        steps: the number of steps, of 32 scenes each, or of their mirror images.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    halves = scapes_data()
    x, y = (torch.cat(parts).to(device) for parts in zip(*halves[:2], strict=True))
    net = scapes_judge().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    quick = nets.Autocast(net)
    theta = Adam(net.parameters(), 2e-3, fused=True)
    falling = LambdaLR(theta, linear_decay(steps // 2, steps - steps // 2))

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        photos, labels = batch if torch.rand(()) < 0.5 else (part.flip(-1) for part in batch)
        loss = descend(theta, cross_entropy(quick(photos), labels))
        falling.step()
        return {"loss": loss}

    name = "scapes_segmenter"
    fit(one, data.Batches((x, y), 32, steps, seed), checkpoint=out / f"{name}.checkpoint")
    weights.save(net, out / f"{name}.safetensors")
    shipped = weights.fill(scapes_judge(), out / f"{name}.safetensors")
    photos, labels = halves[2]
    with torch.no_grad():
        found = torch.cat([shipped(part).argmax(1) for part in photos.split(250)])
    scores = metrics.segmentation_scores(found, labels, CLASSES)._asdict()
    write_card(out / f"{name}.md", scapes_segmenter, "recipes.scapes_judge()", seed, began, scores)


def scapes_one(
    variant: str, out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS
) -> None:
    """Train two translators between label maps and photographs, and score them by the truth.

    The label maps of the first half of the scenes meet the photographs of the second half, so that
    no scene is in both domains; only the variant "paired" gets the photographs of the first.

    Slide: CycleGAN / Experiments I (F05, I13), Training tricks (A04).

    Args:
        variant: a key of `SCAPES_VARIANTS`.
        out: the folder for the checkpoint, the weights, the cards and the rows of the table.
        seed: of the initial weights, the batches and the histories; the scenes are the same.
        device: where to train.
        steps: the number of steps, of 16 pictures of each domain; in the second half the rate
            falls to zero.
    """
    began, worked = start(out, seed), process_time()
    torch.set_num_threads(1)
    first, second, held_out = scapes_data()
    x, y = data.paint(first[1]), (first if variant == "paired" else second)[0]
    G, F, D_X, D_Y = scapes_translator(), scapes_translator(), scapes_critic(), scapes_critic()
    for net in (G, F, D_X, D_Y):
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = CycleGAN(*map(nets.Autocast, (G, F, D_X, D_Y)), data_dims=3)
    model.past_X, model.past_Y = (History((3, 32, 32)).to(device) for _ in range(2))
    theta, phi = (
        Adam(nn.ModuleList(pair).parameters(), RATE, (0.5, 0.999), fused=True)
        for pair in ((G, F), (D_X, D_Y))
    )
    move = SCAPES_VARIANTS[variant]
    players = (theta,) if move is no_game else (theta, phi)
    falling = [LambdaLR(player, linear_decay(steps // 2, steps - steps // 2)) for player in players]

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        values = move(model, *batch, theta, phi)
        for schedule in falling:
            schedule.step()
        return values

    name = f"scapes_{_slug(variant)}_{seed}"
    pictures = (x.to(device), y.to(device))
    fit(one, data.Batches(pictures, BATCH, steps, seed), checkpoint=out / f"{name}.checkpoint")
    minutes = (process_time() - worked) / 60
    shipped = {"G": scapes_translator(), "F": scapes_translator()}
    for (part, fresh), net in zip(shipped.items(), (G, F), strict=True):
        weights.save(net, out / f"{name}_{part}.safetensors")
        weights.fill(fresh, out / f"{name}_{part}.safetensors")
    judge = weights.load(scapes_judge(), "scapes_segmenter")
    scores = scapes_scores(shipped["G"], shipped["F"], judge, *held_out)
    rows = [
        {
            "variant": variant,
            "seed": seed,
            "direction": direction,
            **{key: getattr(scores[direction], key) for key in SCORES},
        }
        for direction in DIRECTIONS
    ]
    results.write(out / f"{name}.csv", [row | {"minutes": minutes} for row in rows])
    for part, row in zip(shipped, rows, strict=True):
        card = out / f"{name}_{part}.md"
        write_card(card, scapes_one, "recipes.scapes_translator()", seed, began, row)


SCORES = ("pixel_accuracy", "class_accuracy", "class_iou")


def scapes_single(variant: str) -> Callable[..., None]:
    """The recipe of one variant, for the command line.

    Slide: CycleGAN / Experiments I (F05).

    Example:
        >>> scapes_single("GAN + forward").__name__
        'scapes_gan_forward'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        scapes_one(variant, out, seed, device, steps)

    recipe.__name__ = f"scapes_{_slug(variant)}"
    recipe.__doc__ = f"Translate between label maps and photographs of Tinyscapes: {variant}."
    return recipe


def scapes_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the tables: every variant with three seeds.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        seed: the first of the three.

    Example:
        >>> scapes_runs()[5:7]
        [('scapes_paired', 0), ('scapes_cycle_alone', 1)]
    """
    names = [f"scapes_{_slug(variant)}" for variant in SCAPES_VARIANTS]
    return [(name, s) for s in range(seed, seed + 3) for name in names]


def scapes_table(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the tables of CycleGAN in miniature: six variants, three seeds, two directions.

    Slide: CycleGAN / Experiments I (F05).

    Args:
        parts: the folders of `scapes_runs(seed)`.
        out: the folder for the table.
        seed: the first of the three.
    """
    runs = zip(parts, scapes_runs(seed), strict=True)
    rows = [row for part, (name, s) in runs for row in results.read(part / f"{name}_{s}.csv")]
    results.write(out / "scapes.csv", rows)


def _slug(variant: str) -> str:
    return variant.lower().replace(" + ", "_").replace(" ", "_")
