"""ALI on the grid of 25 Gaussians: as published, and with what keeps modes from being lost."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import bounds, data, metrics, nets, results, runs, weights
from gannotes.distributions import Base, Deterministic, Gaussian, Implicit, standard_normal
from gannotes.models.ali import ALI, step
from gannotes.optim import ascend, fit
from gannotes.recipes.card import start, write_card

GRID_SD = 0.05
GRID_SPREAD = 2.83  # of all 25 modes, per coordinate
WIDTH = 128
STEPS = 2_400
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


def clouds(k: int, sd: float = 0.025, like: Tensor | None = None) -> Base:
    r"""The law of `distributions.corners(k, sd)`, which is a product, drawn factor by factor.

    Slide: beyond the deck (mode collapse).

    Args:
        k: the dimension; there are :math:`2^k` clouds.
        sd: the standard deviation of each.
        like: a tensor whose type and device the samples take.

    Example:
        >>> clouds(6).sample((100,)).shape
        torch.Size([100, 6])
    """
    law = Base(partial(_pairs, sd), k)
    return law if like is None else law.to(like)


def _pairs(sd: float, one: Tensor) -> MixtureSameFamily:
    ends = torch.stack([-one, one], -1)
    weights = Categorical(torch.ones_like(ends), validate_args=False)
    return MixtureSameFamily(weights, Normal(ends, sd, validate_args=False), validate_args=False)


def grid_ali(replicas: int = 4, device: str = "cpu") -> ALI:
    r"""ALI for the grid with the remedies: 256 clouds as base, an implicit encoder, paired outputs.

    The decoder has no noise, so that a cloud can become a mode. The encoder has: several clouds
    belong to one mode, and a code must be drawn from among them.

    Slide: ALI / BiGAN (E67); beyond the deck (mode collapse).

    Args:
        replicas: the number `S` of independent games in one stack.
        device: where the noise is drawn.

    Example:
        >>> ali = grid_ali(replicas=3)
        >>> ali.sample((3, 5)).shape, ali.reconstruct(torch.zeros(3, 7, 2)).shape
        (torch.Size([3, 5, 2]), torch.Size([3, 7, 2]))
    """
    k, H = 8, WIDTH
    p_0 = clouds(k, like=torch.zeros(1, device=device))
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


def grid_ali_plain(replicas: int = 4, device: str = "cpu") -> ALI:
    """ALI for the grid as published: Gaussian conditionals, two Gaussian codes, the slides' game.

    Slide: ALI (E67, E68). Arguments are those of `grid_ali`.
    """
    H = WIDTH
    encoder, decoder = (Gaussian(nets.mlp(2, H, H, H, 4, replicas=replicas)) for _ in range(2))
    x, z = (nets.ReplicaLinear(replicas, 2, H) for _ in range(2))
    critic = nn.Sequential(nets.leaky_relu(), nets.critic(H, H, H, replicas=replicas))
    p_0 = standard_normal(2, torch.zeros(1, device=device))
    return ALI(encoder, decoder, nets.Pair(x, z, critic), p_0)


def grid_step(
    ali: ALI, x: Tensor, theta_phi: Optimizer, omega: Optimizer, gamma: float
) -> dict[str, Tensor]:
    r"""One ascent of the critic with gradient penalties, one of both samplers, on the same pairs.

    .. math::

        \max_\omega\; \hat V(\theta, \phi, \omega) - \tfrac{\gamma}{2} \big(
        E_{q_\phi} \|\nabla_{x, z} r_\omega(x, z)\|^2
        + E_{p_\theta} \|\nabla_{x, z} r_\omega(x, z)\|^2 \big)

    Slide: ALI / Algorithm (A07); beyond the deck (mode collapse).

    Args:
        ali: the model.
        x: a batch of data `(..., N, d)`.
        theta_phi: the optimiser of `ali.decoder` and `ali.encoder`.
        omega: the optimiser of `ali.D`.
        gamma: the weight of the penalties.

    Returns:
        The critic's value less the penalties, before its move.
    """
    z = ali.p_0.sample(x.shape[:-1])
    x_p, z_q = ali.decoder(z).rsample(), ali.encoder(x).rsample()

    v_q, R_1 = _squared_gradient(ali.D, x, z_q)
    v_p, R_2 = _squared_gradient(ali.D, x_p, z)
    penalised = ascend(omega, ali.bound(v_q, v_p) - gamma / 2 * (R_1 + R_2))
    ascend(theta_phi, ali.bound(ali.D(x_p, z), ali.D(x, z_q)))
    return {"value": penalised}


def _squared_gradient(D: nn.Module, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    x, z = x.detach().requires_grad_(), z.detach().requires_grad_()
    v = D(x, z)
    gradients = torch.autograd.grad(v.sum(), (x, z), create_graph=True)
    return v, torch.stack([g.square().sum(-1).mean(-1) for g in gradients]).sum(0)


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


def ali_grid_plain(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> ALI:
    """Train four replicas of ALI on the grid as published: Gaussian codes and no remedy.

    Slide: ALI / Algorithm (A07).

    Args:
        out: the folder for the checkpoint and the samplers, in full precision for `ali_grid`.
        seed: of the initial weights, the data and the noise.
        device: where to train.
        steps: the number of steps, of 128 points each.

    Returns:
        The four models on the CPU: running averages of encoders and decoders, the last critics.
    """
    start(out, seed)
    with torch.device(device):
        ali = grid_ali_plain(4, device)
    theta_phi = Adam(samplers(ali).parameters(), 1e-3, (0.5, 0.99), fused=True)
    omega = Adam(ali.D.parameters(), 1e-3, (0.5, 0.99), fused=True)
    path = out / f"ali_grid_plain_{seed}.checkpoint"
    return _train(
        path, ali, grid_ali_plain(4), theta_phi, omega, device, steps, 128, penalised=False
    )


def ali_grid_remedied(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> ALI:
    """Train four replicas of ALI on the grid: clouds, waves, pairing, penalties, a quick critic.

    Slide: beyond the deck (mode collapse). Arguments and returns are those of `ali_grid_plain`,
    but for batches of 256 points.
    """
    start(out, seed)
    with torch.device(device):
        ali = grid_ali(4, device)
        with torch.no_grad():  # a start that covers the plane, and the space of the codes
            _stretch(ali.decoder, ali.sample((4, 1_000)), GRID_SPREAD)
            x = data.grid(sd=GRID_SD).sample(torch.Size((4, 1_000)))
            _stretch(ali.encoder, ali.encoder(x).rsample(), 1.0)
    theta_phi = Adam(samplers(ali).parameters(), 3.5e-4, (0.0, 0.99), fused=True)
    omega = Adam(ali.D.parameters(), 2.5e-3, (0.0, 0.99), fused=True)
    path = out / f"ali_grid_remedied_{seed}.checkpoint"
    return _train(path, ali, grid_ali(4), theta_phi, omega, device, steps, 256, penalised=True)


def _stretch(law: nn.Module, y: Tensor, sd: float) -> None:
    """Scale the last affine layer such that the samples `y` get the standard deviation `sd`."""
    last = [layer for layer in law.modules() if isinstance(layer, nets.ReplicaLinear)][-1]
    factor = sd / y.std((-2, -1), keepdim=True)
    last.weight.mul_(factor)
    last.bias.mul_(factor)


def _train(
    path: Path,
    ali: ALI,
    trained: ALI,
    theta_phi: Optimizer,
    omega: Optimizer,
    device: str,
    steps: int,
    batch: int,
    *,
    penalised: bool,
) -> ALI:
    torch.set_num_threads(1)
    with torch.device(device):
        p = data.grid(sd=GRID_SD)
    moving = samplers(ali)
    average = AveragedModel(moving, multi_avg_fn=get_ema_multi_avg_fn(0.995))

    def rate(t: int) -> float:  # constant, then a straight line to zero
        return min(1.0, (steps - t) / max(1, 0.3 * steps))

    decay = [LambdaLR(player, rate) for player in (theta_phi, omega)]

    def one(_: int) -> dict[str, Tensor]:
        x = p.sample(torch.Size((4, batch)))
        if penalised:
            gamma = GAMMA[0] * (GAMMA[1] / GAMMA[0]) ** ((decay[0].last_epoch / steps) ** 2)
            values = grid_step(ali, x, theta_phi, omega, gamma)
        else:
            values = step(ali, x, theta_phi, omega)
        average.update_parameters(moving)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, range(steps), checkpoint=path)
    save_file(average.module.cpu().state_dict(), path.with_suffix(".safetensors"))
    samplers(trained).load_state_dict(average.module.state_dict())
    trained.D.load_state_dict(ali.D.state_dict())
    return trained


def ali_grid_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the two sets of 16 replicas: four stacks of four, a seed for each.

    Slide: ALI / Experiments (I17).

    Args:
        seed: stack `i` takes the seed `4 seed + i`.

    Example:
        >>> ali_grid_runs(2)[0], len(ali_grid_runs())
        (('ali_grid_remedied', 8), 8)
    """
    games = (ali_grid_remedied, ali_grid_plain)
    return [(game.__name__, s) for game in games for s in range(4 * seed, 4 * seed + 4)]


