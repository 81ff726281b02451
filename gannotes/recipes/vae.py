"""VAEs on binarised MNIST: one pair of networks, several latent dimensions."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, weights
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE, analytic_kl, step
from gannotes.optim import fit
from gannotes.recipes.card import start, write_card
from gannotes.recipes.fgan import SAMPLES, kde_protocol

PANELS = (2, 5, 10, 20)  # the slide's four panels, of narrow networks
TABLE = (8, 32)  # the dimensions of the AVB table, of wide ones
WIDTHS = {**dict.fromkeys(PANELS, 256), **dict.fromkeys(TABLE, 512)}
STEPS = {**dict.fromkeys(PANELS, 12_000), **dict.fromkeys(TABLE, 30_000)}
RATE = 2e-3


def digit_decoder(k: int, width: int) -> nn.Sequential:
    """Raw outputs of a Bernoulli decoder, `(N, k)` to `(N, 1, 28, 28)`: dense, then convolutions.

    Slide: VAE / Experiments (E63).

    Args:
        k: the latent dimension.
        width: of the hidden layer.

    Example:
        >>> digit_decoder(2, 8)(torch.zeros(3, 2)).shape
        torch.Size([3, 1, 28, 28])
    """
    return nn.Sequential(
        nn.Linear(k, width),
        nn.SiLU(),
        nn.Linear(width, 32 * 49),
        nn.SiLU(),
        nn.Unflatten(-1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
    )


def digit_vae(k: int, width: int = 256) -> VAE:
    """The VAE of every latent dimension on binarised MNIST.

    Slide: VAE / Experiments (E63, F08).

    Args:
        k: the latent dimension.
        width: of the hidden layers.

    Example:
        >>> digit_vae(2).sample(3).shape
        torch.Size([3, 1, 28, 28])
    """
    encoder = nets.mlp(784, width, width, 2 * k, activation=nn.SiLU)
    return VAE(
        Gaussian(encoder.insert(0, nn.Flatten(-3))),
        Bernoulli(nets.Folded(digit_decoder(k, width)), event_dims=3),
        standard_normal(k),
    )


def quick_vae(vae: VAE) -> VAE:
    """The same networks with their products in bfloat16: what trains.

    Slide: beyond the deck (speed).

    Example:
        >>> quick_vae(digit_vae(2)).elbo(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """
    encoder, decoder = (
        nets.Autocast(part.get_submodule("net")) for part in (vae.encoder, vae.decoder)
    )
    return VAE(Gaussian(encoder), Bernoulli(decoder, event_dims=3), vae.p_0)


def vae_mnist_one(
    k: int, out: Path, seed: int = 0, device: str = "cpu", steps: int | None = None
) -> None:
    """Train a VAE on dynamically binarised MNIST, and keep the running average of both networks.

    The divergence term is weighed down in the first tenth of the steps, so that coordinates are
    not given up before they mean something.

    Slide: VAE / Experiments (A06, F08); AVB / MNIST (T04, where its rows "VAE" begin).

    Args:
        k: the latent dimension.
        out: the folder for the checkpoint, the weights and the card.
        seed: of the initial weights, the batches, the binarisation and the noise.
        device: where to train.
        steps: the number of steps, of 128 images each; 12,000 or 30,000 without it.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    name, steps, width = f"vae_mnist_{k}_{seed}", steps or STEPS[k], WIDTHS[k]
    x = data.mnist("train")[0].to(device)
    vae = digit_vae(k, width).to(device)
    vae.p_0 = standard_normal(k, x)
    quick = quick_vae(vae)
    theta_phi = AdamW(vae.parameters(), RATE, fused=True)
    average = AveragedModel(vae, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    decay = CosineAnnealingLR(theta_phi, steps)

    def annealed(q: Distribution, p_0: Distribution, z: Tensor) -> Tensor:
        return min(1.0, 10 * (decay.last_epoch + 1) / steps) * analytic_kl(q, p_0, z)

    quick.kl = annealed

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(quick, data.binarise(batch), theta_phi)
        average.update_parameters(vae)
        decay.step()
        return values

    fit(one, data.Batches(x, 128, steps, seed), checkpoint=out / f"{name}.checkpoint")
    weights.save(average.module, out / f"{name}.safetensors")
    shipped = digit_vae(k, width)
    weights.fill(shipped, out / f"{name}.safetensors")
    architecture = f"recipes.digit_vae({k}, {width})"
    scores = {"ELBO, test, nats": _elbo(shipped), "steps": steps}
    write_card(out / f"{name}.md", vae_mnist_one, architecture, seed, began, scores)


@torch.no_grad()
def _elbo(vae: VAE) -> float:
    torch.manual_seed(0)
    x = data.binarise(data.mnist("test")[0])
    return float(torch.cat([vae.elbo(part) for part in x.split(500)]).double().mean())


@torch.no_grad()
def vae_kde(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """Judge the shipped VAEs by the kernel density protocol of the f-GAN table.

    The samples are means of the decoder at draws from the base: of a Bernoulli decoder's draws,
    black and white, the kernels would see mostly the coins.

    Slide: f-GAN / MNIST (T03, its row "VAE").

    Args:
        out: the folder for the table.
        seed: of the draws.
        device: not used; the protocol runs on the processor.
    """
    table = []
    for k in PANELS:
        start(out, seed)
        vae = digit_vae(k)
        weights.load(vae, f"vae_mnist_{k}_0")
        z = standard_normal(k).sample(torch.Size((SAMPLES,)))
        bandwidth, values = kde_protocol(vae.decoder(z).mean)
        row = {"kde": float(values.mean()), "sem": float(metrics.standard_error(values))}
        table.append({"k": k, **row, "bandwidth": bandwidth})
    results.write(out / "vae_kde.csv", table)


def vae_mnist_single(k: int) -> Callable[..., None]:
    """The recipe of one latent dimension, for the command line.

    Slide: VAE / Experiments (F08).

    Example:
        >>> vae_mnist_single(8).__name__
        'vae_mnist_8'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int | None = None) -> None:
        vae_mnist_one(k, out, seed, device, steps)

    recipe.__name__ = f"vae_mnist_{k}"
    recipe.__doc__ = f"Train a VAE on binarised MNIST, with a latent space of {k} dimensions."
    return recipe
