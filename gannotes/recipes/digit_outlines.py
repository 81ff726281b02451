"""Digits to their outlines and back, from unpaired pictures: CycleGAN against what it adds to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from gannotes import data, nets, results, weights
from gannotes.bounds import least_squares
from gannotes.models.cyclegan import CycleGAN, History, step
from gannotes.optim import descend, fit, linear_decay
from gannotes.recipes.card import start, write_card

PIXELS = 28 * 28
STEPS, BATCH = 1_600, 16
RATE, BETAS = 2e-3, (0.5, 0.999)
LAM, PAPER = 2.0, 10.0  # weights of the cycle loss as a mean over pixels
HALF = 27_500  # digits of the first half of the training set, outlines of the second
TESTED = 10_000
SEEDS = {"cyclegan": 3, "gan": 3, "paired": 3, "cyclegan_10": 1}  # runs of the table

Step = Callable[[tuple[Tensor, Tensor]], dict[str, Tensor]]
Players = list[Adam]
Game = Callable[[nn.Module, nn.Module, Adam, str], tuple[Step, Players]]


def translator(channels: int = 24) -> nn.Sequential:
    """A translator of small pictures, `(N, 1, 28, 28)` to the same: down, two layers, up.

    What a pixel becomes depends on the 18 x 18 pixels around it.

    Slide: CycleGAN / Problem statement (E36).

    Args:
        channels: the number of features at 14 x 14.

    Example:
        >>> G = translator()
        >>> G(torch.zeros(2, 1, 28, 28)).shape, sum(p.numel() for p in G.parameters())
        (torch.Size([2, 1, 28, 28]), 11281)
    """
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def patch_critic(channels: int = 16) -> nn.Sequential:
    """A critic of patches: `(N, 1, 28, 28)` becomes `(49 N,)`, raw outputs on 18 x 18 pixels each.

    Every patch counts as a sample of its own.

    Slide: CycleGAN / Loss functions I (E37, E38).

    References:
        Isola, Zhu, Zhou and Efros, Image-to-image translation with conditional adversarial
        networks, 2017.

    Args:
        channels: the number of features at 14 x 14; twice as many at 7 x 7.

    Example:
        >>> patch_critic()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([98])
    """
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(2 * channels, 1, 3, padding=1),
        nn.Flatten(0),
    )


def outlines_cyclegan(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
    """Train a CycleGAN between digits and the outlines of other digits.

    Slide: CycleGAN / loss functions II, Training tricks (E41 to E43, A04).

    Args:
        out: the folder for the checkpoint, the weights, the cards and the rows of the table.
        seed: of the initial weights, the batches and the history.
        device: where to train.
        steps: the number of steps, of 16 pictures of each domain.
    """
    _run(outlines_cyclegan, _unpaired(LAM), out, seed, device, steps)


def outlines_cyclegan_10(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
    """Train the CycleGAN of digits and outlines with the paper's weight of the cycle loss.

    Slide: CycleGAN / Training tricks (A04). Arguments are those of `outlines_cyclegan`.
    """
    _run(outlines_cyclegan_10, _unpaired(PAPER), out, seed, device, steps)


def outlines_gan(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
    """Train the two games between digits and outlines without the cycle loss.

    Slide: CycleGAN / Loss functions I (E39); Experiments I (I13, "GAN alone").

    Arguments are those of `outlines_cyclegan`.
    """
    _run(outlines_gan, _unpaired(0.0), out, seed, device, steps)


def outlines_paired(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
    r"""Fit the same translators to pairs, :math:`E|G(x) - y|_1 + E|F(y) - x|_1`: the upper bound.

    The pairs are the digits of the first half and their outlines.

    Slide: beyond the deck (evaluation). Arguments are those of `outlines_cyclegan`.
    """
    _run(outlines_paired, _paired, out, seed, device, steps)


def outlines_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table: three variants with three seeds, one with one.

    Slide: CycleGAN / Experiments I (I13, in miniature).

    Args:
        seed: the first one of each variant.

    Example:
        >>> len(outlines_runs()), outlines_runs()[0]
        (10, ('outlines_cyclegan', 0))
    """
    return [
        (f"outlines_{variant}", seed + shift)
        for variant, count in SEEDS.items()
        for shift in range(count)
    ]


