"""VAE, AVB and AVB with adaptive contrast on binarised MNIST, from one common start."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, metrics, nets, results, weights
from gannotes.distributions import Bernoulli, Implicit, adaptive, standard_normal
from gannotes.models import avb as avb_model
from gannotes.models import vae as vae_model
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE
from gannotes.optim import ascend
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Recipe, Row, Step, Sweep, rows
from gannotes.recipes.vae import TABLE, WIDTHS, digit_vae, quick_vae, vae_mnist

FIRST = 3_000  # steps of the ratio alone, before anybody else moves
RATE = 3e-4
RATIO_RATE = 1e-3
KEYS = ("elbo", "log_p")
EXTRA = 8  # coordinates of noise beyond those of the latent space

Game = tuple[VAE | AVB, Step, tuple[Optimizer, ...]]  # the model, its step, who owns what


def digit_avb(vae: VAE, contrast: avb_model.Contrast | None = None) -> AVB:
    """AVB with the networks of a VAE, whose law of z it has at first, and a ratio to be learnt.

    Slide: AVB / MNIST (E70, E76, T04).

    Args:
        vae: of `recipes.digit_vae`; its networks are shared, not copied.
        contrast: None, or `adaptive`.

    Example:
        >>> digit_avb(digit_vae(2)).elbo(torch.ones(3, 1, 28, 28)).shape
        torch.Size([3])
    """
    *features, last = vae.encoder.get_submodule("net").children()
    affine = cast(nn.Linear, last)
    width, k = affine.in_features, affine.out_features // 2
    straight = nn.Linear(128, k)
    nn.init.zeros_(straight.weight)  # nothing is bent at first
    nn.init.zeros_(straight.bias)
    bend = nn.Sequential(nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), straight)
    warp = nets.Warp(affine, nets.Pair(nn.Linear(width, 128), nn.Linear(k + EXTRA, 128), bend))
    encoder = Implicit(nn.Sequential(*features), warp, standard_normal(k + EXTRA))
    image = nets.mlp(784, 512, 256, activation=nn.SiLU).insert(0, nn.Flatten(-3))
    head = nets.critic(256, 256, activation=nn.SiLU).insert(0, nn.SiLU())
    r = nets.Pair(nets.mlp(k, 256, 256, activation=nn.SiLU), image, head)
    return AVB(encoder, vae.decoder, r, vae.p_0, contrast)


def quick_avb(avb: AVB) -> AVB:
    """The same networks with their products in bfloat16: what trains."""
    encoder = cast(Implicit, avb.encoder)
    features, head = nets.Autocast(encoder.features), nets.Autocast(encoder.head)
    encoder = Implicit(features, head, encoder.noise)
    decoder = Bernoulli(nets.Autocast(avb.decoder.get_submodule("net")), event_dims=3)
    return AVB(encoder, decoder, nets.Autocast(avb.r), avb.p_0, avb.contrast)


def _vae(vae: VAE, first: Callable[[Step], object]) -> Game:
    theta_phi = AdamW(vae.parameters(), RATE, fused=True)
    return vae, partial(vae_model.step, quick_vae(vae), theta_phi=theta_phi), (theta_phi,)


def _avb(
    vae: VAE, first: Callable[[Step], object], contrast: avb_model.Contrast | None = None
) -> Game:
    avb = digit_avb(vae, contrast).to(next(vae.parameters()).device)
    quick = quick_avb(avb)
    players = [*avb.encoder.parameters(), *avb.decoder.parameters()]
    theta_phi = AdamW(players, RATE, fused=True)
    omega = AdamW(avb.r.parameters(), RATIO_RATE, (0.5, 0.999), fused=True)
    first(lambda x: {"value": ascend(omega, quick.value(x))})
    step = partial(avb_model.step, quick, theta_phi=theta_phi, omega=omega)
    return avb, step, (theta_phi, omega)


MODELS: dict[str, Callable[[VAE, Callable[[Step], object]], Game]] = {
    "vae": _vae,
    "avb": _avb,
    "avb_ac": partial(_avb, contrast=adaptive),
}


def avb_mnist(desk: Desk, model: str, k: int, steps: int = 12_000) -> Row:
    """Go on from the VAE of MNIST of the same seed as a VAE, as AVB, or with adaptive contrast.

    All three begin with the weights of `vae_mnist_k` and take the same number of steps, so that a
    difference between them is one of the posterior.

    Slide: AVB / MNIST (A08, I09, I10, T04).

    Args:
        desk: where to train.
        model: a key of `MODELS`.
        k: the latent dimension, 8 or 32.
        steps: the number of steps, of 128 images each.
    """
    begin = desk.needs(Recipe(vae_mnist, k=k))
    x = data.mnist("train")[0].to(desk.device)
    vae = digit_vae(k, WIDTHS[k])
    weights.fill(vae, begin).train().requires_grad_(True).to(desk.device)

    def train(one: Step, steps: int, shift: int, *after: object, part: str = "") -> None:
        batches = data.Batches(x, 128, steps, desk.seed + shift)
        desk.fit(lambda batch: one(data.binarise(batch)), batches, *after, part=part)

    trained, step, players = MODELS[model](vae, lambda one: train(one, FIRST, 0, part="_first"))
    average, decays = Average(trained, 0.999), [CosineAnnealingLR(p, steps) for p in players]
    train(step, steps, 1, average, *decays)
    best = cast(VAE | AVB, average.module.cpu().eval())
    desk.ship(best, _fresh(model, k), _expression(model, k))
    row, images = _scores(best)
    results.write(desk.file("_images.csv"), images)
    return row


def _fresh(model: str, k: int) -> VAE | AVB:
    vae = digit_vae(k, WIDTHS[k])
    return vae if model == "vae" else digit_avb(vae)


def _expression(model: str, k: int) -> str:
    vae = f"recipes.vae.digit_vae({k}, {WIDTHS[k]})"
    contrast = ", distributions.adaptive" if model == "avb_ac" else ""
    return vae if model == "vae" else f"recipes.avb.digit_avb({vae}{contrast})"


def _scores(model: VAE | AVB) -> tuple[dict[str, float], list[dict[str, float]]]:
    """The row of the table, and log p(x) of each annealed image."""
    torch.manual_seed(0)
    n = protocols.ANNEALED
    x = protocols.binary_digits()
    log_likelihood, kl = protocols.bound(model, x)
    log_p = protocols.annealed(model, x[:n]).log_p
    elbo = log_likelihood - kl
    row = {
        "elbo": float(elbo.mean()),
        "elbo_sem": float(metrics.standard_error(elbo)),
        "kl": float(kl.mean()),
        "elbo_annealed": float(elbo[:n].mean()),
        "log_p": float(log_p.mean()),
        "log_p_sem": float(metrics.standard_error(log_p)),
        "images": n,
    }
    pairs = zip(elbo[:n].tolist(), log_p.tolist(), strict=True)
    return row, [{"image": i, "elbo": e, "log_p": p} for i, (e, p) in enumerate(pairs)]


def _collect(files: Sequence[Path], out: Path, seed: int) -> None:
    """The table, and beside it bound and log p of each annealed image, a column for each run."""
    rows(files, out / "avb_mnist.csv")
    columns = {
        file.name.removeprefix("avb_mnist_").removesuffix(f"_{seed}"): results.read(
            file.with_name(f"{file.name}_images.csv")
        )
        for file in files
    }
    images = [
        {"image": image}
        | {f"{key}_{run}": column[image][key] for run, column in columns.items() for key in KEYS}
        for image in range(len(next(iter(columns.values()))))
    ]
    results.write(out / "avb_mnist_images.csv", images)


AVB_MNIST = Sweep(
    avb_mnist,
    {"k": TABLE, "model": list(MODELS)},
    collect=_collect,
    after=Sweep(vae_mnist, {"k": TABLE}),
)
