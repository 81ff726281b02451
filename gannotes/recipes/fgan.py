"""All f-GANs on MNIST: one set of networks and one budget for every divergence."""

from functools import partial

import torch
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, nets
from gannotes.bounds import variational
from gannotes.distributions import standard_normal
from gannotes.divergences import F_DIVERGENCES
from gannotes.models.fgan import FGAN, step_alternating
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Row, Sweep
from gannotes.recipes.gan import digit_row, play_calmly

BETAS = (0.5, 0.99)
CALM = 0.5  # the weight of the squared slope of a critic without spectral normalisation
FREE = ["kl", "reverse_kl", "squared_hellinger", "gan"]  # the rows that such a critic was tried on


def fgan_mnist(desk: Desk, divergence: str, steps: int = 4_000) -> Row:
    """Train an f-GAN on MNIST: networks, steps and rates are the same for every divergence.

    The critic has spectral normalisation and a seventh of the generator's rate; without them, some
    of the games are lost to a critic that is too sure. The generator ascends the flipped value. A
    game whose objective or gradient is not finite is over: its row says at which step.

    Slide: f-GAN / MNIST (T03, I11).

    Args:
        desk: where to train.
        divergence: a key of `divergences.F_DIVERGENCES`.
        steps: the number of steps, of 64 images each.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    G, V = desk.place(fgan_generator()), desk.place(nets.spectral(nets.image_critic(32)))
    p_0, f = standard_normal(32).to(desk.device), F_DIVERGENCES[divergence]
    fgan = FGAN(nets.Autocast(G), nets.Autocast(V), p_0, f)
    theta = Adam(G.parameters(), 2e-3, BETAS, fused=True)
    omega = Adam(V.parameters(), 3e-4, BETAS, fused=True)
    average, decays = Average(G, 0.998), [CosineAnnealingLR(p, steps) for p in (theta, omega)]
    step = partial(step_alternating, fgan, theta=theta, omega=omega)
    try:
        desk.fit(step, data.Batches(x, 64, steps, desk.seed), average, *decays)
    except FloatingPointError as error:
        print(f"{desk.name}: {error}")
    made_by = "recipes.fgan.fgan_generator()"
    shipped = desk.ship(average.module, fgan_generator(), made_by)
    played = decays[0].last_epoch
    return {**_scores(shipped), "outputs": _outputs(fgan, desk.device), "steps": played}


def fgan_mnist_calm(desk: Desk, divergence: str, steps: int = 10_000) -> Row:
    """Train an f-GAN on MNIST whose critic is not bounded: its slope at the data is penalised.

    Generator, steps and rates are the same for every divergence, as in the table; the critic sees
    how varied a batch is, and no spectral normalisation hides from it how the divergences differ.

    Slide: f-GAN / MNIST (T03, I11); beyond the deck (mode collapse). Arguments are those of
    `fgan_mnist`.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    G, V = desk.place(fgan_generator()), desk.place(nets.varied_critic())
    bound = variational(F_DIVERGENCES[divergence])
    trained = play_calmly(desk, G, V, bound, x, steps, CALM)
    shipped = desk.ship(trained, fgan_generator(), "recipes.fgan.fgan_generator()")
    return digit_row(shipped, desk.seed)


def fgan_generator() -> nn.Sequential:
    """The generator of every f-GAN on MNIST: 32-dimensional noise, 61,057 parameters.

    Slide: f-GAN / MNIST (T03).

    Example:
        >>> fgan_generator()(standard_normal(32).sample((2,))).shape
        torch.Size([2, 1, 28, 28])
    """
    return nets.image_generator(32, 32)


@torch.no_grad()
def _scores(G: nn.Module) -> Row:
    """The KDE log-likelihood by its protocol, and what the classifier says of the same samples."""
    torch.manual_seed(0)
    samples = G(standard_normal(32).sample(torch.Size((protocols.KERNELS,))))
    return {**protocols.kde_scores(samples), **protocols.class_scores(samples[: protocols.JUDGED])}


@torch.no_grad()
def _outputs(fgan: FGAN, device: str) -> float:
    """Standard deviation of the critic's raw outputs, on held-out digits and on samples."""
    torch.manual_seed(0)
    x = data.mnist("validation")[0][:1000].to(device)
    return float(torch.cat([fgan.V(x), fgan.V(fgan.sample(1000))]).std())


FGAN_MNIST = Sweep(fgan_mnist, {"divergence": list(F_DIVERGENCES)}, seeds=3)
FGAN_MNIST_CALM = Sweep(fgan_mnist_calm, {"divergence": FREE})


def kde_references(desk: Desk) -> list[Row]:
    """Judge training images as if they were samples: what the KDE protocol can give at most.

    Slide: f-GAN / MNIST (T03, its last row).

    Args:
        desk: whose seed is that of the choice of the images.
    """
    images = data.mnist("train")[0]
    images = images[torch.randperm(len(images))]
    return [
        {"samples": size, **protocols.kde_scores(images[:size])}
        for size in (1_024, 4_096, protocols.KERNELS, len(images))
    ]
