"""IWAE on MNIST in minutes: the networks of the paper, trained with 1, 5 and 50 samples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, evidence, metrics, nets, results
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE
from gannotes.optim import ascend, fit
from gannotes.recipes.card import start
from gannotes.recipes.likelihood import bound, test_digits
from gannotes.recipes.vae import quick_vae

IWAE_SAMPLES = (1, 5, 50)  # the rows of the paper's table
LATENT = 50
STEPS = 8_000
IMAGES = 1_000  # test digits that are scored
JUDGES = 5_000  # samples for each, as in the paper


def iwae_vae() -> VAE:
    """The paper's networks with one stochastic layer: two hidden layers of 200 units each way.

    Slide: beyond the deck (importance-weighted bounds).

    References:
        Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016.

    Example:
        >>> iwae_vae().importance_weighted(torch.zeros(3, 1, 28, 28), 5).shape
        torch.Size([3])
    """
    encoder = nets.mlp(784, 200, 200, 2 * LATENT, activation=nn.Tanh)
    decoder = nets.mlp(LATENT, 200, 200, 784, activation=nn.Tanh)
    return VAE(
        Gaussian(encoder.insert(0, nn.Flatten(-3))),
        Bernoulli(decoder.append(nn.Unflatten(-1, (1, 28, 28))), event_dims=3),
        standard_normal(LATENT),
    )


def iwae_mnist_one(
    k: int, out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS
) -> None:
    r"""Train by the bound of `k` importance samples, and judge by that of 5,000.

    The number of steps is the same for all `k`, so that more samples cost more time.

    Slide: beyond the deck (importance-weighted bounds).

    Args:
        k: the number of samples in training.
        out: the folder for the checkpoint and the row of the table.
        seed: of the initial weights, the batches, the binarisation and the noise.
        device: where to train.
        steps: the number of steps, of 100 images each.
    """
    torch.set_num_threads(1)
    start(out, seed)
    began, name = process_time(), f"iwae_mnist_{k}_{seed}"
    x = data.mnist("train")[0].to(device)
    vae = iwae_vae().to(device)
    vae.p_0 = standard_normal(LATENT, x)
    quick = quick_vae(vae)
    theta_phi = Adam(vae.parameters(), 2e-3, eps=1e-4, fused=True)
    decay = CosineAnnealingLR(theta_phi, steps)

    def one(batch: Tensor) -> dict[str, Tensor]:
        value = quick.importance_weighted(data.binarise(batch), k).mean(-1)
        value = ascend(theta_phi, value)
        decay.step()
        return {"bound": value}

    fit(one, data.Batches(x, 100, steps, seed), checkpoint=out / f"{name}.checkpoint")
    minutes = (process_time() - began) / 60
    row = {"k": k, "seed": seed, "steps": steps, **_scores(vae.cpu()), "minutes": minutes}
    results.write(out / f"{name}.csv", [row])


@torch.no_grad()
def _scores(vae: VAE) -> dict[str, float]:
    """What the paper prints, minus the bound of 5,000 samples, and the ELBO of the same digits."""
    torch.manual_seed(0)
    x = test_digits()[:IMAGES]
    log_likelihood, kl = bound(vae, x)
    values = []
    for part in x.split(50):
        q = vae.encoder(part)
        values.append(evidence.importance_weighted(_joint(vae, part), q, JUDGES, 50))
    log_p = torch.cat(values)
    return {
        "nll": float(-log_p.mean()),
        "nll_sem": float(metrics.standard_error(log_p)),
        "elbo": float((log_likelihood - kl).mean()),
        "images": len(x),
    }


def _joint(vae: VAE, x: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda z: vae.log_joint(x, z)


def iwae_mnist_single(k: int) -> Callable[..., None]:
    """The recipe of one number of samples, for the command line.

    Slide: beyond the deck (importance-weighted bounds).

    Example:
        >>> iwae_mnist_single(5).__name__
        'iwae_mnist_5'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        iwae_mnist_one(k, out, seed, device, steps)

    recipe.__name__ = f"iwae_mnist_{k}"
    recipe.__doc__ = f"Train by the bound of k importance samples on MNIST: k = {k}."
    return recipe


def iwae_mnist_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table: one for each number of samples.

    Slide: beyond the deck (importance-weighted bounds).

    Args:
        seed: of all of them.

    Example:
        >>> iwae_mnist_runs()
        [('iwae_mnist_1', 0), ('iwae_mnist_5', 0), ('iwae_mnist_50', 0)]
    """
    return [(f"iwae_mnist_{k}", seed) for k in IWAE_SAMPLES]


def iwae_mnist(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of importance-weighted autoencoders on MNIST.

    Slide: beyond the deck (importance-weighted bounds).

    Args:
        parts: the folders of `iwae_mnist_runs(seed)`.
        out: the folder for the table.
        seed: of the runs.
    """
    files = [p / f"{n}_{s}.csv" for p, (n, s) in zip(parts, iwae_mnist_runs(seed), strict=True)]
    results.write(out / "iwae_mnist.csv", [results.read(file)[0] for file in files])