def outlines(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of digits and outlines, two rows a run.

    Slide: CycleGAN / Experiments I (I13, in miniature).

    Args:
        parts: the folders of `outlines_runs(seed)`.
        out: the folder for the table.
        seed: the first one of each variant.
    """
    rows = [
        row
        for part, (name, s) in zip(parts, outlines_runs(seed), strict=True)
        for row in results.read(part / f"{name}_{s}.csv")
    ]
    results.write(out / "outlines.csv", rows)


@torch.no_grad()
def outline_scores(G: nn.Module, F: nn.Module) -> list[dict[str, object]]:
    r"""Judge two translators on test digits and their outlines, a row for each direction.

    Slide: CycleGAN / Experiments I (I13, in place of the segmentation network).

    Args:
        G: from digits to outlines, in evaluation mode.
        F: from outlines to digits.

    Returns:
        `direction`; `error` and `rms`, the mean absolute difference and the root of the mean
        square of the difference between a pixel of the translation and of the truth; `back`, the
        mean absolute difference of a pixel after the way there and back; `shift`, how many pixels
        the ink's centre lies away from that of the truth, on average over the pictures as vectors;
        `class_kept`, the share of digits :math:`F(G(x))`, or :math:`F(y)`, to which the classifier
        gives their label.
    """
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    x, labels = (part[:TESTED] for part in data.mnist("test"))
    y = data.outline(x)

    def through(net: nn.Module, z: Tensor) -> Tensor:
        return torch.cat([net(part) for part in z.split(500)])

    y_made, x_made = through(G, x), through(F, y)
    x_back, y_back = through(F, y_made), through(G, x_made)
    rows: list[dict[str, object]] = []
    for direction, made, truth, back, source, digit in (
        ("digit to outline", y_made, y, x_back, x, x_back),
        ("outline to digit", x_made, x, y_back, y, x_made),
    ):
        kept = through(judge, digit).argmax(1) == labels
        rows.append(
            {
                "direction": direction,
                "error": float((made - truth).abs().mean()),
                "rms": float((made - truth).square().mean().sqrt()),
                "back": float((back - source).abs().mean()),
                "shift": float((_centre(made) - _centre(truth)).mean(0).norm()),
                "class_kept": float(kept.double().mean()),
            }
        )
    return rows


def _centre(z: Tensor) -> Tensor:
    """Row and column of the centre of the ink, `(N, 2)`."""
    share = z[:, 0] / z.sum((1, 2, 3))[:, None, None]
    at = torch.arange(float(z.shape[-1]))
    return torch.stack([share.sum(2) @ at, share.sum(1) @ at], 1)


def _unpaired(lam: float) -> Game:
    """The game on pictures and unrelated pictures; `lam` is the weight of a mean over pixels."""

    def game(G: nn.Module, F: nn.Module, theta: Adam, device: str) -> tuple[Step, Players]:
        critics = _two(patch_critic, device)
        phi = _adam(*critics)
        D_X, D_Y = (nets.Autocast(D) for D in critics)
        past_X, past_Y = (History((1, 28, 28)).to(device) for _ in critics)
        model = CycleGAN(G, F, D_X, D_Y, least_squares, past_X, past_Y, data_dims=3)
        return (lambda batch: step(model, *batch, theta, phi, lam / PIXELS)), [theta, phi]

    return game


def _paired(G: nn.Module, F: nn.Module, theta: Adam, device: str) -> tuple[Step, Players]:
    """The regression on digits and their own outlines; the outlines of the batch are not used."""

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x = batch[0]
        y = data.outline(x)
        return {"loss": descend(theta, (G(x) - y).abs().mean() + (F(y) - x).abs().mean())}

    return one, [theta]


def _two(make: Callable[[], nn.Sequential], device: str) -> list[nn.Sequential]:
    """Two networks whose memory suits convolutions of 16-bit numbers."""
    pair = [make().to(device) for _ in range(2)]
    for net in pair:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return pair


def _adam(*players: nn.Module) -> Adam:
    return Adam([p for net in players for p in net.parameters()], RATE, BETAS, fused=True)


def _run(
    recipe: Callable[..., None], game: Game, out: Path, seed: int, device: str, steps: int
) -> None:
    """Train two translators in a game, and leave what the recipe promises."""
    began, before = start(out, seed), process_time()
    torch.set_num_threads(1)
    name = f"{recipe.__name__}_{seed}"
    x = data.mnist("train")[0].to(device)
    pair = _two(translator, device)
    G, F = (nets.Autocast(net) for net in pair)
    move, players = game(G, F, _adam(*pair), device)
    falls = [LambdaLR(player, linear_decay(steps // 2, steps - steps // 2)) for player in players]

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        values = move(batch)
        for fall in falls:
            fall.step()
        return values

    digits = data.Batches(x[:HALF], BATCH, steps, seed)
    others = data.Batches(data.outline(x[HALF:]), BATCH, steps, seed + 1_000)
    fit(one, zip(digits, others, strict=True), checkpoint=out / f"{name}.checkpoint")
    minutes = (process_time() - before) / 60  # of one core, however busy the machine
    shipped = (translator(), translator())
    files = [out / f"{name}_{part}.safetensors" for part in "GF"]
    for net, fresh, path in zip(pair, shipped, files, strict=True):
        weights.save(net, path)
        weights.fill(fresh, path)
    rows = outline_scores(*shipped)
    for row, path in zip(rows, files, strict=True):
        write_card(path.with_suffix(".md"), recipe, "recipes.translator()", seed, began, row)
    run = {"variant": recipe.__name__.removeprefix("outlines_"), "seed": seed}
    results.write(out / f"{name}.csv", [{**run, **row, "minutes": minutes} for row in rows])
