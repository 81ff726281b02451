"""The first steps of a game that a page goes on with, played by the package itself.

Untrained networks are nothing to look at. A few of a model's own steps make a first picture worth
seeing; they leave the random state of the caller as it was.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Adam, Optimizer

from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae

Settings = Mapping[str, Any]
Data = Distribution | Tensor


def play(
    model: nn.Module, data: Sequence[Data], count: int, settings: Settings, place: Settings
) -> None:
    """Let a model make `count` steps, by Adam with the rates of the page.

    Args:
        model: any model of `gannotes.models`.
        data: what it is trained on; two domains for a CycleGAN.
        count: how many steps.
        settings: those of the page, by name.
        place: "scale" and "centre", as in the description of the data.
    """
    with torch.random.fork_rng(devices=[]):
        step = _step(model, settings)
        like = next(model.parameters())
        for _ in range(count):
            step(*(_batch(each, settings["batch"], place).to(like) for each in data))


def _batch(data: Data, n: int, place: Settings) -> Tensor:
    x = data[torch.randint(len(data), (n,))] if isinstance(data, Tensor) else data.sample((n,))
    return (x - x.new_tensor(place.get("centre", 0.0))) / place.get("scale", 1.0)


def _step(model: nn.Module, s: Settings) -> Callable[..., Any]:
    """The model's own step, of a batch."""

    def adam(rate: str, *nets: nn.Module) -> Optimizer:
        parameters = [w for net in nets for w in net.parameters()]
        return Adam(parameters, s[rate], (s["momentum"], s["beta2"]))

    match model:
        case gan.GAN():
            players = adam("theta", model.G), adam("phi", model.D)
            if s["gamma"] > 0:
                return lambda x: gan.step_regularised(model, x, *players, s["gamma"])
            return lambda x: gan.step(model, x, *players, s["K"])
        case fgan.FGAN():
            players = adam("theta", model.G), adam("phi", model.V)
            if s["together"]:
                return lambda x: fgan.step(model, x, *players)
            return lambda x: fgan.step_alternating(model, x, *players, s["flip"])
        case infogan.InfoGAN():
            players = adam("theta", model.G), adam("phi", model.trunk, model.D, model.Q)
            return lambda x: infogan.step(model, x, *players, s["lam"])
        case cyclegan.CycleGAN():
            players = adam("theta", model.G, model.F), adam("phi", model.D_X, model.D_Y)
            return lambda x, y: cyclegan.step(model, x, y, *players, s["lam"])
        case vae.VAE():
            own = adam("theta", model.encoder, model.decoder)
            return lambda x: vae.step(model, x, own, s["N_z"])
        case ali.ALI():
            players = adam("theta", model.encoder, model.decoder), adam("phi", model.D)
            return lambda x: ali.step(model, x, *players, s["K"])
        case avb.AVB():
            players = adam("theta", model.encoder, model.decoder), adam("phi", model.r)
            return lambda x: avb.step(model, x, *players, s["N_z"], s["K"])
    raise TypeError(f"model: expected one of gannotes.models, got {type(model).__name__}")
