"""VAE, AVB and AVB with adaptive contrast on binarised MNIST, from one common start."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, runs, weights
from gannotes.distributions import Bernoulli, Implicit, gaussian_fit, standard_normal
from gannotes.models import avb as avb_model
from gannotes.models import vae as vae_model
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE
from gannotes.optim import ascend, fit
from gannotes.recipes.card import start, write_card
from gannotes.recipes.likelihood import IMAGES, annealed, bound, test_digits
from gannotes.recipes.vae import TABLE, WIDTHS, digit_vae, quick_vae, vae_mnist_one

STEPS = 12_000
FIRST = 3_000  # steps of the ratio alone, before anybody else moves
RATE = 3e-4
RATIO_RATE = 1e-3
KEYS = ("elbo", "log_p")
EXTRA = 8  # coordinates of noise beyond those of the latent space

Step = Callable[[Tensor], dict[str, Tensor]]
Run = tuple[VAE | AVB, Step, tuple[Optimizer, ...]]  # the model, its step, who owns what


def adaptive(q: Distribution) -> Distribution:
    """Adaptive contrast: the Gaussian with the moments of 32 samples.

    Slide: beyond the deck (I09; behind the rows "AVB + AC" of T04).

    Args:
        q: the encoder's law.

    Example:
        >>> adaptive(standard_normal(2)).event_shape
        torch.Size([2])
    """
    return gaussian_fit(q.sample(torch.Size((32,))))


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
    """The same networks with their products in bfloat16: what trains.

    Slide: beyond the deck (speed).
    """
    encoder = cast(Implicit, avb.encoder)
    features, head = nets.Autocast(encoder.features), nets.Autocast(encoder.head)
    encoder = Implicit(features, head, encoder.noise)
    decoder = Bernoulli(nets.Autocast(avb.decoder.get_submodule("net")), event_dims=3)
    return AVB(encoder, decoder, nets.Autocast(avb.r), avb.p_0, avb.contrast)


def _vae(vae: VAE, first: Callable[[Step], object]) -> Run:
    theta_phi = AdamW(vae.parameters(), RATE, fused=True)
    return vae, partial(vae_model.step, quick_vae(vae), theta_phi=theta_phi), (theta_phi,)


def _avb(
    vae: VAE, first: Callable[[Step], object], contrast: avb_model.Contrast | None = None
) -> Run:
    avb = digit_avb(vae, contrast).to(next(vae.parameters()).device)
    quick = quick_avb(avb)
    players = [*avb.encoder.parameters(), *avb.decoder.parameters()]
    theta_phi = AdamW(players, RATE, fused=True)
    omega = AdamW(avb.r.parameters(), RATIO_RATE, (0.5, 0.999), fused=True)
    first(lambda x: {"value": ascend(omega, quick.value(x))})
    step = partial(avb_model.step, quick, theta_phi=theta_phi, omega=omega)
    return avb, step, (theta_phi, omega)


MODELS: dict[str, Callable[[VAE, Callable[[Step], object]], Run]] = {
    "vae": _vae,
    "avb": _avb,
    "avb_ac": partial(_avb, contrast=adaptive),
}


def avb_mnist_one(
    model: str, k: int, out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS
) -> None:
    """Go on from the VAE of the same seed as a VAE, as AVB, or as AVB with adaptive contrast.

    All three begin with the weights of `vae_mnist_k` and take the same number of steps, so that a
    difference between them is one of the posterior. These weights are taken from `out`, or from the
    run of the same seed beside it; if they are in neither, they are trained first.

    Slide: AVB / MNIST (A08, I09, I10, T04).

    Args:
        model: a key of `MODELS`.
        k: the latent dimension, 8 or 32.
        out: the folder for the checkpoints, the weights, the card and the row of the table.
        seed: of the start, the batches, the binarisation and the noise.
        device: where to train.
        steps: the number of steps, of 128 images each.
    """
    vae_name = f"vae_mnist_{k}"
    begin = runs.beside(out, vae_name) / f"{vae_name}_{seed}.safetensors"
    if not begin.is_file():
        vae_mnist_one(k, out, seed, device)
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"avb_mnist_{model}_{k}_{seed}"
    x = data.mnist("train")[0].to(device)
    vae = digit_vae(k, WIDTHS[k])
    weights.fill(vae, begin).train().requires_grad_(True).to(device)
    vae.p_0 = standard_normal(k, x)
    trained, step, players = MODELS[model](
        vae, lambda one: _train(one, x, FIRST, seed, out / f"{name}_first.checkpoint")
    )
    average = AveragedModel(trained, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    decays = [CosineAnnealingLR(player, steps) for player in players]

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(batch)
        average.update_parameters(trained)
        for decay in decays:
            decay.step()
        return values

    _train(one, x, steps, seed + 1, out / f"{name}.checkpoint")
    minutes = (perf_counter() - began) / 60
    best = average.module.cpu().eval()
    weights.save(best, out / f"{name}.safetensors")
    scores, images = _scores(cast(VAE | AVB, best))
    row = {"model": model, "k": k, "seed": seed, **scores, "minutes": minutes}
    results.write(out / f"{name}.csv", [row])
    results.write(out / f"{name}_images.csv", images)
    write_card(out / f"{name}.md", avb_mnist_one, _architecture(model, k), seed, began, scores)


def avb_mnist_single(model: str, k: int) -> Callable[..., None]:
    """The recipe of one row of the table, for the command line.

    Slide: AVB / MNIST (T04).

    Example:
        >>> avb_mnist_single("avb_ac", 8).__name__
        'avb_mnist_avb_ac_8'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        avb_mnist_one(model, k, out, seed, device, steps)

    recipe.__name__ = f"avb_mnist_{model}_{k}"
    recipe.__doc__ = f"Go on from the VAE of {k} dimensions on MNIST as {model}."
    return recipe


