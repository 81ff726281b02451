"""All models of the book on the same data, from the same parts, for the same number of operations.

Eight contestants, two arenas. An arena says of what the networks are made, for points of the plane
or for digits; a contestant takes them, and the `step` of its chapter. The budget is a number of
floating-point operations, as torch counts them, not of steps: a model whose step asks more of its
networks takes fewer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Adam, Optimizer
from torch.utils.flop_counter import FlopCounterMode

from gannotes import bounds, data, nets
from gannotes.distributions import (
    Bernoulli,
    Code,
    Deterministic,
    Gaussian,
    Implicit,
    adaptive,
    codes,
)
from gannotes.divergences import KL
from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae

REPLICAS = 16
WIDTH = 128
RING_SD = 0.1
INFORMATION = 0.1  # the weight of InfoGAN's bound
BETAS = (0.5, 0.99)


class Arena(NamedTuple):
    """The parts of which every contestant is made, and what it is trained on."""

    x: Callable[[], Tensor]  # the training data
    batch: int | tuple[int, int]
    k: int  # the latent dimension
    codes: tuple[int, int]  # of InfoGAN: classes of a categorical code, number of continuous ones
    features: int  # what the trunk returns
    trunk: Callable[[], nn.Sequential]  # data to features
    affine: Callable[[int, int], nn.Module]  # of an input and an output dimension
    generator: Callable[[int], nn.Sequential]  # latent points to data
    likelihood: Callable[[], nn.Module]  # latent points to a law of data that has a density
    conditional: Callable[[], nn.Module]  # latent points to a law of data that is only sampled
    counted: Callable[[Tensor], Tensor]  # data, as the likelihood takes them
    calm: Callable[[nn.Sequential], nn.Sequential]  # what keeps a critic from growing too steep
    quick: Callable[[nn.Module], nn.Module]  # the precision of the products
    contrast: avb.Contrast | None  # of AVB
    rates: tuple[float, float]  # of samplers and critics
    lam: float  # of the cycle loss
    event_dims: int
    budget: float  # floating-point operations of a run


class Contestant(NamedTuple):
    """A model in an arena, ready to train."""

    step: Callable[[Tensor], dict[str, Tensor]]
    players: tuple[Optimizer, ...]
    sampled: nn.Module  # what moves the samples: averaged over the run, and shipped
    sample: Callable[[tuple[int, ...]], Tensor]
    back: Callable[[Tensor], Tensor] | None  # a reconstruction, if there is an encoder


def same(value: Any) -> Any:
    """What comes is what goes.

    Slide: beyond the deck (all models side by side).

    Example:
        >>> same(1)
        1
    """
    return value


def plane(replicas: int = REPLICAS) -> Arena:
    """Stacks of small dense networks, for eight modes on a ring in the plane.

    Slide: beyond the deck (all models side by side).

    Args:
        replicas: the number `S` of independent runs in a stack.

    Example:
        >>> plane(3).generator(2)(torch.zeros(3, 5, 2)).shape
        torch.Size([3, 5, 2])
    """
    net = partial(nets.mlp, replicas=replicas)

    def law() -> Gaussian:
        return Gaussian(net(2, WIDTH, WIDTH, 4))

    return Arena(
        x=_ring,
        batch=(replicas, 128),
        k=2,
        codes=(8, 0),
        features=WIDTH,
        trunk=lambda: nn.Sequential(*net(2, WIDTH, WIDTH), nets.leaky_relu()),
        affine=partial(nets.ReplicaLinear, replicas),
        generator=lambda k: net(k, WIDTH, WIDTH, 2),
        likelihood=law,
        conditional=law,
        counted=same,
        calm=same,
        quick=same,
        contrast=None,
        rates=(1e-3, 1e-3),
        lam=0.1,  # at the paper's weight, fifty times this, samples blur
        event_dims=1,
        budget=1.2e11 * replicas,
    )


def _ring() -> Tensor:
    torch.manual_seed(0)
    return data.ring(sd=RING_SD).sample(torch.Size((60_000,)))


DIGITS = Arena(
    x=lambda: data.mnist("train")[0],
    batch=32,
    k=16,
    codes=(10, 2),
    features=64 * 49,
    trunk=lambda: nn.Sequential(*list(nets.image_critic(32))[:-2]),
    affine=nn.Linear,
    generator=lambda k: nets.image_generator(k, 32),
    likelihood=lambda: Bernoulli(nets.Folded(nets.Autocast(nets.image_generator(16, 32)[:-1])), 3),
    conditional=lambda: Deterministic(nets.Autocast(nets.image_generator(16, 32)), 3),
    counted=data.binarise,
    calm=nets.spectral,
    quick=nets.Autocast,
    contrast=adaptive,
    rates=(2e-3, 1e-3),
    lam=10 / 784,
    event_dims=3,
    budget=1.5e12,
)


def _critic(arena: Arena) -> nn.Module:
    net = arena.trunk().append(arena.affine(arena.features, 1)).append(nn.Flatten(-2))
    return arena.quick(arena.calm(net))


def _encoder(arena: Arena, outputs: int) -> nn.Module:
    return arena.quick(arena.trunk().append(arena.affine(arena.features, outputs)))


def _of_pairs(arena: Arena) -> nets.Pair:
    """A critic of data and latent points, in this order."""
    image = arena.trunk().append(arena.affine(arena.features, WIDTH))
    point = nn.Sequential(arena.affine(arena.k, WIDTH), nets.leaky_relu())
    point.append(arena.affine(WIDTH, WIDTH))
    head = nn.Sequential(nets.leaky_relu(), arena.affine(WIDTH, 1), nn.Flatten(-2))
    return nets.Pair(image, point, head)


def _adam(rate: float, *players: nn.Module) -> Adam:
    return Adam([p for net in players for p in net.parameters()], rate, BETAS, fused=True)


def _gan(arena: Arena, p_0: Distribution, bound: bounds.Bound = bounds.bernoulli) -> Contestant:
    G = arena.quick(arena.generator(arena.k))
    model = gan.GAN(G, _critic(arena), p_0, bound)
    theta, phi = _adam(arena.rates[0], model.G), _adam(arena.rates[1], model.D)
    one = partial(gan.step, model, theta=theta, phi=phi)
    return Contestant(one, (theta, phi), G, model.sample, None)


def _fgan(arena: Arena, p_0: Distribution) -> Contestant:
    G = arena.quick(arena.generator(arena.k))
    model = fgan.FGAN(G, _critic(arena), p_0, KL)
    theta, omega = _adam(arena.rates[0], model.G), _adam(arena.rates[1], model.V)
    one = partial(fgan.step_alternating, model, theta=theta, omega=omega)
    return Contestant(one, (theta, omega), G, model.sample, None)


def _infogan(arena: Arena, p_0: Distribution) -> Contestant:
    classes, continuous = arena.codes
    p_c = codes((classes,), continuous)
    G = arena.quick(arena.generator(arena.k + classes + continuous))
    D = nn.Sequential(arena.affine(arena.features, 1), nn.Flatten(-2))
    raw = arena.affine(arena.features, classes + 2 * continuous)
    Q = Code(raw, (classes,), continuous)
    trunk = arena.quick(arena.calm(arena.trunk()))
    model = infogan.InfoGAN(G, trunk, arena.calm(D), Q, p_0, p_c, data_dims=arena.event_dims)
    theta, phi_eta = _adam(arena.rates[0], G), _adam(arena.rates[1], trunk, D, Q)
    one = partial(infogan.step, model, theta=theta, phi_eta=phi_eta, lam=INFORMATION)
    return Contestant(one, (theta, phi_eta), G, model.sample, None)


def _cyclegan(arena: Arena, p_0: Distribution) -> Contestant:
    """The second domain is the base: from there a generator translates, and back an encoder."""
    F, G = arena.quick(arena.generator(arena.k)), _encoder(arena, arena.k)
    D_Y = nn.Sequential(arena.affine(arena.k, WIDTH), nets.leaky_relu())
    D_Y.extend([arena.affine(WIDTH, 1), nn.Flatten(-2)])
    critics = _critic(arena), arena.quick(arena.calm(D_Y))
    model = cyclegan.CycleGAN(G, F, *critics, data_dims=(arena.event_dims, 1))
    theta, phi = _adam(arena.rates[0], G, F), _adam(arena.rates[1], model.D_X, model.D_Y)
    kept = nn.ModuleDict({"F": F, "G": G})

    one = partial(_from_base, model, p_0, arena, theta=theta, phi=phi)
    return Contestant(
        one, (theta, phi), kept, lambda n: F(p_0.sample(torch.Size(n))), lambda x: F(G(x))
    )


def _from_base(
    model: cyclegan.CycleGAN,
    p_0: Distribution,
    arena: Arena,
    x: Tensor,
    theta: Optimizer,
    phi: Optimizer,
) -> dict[str, Tensor]:
    y = p_0.sample(x.shape[: x.ndim - arena.event_dims])
    return cyclegan.step(model, x, y, theta, phi, arena.lam)


def _vae(arena: Arena, p_0: Distribution) -> Contestant:
    model = vae.VAE(Gaussian(_encoder(arena, 2 * arena.k)), arena.likelihood(), p_0)
    theta_phi = _adam(arena.rates[0], model)
    one = partial(vae.step, model, theta_phi=theta_phi)
    return _with_density(arena, model, partial(_counted, arena, one), (theta_phi,))


def _ali(arena: Arena, p_0: Distribution) -> Contestant:
    encoder = Gaussian(_encoder(arena, 2 * arena.k))
    model = ali.ALI(encoder, arena.conditional(), arena.quick(_of_pairs(arena)), p_0)
    theta_phi = _adam(arena.rates[0], model.encoder, model.decoder)
    omega = _adam(arena.rates[1], model.D)
    one = partial(ali.step, model, theta_phi=theta_phi, omega=omega)
    kept = nn.ModuleDict({"encoder": model.encoder, "decoder": model.decoder})
    return Contestant(one, (theta_phi, omega), kept, model.sample, model.reconstruct)


def _avb(arena: Arena, p_0: Distribution) -> Contestant:
    noise = nn.Sequential(arena.affine(arena.k, WIDTH))
    head = nn.Sequential(nets.leaky_relu(), arena.affine(WIDTH, WIDTH), nets.leaky_relu())
    head.append(arena.affine(WIDTH, arena.k))
    pair = arena.quick(nets.Pair(nn.Identity(), noise, head))
    encoder = Implicit(_encoder(arena, WIDTH), pair, p_0)
    of_pairs = _of_pairs(arena)
    r = arena.quick(nets.Pair(of_pairs.second, of_pairs.first, of_pairs.head))
    model = avb.AVB(encoder, arena.likelihood(), r, p_0, arena.contrast)
    theta_phi = _adam(arena.rates[0], model.encoder, model.decoder)
    omega = _adam(arena.rates[0], model.r)
    one = partial(avb.step, model, theta_phi=theta_phi, omega=omega)
    return _with_density(arena, model, partial(_counted, arena, one), (theta_phi, omega))


def _counted(
    arena: Arena, one: Callable[[Tensor], dict[str, Tensor]], x: Tensor
) -> dict[str, Tensor]:
    return one(arena.counted(x))


def _with_density(
    arena: Arena,
    model: vae.VAE | avb.AVB,
    step: Callable[[Tensor], dict[str, Tensor]],
    players: tuple[Optimizer, ...],
) -> Contestant:
    """Digits are shown as means of the Bernoulli decoder, points as draws of the Gaussian one."""

    def shown(z: Tensor) -> Tensor:
        law = model.decoder(z)
        return law.mean if arena.event_dims == 3 else law.sample()

    kept = nn.ModuleDict({"encoder": model.encoder, "decoder": model.decoder})
    return Contestant(
        step,
        players,
        kept,
        lambda n: shown(model.p_0.sample(torch.Size(n))),
        lambda x: shown(model.encoder(arena.counted(x)).sample()),
    )


CONTESTANTS: dict[str, Callable[[Arena, Distribution], Contestant]] = {
    "gan": _gan,
    "ls_gan": partial(_gan, bound=bounds.least_squares),
    "f_gan": _fgan,
    "infogan": _infogan,
    "cyclegan": _cyclegan,
    "ali": _ali,
    "vae": _vae,
    "avb": _avb,
}


def operations(step: Callable[[Tensor], object], x: Tensor) -> int:
    """Floating-point operations of a step, counted while it runs: products and convolutions.

    Args:
        step: what is counted.
        x: its batch.

    Example:
        >>> operations(lambda x: x @ x, torch.zeros(10, 10))  # 1,000 products, as many sums
        2000
    """
    with FlopCounterMode(display=False) as counter:
        step(x)
    return counter.get_total_flops()
