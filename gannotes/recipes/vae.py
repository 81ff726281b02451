"""VAEs on binarised MNIST: one pair of networks, several latent dimensions, and their scores."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, weights
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE, step
from gannotes.optim import fit
from gannotes.recipes.card import start, write_card

DIMENSIONS = (2, 5, 8, 10, 20, 32)  # the slide's four panels, and the two of the table
STEPS = 15_000
TEST_IMAGES = 10_000  # that score a model


def digit_vae(k: int) -> VAE:
    """The VAE of every latent dimension on binarised MNIST: 784-512-512 both ways, SiLU.

    Slide: VAE / Experiments (E63, F08).

    Args:
        k: the latent dimension.

    Example:
        >>> digit_vae(2).sample(3).shape
        torch.Size([3, 1, 28, 28])
    """
    encoder = nets.mlp(784, 512, 512, 2 * k, activation=nn.SiLU)
    decoder = nets.mlp(k, 512, 512, 784, activation=nn.SiLU)
    return VAE(
        Gaussian(encoder.insert(0, nn.Flatten(-3))),
        Bernoulli(decoder.append(nn.Unflatten(-1, (1, 28, 28))), event_dims=3),
        standard_normal(k),
    )


def vae_mnist_one(
    k: int, out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS
) -> None:
    """Train a VAE on dynamically binarised MNIST, and keep the running average of both networks.

    Slide: VAE / Experiments (A06, F08); AVB / MNIST (T04, its rows "VAE").

    Args:
        k: the latent dimension.
        out: the folder for the checkpoint, the weights, the card and the row of the table.
        seed: of the initial weights, the batches, the binarisation and the noise.
        device: where to train.
        steps: the number of steps, of 256 images each.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"vae_mnist_{k}_{seed}"
    x = data.mnist("train")[0].to(device)
    vae = digit_vae(k).to(device)
    encoder, decoder = (
        nets.Autocast(part.get_submodule("net")) for part in (vae.encoder, vae.decoder)
    )
    quick = VAE(Gaussian(encoder), Bernoulli(decoder, event_dims=3), standard_normal(k, x))
    theta_phi = Adam(vae.parameters(), 3e-3, fused=True)
    average = AveragedModel(vae, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    decay = CosineAnnealingLR(theta_phi, steps)

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(quick, data.binarise(batch), theta_phi)
        average.update_parameters(vae)
        decay.step()
        return values

    fit(one, data.Batches(x, 256, steps, seed), checkpoint=out / f"{name}.checkpoint")
    minutes = (perf_counter() - began) / 60
    weights.save(average.module, out / f"{name}.safetensors")
    shipped = digit_vae(k)
    weights.fill(shipped, out / f"{name}.safetensors")
    scores = {"k": k, **_score(shipped)}
    architecture = f"recipes.digit_vae({k})"
    write_card(out / f"{name}.md", vae_mnist_one, architecture, seed, began, scores)
    results.write(out / f"{name}.csv", [{**scores, "seed": seed, "minutes": minutes}])


@torch.no_grad()
def _score(vae: VAE) -> dict[str, object]:
    """The bound and an importance-weighted log p(x) on test digits, binarised once and for all."""
    torch.manual_seed(0)
    x = data.binarise(data.mnist("test")[0][:TEST_IMAGES])
    parts = [(*vae.terms(part), _log_p(vae, part)) for part in x.split(100)]
    log_likelihood, kl, log_p = (torch.cat(values).double() for values in zip(*parts, strict=True))
    return {
        "elbo": float((log_likelihood - kl).mean()),
        "elbo_sem": float(metrics.standard_error(log_likelihood - kl)),
        "kl": float(kl.mean()),
        "log_p": float(log_p.mean()),
        "log_p_sem": float(metrics.standard_error(log_p)),
    }


def _log_p(vae: VAE, x: Tensor) -> Tensor:
    return metrics.importance_weighted(lambda z: vae.log_joint(x, z), vae.encoder(x), 200, 20)


def vae_mnist_single(k: int) -> Callable[..., None]:
    """The recipe of one latent dimension, for the command line.

    Slide: VAE / Experiments (F08).

    Example:
        >>> vae_mnist_single(8).__name__
        'vae_mnist_8'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        vae_mnist_one(k, out, seed, device, steps)

    recipe.__name__ = f"vae_mnist_{k}"
    recipe.__doc__ = f"Train a VAE on binarised MNIST, with a latent space of {k} dimensions."
    return recipe