def ali_grid(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather 16 replicas each of ALI on the grid of 25 Gaussians, with remedies and as published.

    The table has a row for each replica; the weights are those of the very first, not of the best.

    A mode that has no cloud when the penalties fall is never found later. What finds more of them
    early: samplers that are slow beside the critic, many clouds, and batches of ten points for each
    mode. What it costs: an encoder with ten clouds to choose from for each mode, which returns to
    the mode of its point less often.

    Slide: ALI / Experiments (I17); beyond the deck (mode collapse).

    Args:
        parts: the folders of `ali_grid_runs(seed)`.
        out: the folder for the weights, the cards and the table.
        seed: of the points that are scored, and of the runs.
    """
    seeds = range(4 * seed, 4 * seed + 4)
    rows: list[dict[str, object]] = []
    for i, (name, train, make) in enumerate(
        (
            ("ali_grid", ali_grid_remedied, grid_ali),
            ("ali_grid_plain", ali_grid_plain, grid_ali_plain),
        )
    ):
        four = parts[4 * i : 4 * i + 4]
        stacks = [make(4) for _ in four]
        for stack, part, s in zip(stacks, four, seeds, strict=True):
            state = load_file(part / f"{train.__name__}_{s}.safetensors")
            samplers(stack).load_state_dict(state)
        steps = [runs.read(part).configuration["settings"]["steps"] for part in four]
        began = start(out, seed, four)
        scores = [grid_scores(stack, 4) for stack in stacks]
        table = {
            key: torch.cat([part[i] for part in scores]).tolist()
            for i, key in enumerate(GridScores._fields)
        }
        rows += [
            {"variant": name, "replica": i, "seed": seeds[i // 4], "steps": steps[i // 4]}
            | {key: values[i] for key, values in table.items()}
            for i in range(16)
        ]
        first = make(1)
        state = samplers(stacks[0]).state_dict()
        samplers(first).load_state_dict({key: value[:1] for key, value in state.items()})
        weights.save(samplers(first), out / f"{name}.safetensors")
        shown = {key: [round(value, 3) for value in values] for key, values in table.items()}
        architecture = f"recipes.samplers(recipes.{make.__name__}(1))"
        write_card(out / f"{name}.md", train, architecture, seed, began, shown, "ali_grid")
    results.write(out / "ali_grid.csv", rows)
