"""Digits to their outlines and back, from unpaired pictures: CycleGAN against what it adds to."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from gannotes import data, nets
from gannotes.bounds import least_squares
from gannotes.models.cyclegan import CycleGAN, History, step
from gannotes.optim import descend, linear_decay
from gannotes.recipes import protocols
from gannotes.recipes.frame import Desk, Row, Step, Sweep
from gannotes.recipes.scapes import Patches

PIXELS = 28 * 28
BATCH = 16
RATE, BETAS = 2e-3, (0.5, 0.999)
LAM, PAPER = 2.0, 10.0  # weights of the cycle loss as a mean over pixels
HALF = 27_500  # digits of the first half of the training set, outlines of the second
TESTED = 10_000

Game = Callable[[nn.Module, nn.Module, Adam, Desk], tuple[Step, list[Adam]]]


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
    """A critic of patches: `(N, 1, 28, 28)` becomes `(49, N)`, raw outputs on 18 x 18 pixels each.

    The patches are games that are played side by side.

    Slide: CycleGAN / Loss functions I (E37, E38).

    References:
        Isola, Zhu, Zhou and Efros, Image-to-image translation with conditional adversarial
        networks, 2017.

    Args:
        channels: the number of features at 14 x 14; twice as many at 7 x 7.

    Example:
        >>> patch_critic()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([49, 2])
    """
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(2 * channels, 1, 3, padding=1),
        Patches(),
    )


def outlines(desk: Desk, variant: str, steps: int = 1_600) -> list[Row]:
    r"""Train two translators between digits and the outlines of other digits, in one of four games.

    A CycleGAN; the same with the paper's weight of the cycle loss; the two games without the cycle
    loss; and, as the upper bound, the same translators fitted to pairs, :math:`E|G(x) - y|_1 +
    E|F(y) - x|_1`, of the digits of the first half and their outlines.

    Slide: CycleGAN / loss functions II, Training tricks (E39, E41 to E43, A04); Experiments I (I13,
    in miniature).

    Args:
        desk: where to train.
        variant: a key of `GAMES`.
        steps: the number of steps, of 16 pictures of each domain.
    """
    x = data.mnist("train")[0].to(desk.device)
    pair = [desk.place(translator()) for _ in range(2)]
    G, F = (nets.Autocast(net) for net in pair)
    move, players = GAMES[variant](G, F, _adam(*pair), desk)
    falls = [LambdaLR(player, linear_decay(steps // 2, steps - steps // 2)) for player in players]
    digits = data.Batches(x[:HALF], BATCH, steps, desk.seed)
    others = data.Batches(data.outline(x[HALF:]), BATCH, steps, desk.seed + 1_000)
    desk.fit(move, zip(digits, others, strict=True), *falls)
    shipped = (
        desk.ship(net, translator(), "recipes.digit_outlines.translator()", f"{desk.name}_{part}")
        for net, part in zip(pair, "GF", strict=True)
    )
    return outline_scores(*shipped)


@torch.no_grad()
def outline_scores(G: nn.Module, F: nn.Module) -> list[Row]:
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
    judge = protocols.classifier()
    x, labels = (part[:TESTED] for part in data.mnist("test"))
    y = data.outline(x)
    through = protocols.in_parts
    y_made, x_made = through(G, x), through(F, y)
    x_back, y_back = through(F, y_made), through(G, x_made)
    rows: list[Row] = []
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

    def game(G: nn.Module, F: nn.Module, theta: Adam, desk: Desk) -> tuple[Step, list[Adam]]:
        critics = [desk.place(patch_critic()) for _ in range(2)]
        phi = _adam(*critics)
        D_X, D_Y = (nets.Autocast(D) for D in critics)
        past_X, past_Y = (History((1, 28, 28)).to(desk.device) for _ in critics)
        model = CycleGAN(G, F, D_X, D_Y, least_squares, past_X, past_Y, data_dims=3)

        def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            return step(model, *batch, theta, phi, lam / PIXELS)

        return one, [theta, phi]

    return game


def _paired(G: nn.Module, F: nn.Module, theta: Adam, desk: Desk) -> tuple[Step, list[Adam]]:
    """The regression on digits and their own outlines; the outlines of the batch are not used."""

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x = batch[0]
        y = data.outline(x)
        return {"loss": descend(theta, (G(x) - y).abs().mean() + (F(y) - x).abs().mean())}

    return one, [theta]


def _adam(*players: nn.Module) -> Adam:
    return Adam([p for net in players for p in net.parameters()], RATE, BETAS, fused=True)


GAMES: dict[str, Game] = {
    "cyclegan": _unpaired(LAM),
    "gan": _unpaired(0.0),
    "paired": _paired,
    "cyclegan_10": _unpaired(PAPER),
}
OUTLINES = Sweep(
    outlines,
    {"variant": list(GAMES)},
    seeds={"cyclegan": 3, "gan": 3, "paired": 3, "cyclegan_10": 1},
)
