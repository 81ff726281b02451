"""The f-GAN paper's univariate table: a Gaussian fitted to a mixture with every divergence."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal
from torch.optim import Adam
from torch.optim.lr_scheduler import LinearLR

from gannotes import data, nets
from gannotes.distributions import standard_normal
from gannotes.divergences import F_DIVERGENCES, NEYMAN, PEARSON, FDivergence
from gannotes.models.fgan import FGAN, step
from gannotes.recipes.frame import Desk, Row


class Univariate(NamedTuple):
    """What `univariate` returns: one entry per replica, shape (S,) where nothing else is said."""

    mu: Tensor
    sigma: Tensor
    F: Tensor  # the bound of the trained critic on fresh samples
    F_se: Tensor  # its standard error
    bound: Tensor  # the same by quadrature
    exact: Tensor  # the divergence of the trained Gaussian, by quadrature
    cross: Tensor  # (S, 9): all divergences of it, in the order of F_DIVERGENCES


def univariate(
    desk: Desk, f: FDivergence, replicas: int = 16, steps: int = 1_000, seed: int = 0
) -> Univariate:
    r"""Fit :math:`G(z) = \mu + \sigma z` to the univariate mixture with one divergence.

    The paper's experiment: critic 1-64-64-1 with tanh, batches of 1024, step 0.01 for both
    players, who move at once. Two departures: Adam(0.5, 0.99) in place of plain gradients, because
    the divergences differ in scale (:math:`f''(1)` is 1/2 for Jensen-Shannon and 2 for Pearson)
    and one step does not fit them all, and a step size that falls linearly to zero, so that the
    last iterate needs no averaging. Every replica starts at N(0, 1), with its own critic and data.

    Total variation is lost, by plain gradients too: its best critic is +-1/2, where its activation
    saturates, so that a wrong sign is never unlearnt and the generator has no slope to follow.

    Slide: f-GAN practical considerations (E53, A05).

    References:
        Nowozin, Cseke and Tomioka, f-GAN, 2016, section 2.4.

    Args:
        desk: where to train.
        f: a row of the table.
        replicas: the number S of independent runs in one stack.
        steps: the number of steps.
        seed: of the critics, the data and the noise.
    """
    torch.manual_seed(seed)
    with torch.device(desk.device):
        p = data.univariate_mixture()
        G = nets.mlp(1, 1, replicas=replicas)
        V = nets.critic(1, 64, 64, activation=nn.Tanh, replicas=replicas)
        fgan = FGAN(G, V, standard_normal(1), f)
    nn.init.ones_(G[0].weight)  # type: ignore[arg-type]
    nn.init.zeros_(G[0].bias)  # type: ignore[arg-type]
    theta, omega = (Adam(net.parameters(), 0.01, (0.5, 0.99), fused=True) for net in (G, V))
    decays = [LinearLR(player, 1.0, 0.0, steps) for player in (theta, omega)]

    def one(_: int) -> dict[str, Tensor]:
        return step(fgan, p.sample(torch.Size((replicas, 1024))), theta, omega)

    desk.fit(one, range(steps), *decays, part=f"_{f.name}")
    return _judge_univariate(fgan, p)


@torch.no_grad()
def _judge_univariate(fgan: FGAN, p: Distribution, rounds: int = 32) -> Univariate:
    """The bound on fresh samples and by quadrature, and the exact divergences."""
    f, S = fgan.f, len(fgan.G[0].bias)  # type: ignore[index]
    pairs = [(fgan.V(p.sample((S, 4096))), fgan.V(fgan.sample((S, 4096)))) for _ in range(rounds)]
    t = torch.cat([f.activation(v) for v, _ in pairs], -1).double()
    penalty = torch.cat([f.penalty(v) for _, v in pairs], -1).double()
    se = ((t.var(-1) + penalty.var(-1)) / t.shape[-1]).sqrt()
    x, log_p, dx = univariate_grid()
    ends = fgan.G(torch.tensor([[0.0], [1.0]], device=t.device).expand(S, -1, -1))
    mu, end = ends.double().cpu().squeeze(-1).unbind(-1)
    sigma = (end - mu).abs()
    log_q = Normal(mu.unsqueeze(-1), sigma.unsqueeze(-1)).log_prob(x)
    v = fgan.V(x.to(ends).expand(S, -1).unsqueeze(-1)).double().cpu()
    bound = ((log_p.exp() * f.activation(v) - log_q.exp() * f.penalty(v)) * dx).sum(-1)
    cross = {row: row(log_p, log_q, dx) for row in F_DIVERGENCES.values()}
    # Where the integral diverges, a grid gives no more than a large number.
    cross[NEYMAN] = cross[NEYMAN].masked_fill(sigma >= 1.415 * math.sqrt(2), torch.inf)
    cross[PEARSON] = cross[PEARSON].masked_fill(sigma <= 1.415 / math.sqrt(2), torch.inf)
    F, F_se = (t.mean(-1) - penalty.mean(-1)).cpu(), se.cpu()
    return Univariate(mu, sigma, F, F_se, bound, cross[f], torch.stack([*cross.values()], -1))


def univariate_grid() -> tuple[Tensor, Tensor, float]:
    """Points, the log density of the univariate mixture there, and their distance, in float64.

    Slide: beyond the deck (quadrature).

    Example:
        >>> x, log_p, dx = univariate_grid()
        >>> print(f"{(log_p.exp() * dx).sum():.9f}")
        1.000000000
    """
    x = torch.linspace(-100, 100, 20_001, dtype=torch.float64)  # q^2/p can peak far out
    return x, data.univariate_mixture(torch.float64).log_prob(x.unsqueeze(-1)), 0.01


def fgan_univariate(desk: Desk, replicas: int = 16, steps: int = 1_000) -> list[Row]:
    """Fit a Gaussian to the f-GAN paper's mixture with all nine divergences, 16 replicas each.

    There is a row for each divergence and replica. Every divergence takes a seed of its own.

    Slide: f-GAN practical considerations (E53, A05); the table is that of the paper.

    Args:
        desk: where to train; divergence `i` takes the seed `9 seed + i`.
        replicas: the number of independent runs.
        steps: the number of steps.
    """
    rows: list[Row] = []
    for i, (name, f) in enumerate(F_DIVERGENCES.items()):
        found = univariate(desk, f, replicas, steps, len(F_DIVERGENCES) * desk.seed + i)
        columns = {key: getattr(found, key).tolist() for key in found._fields[:6]}
        columns |= dict(zip(F_DIVERGENCES, found.cross.T.tolist(), strict=True))
        rows += [
            {"divergence": name, "replica": r} | {key: v[r] for key, v in columns.items()}
            for r in range(replicas)
        ]
    return rows
