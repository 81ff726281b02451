"""VAE and AVB on four points: a data set so small that everything about a model can be computed."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from gannotes import nets
from gannotes.distributions import Bernoulli, Gaussian, Implicit, standard_normal
from gannotes.models import avb, vae
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE
from gannotes.recipes.frame import Average, Desk, Row, Step, Sweep

COPIES = 64  # of each point in a batch
SAMPLES = 262_144  # of z for each point, behind the scores
CELLS = 200  # along either axis of the histogram

mlp = partial(nets.mlp, activation=nn.SiLU)


def four_points_data(replicas: int = 1, copies: int = 1) -> Tensor:
    """The unit vectors of four dimensions, `(replicas, 4 copies, 4)`.

    Slide: beyond the deck (the toy data of the paper on AVB).

    Example:
        >>> four_points_data(8, 2).shape
        torch.Size([8, 8, 4])
    """
    return torch.eye(4).repeat(copies, 1).expand(replicas, -1, -1)


def four_points_vae(replicas: int = 1) -> VAE:
    """Gaussian encoder 4-64-64-(2 + 2), Bernoulli decoder 2-64-64-4, both with SiLU.

    Slide: VAE / Experiments (E63).

    Example:
        >>> four_points_vae(8).elbo(four_points_data(8)).shape
        torch.Size([8, 4])
    """
    encoder, decoder = mlp(4, 64, 64, 4, replicas=replicas), mlp(2, 64, 64, 4, replicas=replicas)
    return VAE(Gaussian(encoder), Bernoulli(decoder), standard_normal(2))


def four_points_avb(replicas: int = 1) -> AVB:
    """The same decoder; an encoder with four coordinates of noise; a ratio of three layers.

    Slide: AVB (E70, E76).

    Example:
        >>> four_points_avb(8).elbo(four_points_data(8)).shape
        torch.Size([8, 4])
    """
    affine = partial(nets.ReplicaLinear, replicas)
    draw = mlp(64, 64, 2, replicas=replicas).insert(0, nn.SiLU())
    head = nets.Pair(nn.Identity(), affine(4, 64), draw)
    ratio = nets.critic(64, 64, activation=nn.SiLU, replicas=replicas).insert(0, nn.SiLU())
    return AVB(
        Implicit(affine(4, 64), head, standard_normal(4)),
        Bernoulli(mlp(2, 64, 64, 4, replicas=replicas)),
        nets.Pair(affine(2, 64), affine(4, 64), ratio),
        standard_normal(2),
    )


def four_points(desk: Desk, model: str, replicas: int = 8, steps: int = 3_000) -> list[Row]:
    r"""Train a VAE or AVB on four points, 8 replicas, and score them by quadrature.

    The points are the unit vectors of four dimensions, the latent space is the plane, and the
    decoder's four coins are independent: no decoder gives the points more than :math:`\log
    \frac14` nats on average, which asks for four regions of the plane with a quarter of the mass
    each, and for posteriors that fill them. Every batch holds each point 64 times. The weights
    left are those of the first replica, averaged over the last steps like all that is scored.

    Slide: beyond the deck (the toy problem behind AVB, E70 to E79).

    References:
        Mescheder, Nowozin and Geiger, Adversarial variational Bayes, 2017, section 5.1.

    Args:
        desk: where to train.
        model: "vae" or "avb".
        replicas: the number of independent runs in one stack.
        steps: the number of steps.
    """
    make, play = MODELS[model]
    with torch.device(desk.device):
        stack, x = make(replicas), four_points_data(replicas, COPIES)
    step, decays = play(stack, steps)
    average = Average(stack, 0.99)
    desk.fit(lambda _: step(x), range(steps), *decays, average)
    scores = four_points_scores(cast(VAE | AVB, average.module))
    first, state = make(1), average.module.state_dict()
    first.load_state_dict({key: value[:1] for key, value in state.items()})
    desk.ship(first, make(1), f"recipes.four_points.{make.__name__}()")
    return [
        {"replica": i} | {key: float(value[i]) for key, value in scores.items()}
        for i in range(replicas)
    ]


def _play_vae(model: VAE, steps: int) -> tuple[Step, list[LRScheduler]]:
    theta_phi = Adam(model.parameters(), 2e-3, (0.5, 0.99), fused=True)
    return partial(vae.step, model, theta_phi=theta_phi), [CosineAnnealingLR(theta_phi, steps)]


def _play_avb(model: AVB, steps: int) -> tuple[Step, list[LRScheduler]]:
    """Two steps of the ratio, whose rate is twice as high and does not fall to zero."""
    both = [*model.encoder.parameters(), *model.decoder.parameters()]
    theta_phi = Adam(both, 1e-3, (0.5, 0.99), fused=True)
    omega = Adam(model.r.parameters(), 2e-3, (0.5, 0.99), fused=True)
    falls = CosineAnnealingLR(theta_phi, steps), CosineAnnealingLR(omega, steps, eta_min=2e-4)
    return partial(avb.step, model, theta_phi=theta_phi, omega=omega, K=2), [*falls]


@torch.no_grad()
def four_points_scores(model: VAE | AVB) -> dict[str, Tensor]:
    r"""What a model of the four points is worth, replica by replica, all in nats `(S,)`.

    The log likelihood is a quadrature over the plane. The divergences from the base are those of
    histograms in :math:`(\Phi(z_1), \Phi(z_2))`, which is uniform under :math:`p_0`; so that the
    bound needs no learnt ratio.

    Slide: beyond the deck (the toy problem behind AVB, E70 to E79).

    Args:
        model: of `four_points_vae` or `four_points_avb`.

    Returns:
        `log_p`, the mean of :math:`\log p_\theta(x)` over the points; `reconstruction`,
        :math:`-E_q[\log p_\theta(x \mid z)]`, which the paper divides by the four pixels; `kl`, the
        mean of :math:`\mathrm{KL}(q_\phi(z \mid x) \| p_0)`, and `learnt_kl`, the model's own
        account of it; `elbo`; `kl_aggregate`, :math:`\mathrm{KL}(q_\phi(z) \| p_0)`.
    """
    replicas = len(next(model.parameters()))
    like = next(model.parameters())
    x = four_points_data(replicas).to(like)
    copies = 2_048
    rounds = max(SAMPLES // copies, 1)
    total = like.new_zeros(2, replicas, dtype=torch.float64)
    counts = like.new_zeros(replicas, 4, CELLS**2, dtype=torch.float64)
    for _ in range(rounds):
        terms = model.terms(x.repeat(1, copies, 1))
        total += torch.stack([part.double().mean(-1) for part in terms]) / rounds
        z = model.encoder(x).rsample(torch.Size((copies,)))  # (copies, S, 4, 2)
        counts += _count(z.movedim(0, -2))
    kl = _divergence(counts).mean(-1).cpu()
    log_likelihood, learnt_kl = total.cpu()
    return {
        "log_p": _log_p(model, x).cpu(),
        "reconstruction": -log_likelihood,
        "kl": kl,
        "learnt_kl": learnt_kl,
        "elbo": log_likelihood - kl,
        "kl_aggregate": _divergence(counts.sum(1)).cpu(),
    }


def _log_p(model: VAE | AVB, x: Tensor) -> Tensor:
    """The mean of log p(x) over the points, by the trapezoidal rule on [-6, 6]^2."""
    side = torch.linspace(-6, 6, 241).to(x)
    plane = torch.cartesian_prod(side, side).expand(len(x), -1, -1)  # (S, K, 2)
    parts = [
        model.log_joint(x_i.unsqueeze(1).expand(*plane.shape[:2], 4), plane).double().logsumexp(-1)
        for x_i in x.unbind(1)
    ]
    return torch.stack(parts).mean(0) + 2 * math.log(12 / 240)


def _count(z: Tensor) -> Tensor:
    """How many of the samples `(..., n, 2)` fall into each of the cells: `(..., CELLS^2)`."""
    u = (torch.special.ndtr(z) * CELLS).long().clamp(max=CELLS - 1)
    cell = u[..., 0] * CELLS + u[..., 1]
    empty = z.new_zeros(*cell.shape[:-1], CELLS**2, dtype=torch.float64)
    return empty.scatter_add(-1, cell, torch.ones_like(cell, dtype=torch.float64))


def _divergence(counts: Tensor) -> Tensor:
    """KL from the uniform law over the cells, with Miller and Madow's correction of its bias."""
    n = counts.sum(-1)
    f = counts / n.unsqueeze(-1)
    occupied = (counts > 0).sum(-1)
    return 2 * math.log(CELLS) + torch.xlogy(f, f).sum(-1) - (occupied - 1) / (2 * n)


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "vae": (four_points_vae, _play_vae),
    "avb": (four_points_avb, _play_avb),
}
FOUR_POINTS = Sweep(four_points, {"model": list(MODELS)}, seeded=False)
