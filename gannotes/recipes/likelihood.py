"""Scores of the Bayesian models on binarised test digits: the bound, and log p(x) by annealing."""

from functools import partial

import torch
from torch import Tensor
from torch.distributions import Distribution

from gannotes import data, evidence
from gannotes.distributions import gaussian_fit
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE

IMAGES = 400  # that are annealed; the bound takes all 10,000
CHAINS, PILOTS, TEMPERATURES, LEAPFROG = 4, 2, 100, 5
SAMPLES = 400  # of the encoder, to which the start of the annealing is fitted


def test_digits() -> Tensor:
    """The test digits, binarised once and for all: `(10000, 1, 28, 28)`, zeros and ones.

    Slide: AVB / MNIST (T04).
    """
    return data.binarise(data.mnist("test")[0], torch.Generator().manual_seed(0))


@torch.no_grad()
def bound(model: VAE | AVB, x: Tensor, N_z: int = 8) -> tuple[Tensor, Tensor]:
    """The two terms of the ELBO of every image, the second learnt in the case of AVB.

    Slide: VAE / Experiments (E65); AVB (E71).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`, zeros and ones.
        N_z: the number of latent samples for each.

    Returns:
        Log likelihood and divergence, nats, `(N,)` each.
    """
    parts = zip(*[model.terms(part, N_z) for part in x.split(100)], strict=True)
    log_likelihood, kl = (torch.cat(part) for part in parts)
    return log_likelihood, kl


def fitted(model: VAE | AVB, x: Tensor) -> Distribution:
    """The Gaussian with the moments of the encoder's samples, for both kinds of model alike.

    Slide: AVB / MNIST (I09, I10).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`.

    Returns:
        A distribution of batch shape `(N,)`.
    """
    with torch.no_grad():
        return gaussian_fit(model.encoder(x).sample(torch.Size((SAMPLES,))))


def annealed(model: VAE | AVB, x: Tensor) -> evidence.Annealed:
    """Log p(x) by annealing from the Gaussian fit of the encoder's samples.

    Slide: AVB / MNIST (I10, behind T04).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`, zeros and ones.

    Returns:
        As `evidence.annealed_importance_sampling`, for all images.
    """
    parts = [
        evidence.annealed_importance_sampling(
            partial(model.log_joint, part),
            fitted(model, part),
            CHAINS,
            TEMPERATURES,
            LEAPFROG,
            PILOTS,
        )
        for part in x.split(50)
    ]
    log_p, acceptance = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("log_p", "acceptance")
    )
    log_weights, z = (
        torch.cat([getattr(part, name) for part in parts], 1) for name in ("log_weights", "z")
    )
    return evidence.Annealed(log_p, log_weights, z, acceptance)
