"""ALI on the grid of 25 Gaussians: as published, and with what keeps modes from being lost."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from gannotes import bounds, data, metrics, nets, results, weights
from gannotes.distributions import Base, Deterministic, Gaussian, Implicit, standard_normal
from gannotes.models.ali import ALI, step, step_regularised
from gannotes.recipes.frame import Average, Desk, Row, Sweep, put_together

GRID_SD = 0.05
GRID_SPREAD = 2.83  # of all 25 modes, per coordinate
WIDTH = 128
GAMMA = (0.03, 0.0005)  # first and last


class GridScores(NamedTuple):
    """What `grid_scores` returns: one entry per replica, shape (S,)."""

    captured: Tensor
    high_quality: Tensor
    distance: Tensor  # from a point to its reconstruction, mean
    same_mode: Tensor  # share of the points whose reconstruction is nearest to their own mode


class Waves(nn.Module):
    r"""A point beside sines and cosines, :math:`(x/4, \sin 2^j x, \cos 2^j x)` for j from -1 to 2.

    An affine layer of a small network is slow to learn a function that goes up and down 25 times.

    Slide: beyond the deck (mode collapse).

    References:
        Tancik et al., Fourier features let networks learn high frequency functions in low
        dimensional domains, 2020.

    Example:
        >>> Waves()(torch.zeros(5, 2)).shape
        torch.Size([5, 18])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., 2)` to `(..., 18)`."""
        angle = torch.cat([x / 2, x, 2 * x, 4 * x], -1)
        return torch.cat([x / 4, angle.sin(), angle.cos()], -1)


def clouds(k: int, sd: float = 0.025) -> Base:
    r"""The law of `distributions.corners(k, sd)`, which is a product, drawn factor by factor.

    Slide: beyond the deck (mode collapse).

    Args:
        k: the dimension; there are :math:`2^k` clouds.
        sd: the standard deviation of each.

    Example:
        >>> clouds(6).sample((100,)).shape
        torch.Size([100, 6])
    """
    return Base(partial(_pairs, sd), k)


def _pairs(sd: float, one: Tensor) -> MixtureSameFamily:
    ends = torch.stack([-one, one], -1)
    weights = Categorical(torch.ones_like(ends), validate_args=False)
    return MixtureSameFamily(weights, Normal(ends, sd, validate_args=False), validate_args=False)


def grid_ali(replicas: int = 4) -> ALI:
    r"""ALI for the grid with the remedies: 256 clouds as base, an implicit encoder, paired outputs.

    The decoder has no noise, so that a cloud can become a mode. The encoder has: several clouds
    belong to one mode, and a code must be drawn from among them.

    Slide: ALI / BiGAN (E67); beyond the deck (mode collapse).

    Args:
        replicas: the number `S` of independent games in one stack.

    Example:
        >>> ali = grid_ali(replicas=3)
        >>> ali.sample((3, 5)).shape, ali.reconstruct(torch.zeros(3, 7, 2)).shape
        (torch.Size([3, 5, 2]), torch.Size([3, 7, 2]))
    """
    k, H = 8, WIDTH
    p_0 = clouds(k)
    x, z, noise = (nets.ReplicaLinear(replicas, inputs, H) for inputs in (18, k, k))
    head = nn.Sequential(nets.leaky_relu(), nets.mlp(H, H, H, k, replicas=replicas))
    encoder = Implicit(
        nn.Sequential(Waves(), nets.mlp(18, H, replicas=replicas)),
        nets.Pair(nn.Identity(), noise, head),
        p_0,
    )
    decoder = Deterministic(nets.mlp(k, H, H, H, 2, replicas=replicas))
    critic = nn.Sequential(nets.leaky_relu(), nets.critic(H, H, H, replicas=replicas))
    D = nets.Pair(nn.Sequential(Waves(), x), z, critic)
    return ALI(encoder, decoder, D, p_0, bounds.relativistic)


def grid_ali_plain(replicas: int = 4) -> ALI:
    """ALI for the grid as published: Gaussian conditionals, two Gaussian codes, the slides' game.

    Slide: ALI (E67, E68). Arguments are those of `grid_ali`.
    """
    H = WIDTH
    encoder, decoder = (Gaussian(nets.mlp(2, H, H, H, 4, replicas=replicas)) for _ in range(2))
    x, z = (nets.ReplicaLinear(replicas, 2, H) for _ in range(2))
    critic = nn.Sequential(nets.leaky_relu(), nets.critic(H, H, H, replicas=replicas))
    return ALI(encoder, decoder, nets.Pair(x, z, critic), standard_normal(2))


def grid_scores(ali: ALI, replicas: int, n: int = 2_500) -> GridScores:
    """Judge samples by VEEGAN's counts, and reconstructions of fresh data by where they land.

    Slide: ALI / Experiments (I17); beyond the deck (Srivastava et al. 2017).

    Args:
        ali: a stack of models.
        replicas: their number `S`.
        n: the number of samples, and of points that are reconstructed.

    Example:
        >>> grid_scores(grid_ali(replicas=3), 3).captured.shape
        torch.Size([3])
    """
    p = data.grid(sd=GRID_SD)
    modes = p.component_distribution.mean
    with torch.no_grad():
        coverage = metrics.mode_coverage(ali.sample((replicas, n)), modes, GRID_SD)
        x = p.sample(torch.Size((replicas, n)))
        back = ali.reconstruct(x)
        here, there = (torch.cdist(points, modes).argmin(-1) for points in (x, back))
        same = (here == there).to(x.dtype).mean(-1)
        return GridScores(*coverage, (x - back).norm(dim=-1).mean(-1), same)


def samplers(ali: ALI) -> nn.ModuleDict:
    """The encoder and the decoder, which move together and which a file of weights holds.

    Slide: ALI (E67).

    Args:
        ali: the model.

    Example:
        >>> sorted(samplers(grid_ali(1)))
        ['decoder', 'encoder']
    """
    return nn.ModuleDict({"encoder": ali.encoder, "decoder": ali.decoder})


def ali_grid(desk: Desk, variant: str, steps: int = 2_400) -> Row:
    """Train four replicas of ALI on the grid: as published, or with remedies.

    As published: Gaussian codes and batches of 128 points. The remedies: clouds, waves, pairing,
    penalties, a quick critic, and batches of 256 points.

    Slide: ALI / Algorithm (A07); beyond the deck (mode collapse).

    Args:
        desk: where to train.
        variant: "plain" or "remedied".
        steps: the number of steps.
    """
    ali, batch, theta_phi, omega = VARIANTS[variant](desk.device)
    trained = samplers(MAKERS[variant](4))
    with torch.device(desk.device):
        p = data.grid(sd=GRID_SD)

    def rate(t: int) -> float:  # constant, then a straight line to zero
        return min(1.0, (steps - t) / max(1, 0.3 * steps))

    decays = [LambdaLR(player, rate) for player in (theta_phi, omega)]

    def one(_: int) -> dict[str, Tensor]:
        x = p.sample(torch.Size((4, batch)))
        if variant == "plain":
            return step(ali, x, theta_phi, omega)
        gamma = GAMMA[0] * (GAMMA[1] / GAMMA[0]) ** ((decays[0].last_epoch / steps) ** 2)
        return step_regularised(ali, x, theta_phi, omega, gamma)

    average = Average(samplers(ali), 0.995)
    desk.fit(one, range(steps), average, *decays)
    trained.load_state_dict(average.module.state_dict())
    desk.keep(trained, f"recipes.ali.samplers(recipes.ali.{MAKERS[variant].__name__}(4))")
    return {}


def _plain(device: str) -> tuple[ALI, int, Adam, Adam]:
    with torch.device(device):
        ali = grid_ali_plain(4)
    adam = partial(Adam, lr=1e-3, betas=(0.5, 0.99), fused=True)
    return ali, 128, adam(samplers(ali).parameters()), adam(ali.D.parameters())


def _remedied(device: str) -> tuple[ALI, int, Adam, Adam]:
    with torch.device(device):
        ali = grid_ali(4)
        with torch.no_grad():  # a start that covers the plane, and the space of the codes
            _stretch(ali.decoder, ali.sample((4, 1_000)), GRID_SPREAD)
            x = data.grid(sd=GRID_SD).sample(torch.Size((4, 1_000)))
            _stretch(ali.encoder, ali.encoder(x).rsample(), 1.0)
    adam = partial(Adam, betas=(0.0, 0.99), fused=True)
    theta_phi = adam(samplers(ali).parameters(), lr=3.5e-4)
    return ali, 256, theta_phi, adam(ali.D.parameters(), lr=2.5e-3)


def _stretch(law: nn.Module, y: Tensor, sd: float) -> None:
    """Scale the last affine layer such that the samples `y` get the standard deviation `sd`."""
    last = [layer for layer in law.modules() if isinstance(layer, nets.ReplicaLinear)][-1]
    factor = sd / y.std((-2, -1), keepdim=True)
    last.weight.mul_(factor)
    last.bias.mul_(factor)


VARIANTS = {"remedied": _remedied, "plain": _plain}
MAKERS = {"remedied": grid_ali, "plain": grid_ali_plain}


def _collect_grids(files: Sequence[Path], out: Path, seed: int) -> None:
    """16 replicas of each variant, from four stacks each.

    The table has a row for each replica; the weights are those of the very first, not of the best.

    A mode that has no cloud when the penalties fall is never found later. What finds more of them
    early: samplers that are slow beside the critic, many clouds, and batches of ten points for each
    mode. What it costs: an encoder with ten clouds to choose from for each mode, which returns to
    the mode of its point less often.
    """
    rows: list[Row] = []
    for variant, name in {"remedied": "ali_grid", "plain": "ali_grid_plain"}.items():
        four = [file for file in files if file.name.startswith(f"ali_grid_{variant}_")]
        made = [results.read(file.with_suffix(".csv"))[0] for file in four]
        make = MAKERS[variant]
        stacks = [make(4) for _ in four]
        for stack, file in zip(stacks, four, strict=True):
            samplers(stack).load_state_dict(load_file(f"{file}.safetensors"))
        torch.manual_seed(seed)
        scores = [grid_scores(stack, 4) for stack in stacks]
        table = {
            key: torch.cat([part[i] for part in scores]).tolist()
            for i, key in enumerate(GridScores._fields)
        }
        rows += [
            {"variant": name, "replica": i}
            | {key: made[i // 4][key] for key in ("seed", "steps")}
            | {key: values[i] for key, values in table.items()}
            for i in range(16)
        ]
        first = samplers(make(1))
        state = samplers(stacks[0]).state_dict()
        first.load_state_dict({key: value[:1] for key, value in state.items()})
        weights.save(first, path := out / f"{name}.safetensors")
        made_by = f"recipes.ali.samplers(recipes.ali.{make.__name__}(1))"
        shown = {key: [round(value, 3) for value in values] for key, values in table.items()}
        put_together(path, four, made_by, f"ali_grid --seed {seed}", shown)
    results.write(out / "ali_grid.csv", rows)


ALI_GRID = Sweep(ali_grid, {"variant": list(VARIANTS)}, seeds=4, collect=_collect_grids)
