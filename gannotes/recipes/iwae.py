"""IWAE on MNIST in minutes: the networks of the paper, trained with 1, 5 and 50 samples."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, evidence, metrics, nets
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE
from gannotes.optim import ascend
from gannotes.recipes import protocols
from gannotes.recipes.frame import Desk, Row, Sweep
from gannotes.recipes.vae import quick_vae

LATENT = 50
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


def iwae_mnist(desk: Desk, k: int, steps: int = 8_000) -> Row:
    """Train by the bound of `k` importance samples on MNIST, and judge by that of 5,000.

    The number of steps is the same for all `k`, so that more samples cost more time.

    Slide: beyond the deck (importance-weighted bounds).

    Args:
        desk: where to train.
        k: the number of samples in training.
        steps: the number of steps, of 100 images each.
    """
    x = data.mnist("train")[0].to(desk.device)
    vae = iwae_vae().to(desk.device)
    quick = quick_vae(vae)
    theta_phi = Adam(vae.parameters(), 2e-3, eps=1e-4, fused=True)

    def step(batch: Tensor) -> dict[str, Tensor]:
        value = quick.importance_weighted(data.binarise(batch), k).mean(-1)
        return {"bound": ascend(theta_phi, value)}

    decay = CosineAnnealingLR(theta_phi, steps)
    desk.fit(step, data.Batches(x, 100, steps, desk.seed), decay)
    return _scores(vae.cpu())


IWAE_MNIST = Sweep(iwae_mnist, {"k": (1, 5, 50)})  # the rows of the paper's table


@torch.no_grad()
def _scores(vae: VAE) -> dict[str, float]:
    """What the paper prints, minus the bound of 5,000 samples, and the ELBO of the same digits."""
    torch.manual_seed(0)
    x = protocols.binary_digits()[:IMAGES]
    log_likelihood, kl = protocols.bound(vae, x)
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