def avb_mnist_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table: the two VAEs, and from each VAE, AVB and AVB + AC.

    Slide: AVB / MNIST (T04).

    Args:
        seed: of all runs.

    Example:
        >>> avb_mnist_runs()[1:4]
        [('vae_mnist_32', 0), ('avb_mnist_vae_8', 0), ('avb_mnist_avb_8', 0)]
    """
    starts = [f"vae_mnist_{k}" for k in TABLE]
    return [(name, seed) for name in [*starts, *(f"avb_mnist_{m}_{k}" for m, k in _rows())]]


def avb_mnist(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the deck's table: VAE, AVB and AVB + AC with 8 and 32 dimensions on MNIST.

    Slide: AVB / MNIST (T04).

    Args:
        parts: the folders of `avb_mnist_runs(seed)`.
        out: the folder for the table, and for that of the annealed images.
        seed: of all runs.
    """
    stems = {
        f"{model}_{k}": part / f"avb_mnist_{model}_{k}_{seed}"
        for part, (model, k) in zip(parts[len(TABLE) :], _rows(), strict=True)
    }
    results.write(
        out / "avb_mnist.csv",
        [results.read(stem.with_suffix(".csv"))[0] for stem in stems.values()],
    )
    columns = {
        run: results.read(stem.with_name(f"{stem.name}_images.csv")) for run, stem in stems.items()
    }
    images = [
        {"image": image}
        | {f"{key}_{run}": column[image][key] for run, column in columns.items() for key in KEYS}
        for image in range(len(next(iter(columns.values()))))
    ]
    results.write(out / "avb_mnist_images.csv", images)


def _rows() -> list[tuple[str, int]]:
    return [(model, k) for k in TABLE for model in MODELS]


def _train(one: Step, x: Tensor, steps: int, seed: int, path: Path) -> None:
    fit(lambda batch: one(data.binarise(batch)), data.Batches(x, 128, steps, seed), checkpoint=path)


def _architecture(model: str, k: int) -> str:
    vae = f"recipes.digit_vae({k}, {WIDTHS[k]})"
    contrast = ", recipes.adaptive" if model == "avb_ac" else ""
    return vae if model == "vae" else f"recipes.digit_avb({vae}{contrast})"


def _scores(model: VAE | AVB) -> tuple[dict[str, float], list[dict[str, float]]]:
    """The row of the table, and log p(x) of each annealed image."""
    torch.manual_seed(0)
    x = test_digits()
    log_likelihood, kl = bound(model, x)
    log_p = annealed(model, x[:IMAGES]).log_p
    elbo = log_likelihood - kl
    row = {
        "elbo": float(elbo.mean()),
        "elbo_sem": float(metrics.standard_error(elbo)),
        "kl": float(kl.mean()),
        "elbo_annealed": float(elbo[:IMAGES].mean()),
        "log_p": float(log_p.mean()),
        "log_p_sem": float(metrics.standard_error(log_p)),
        "images": IMAGES,
    }
    pairs = zip(elbo[:IMAGES].tolist(), log_p.tolist(), strict=True)
    return row, [{"image": i, "elbo": e, "log_p": p} for i, (e, p) in enumerate(pairs)]
