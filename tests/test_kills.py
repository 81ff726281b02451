"""A run of every model that is killed at any instant ends as if nothing had happened.

The killed processes are forks of this one, so that none has to import torch.
"""

import os
import random
import select
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import LBFGS, Adam
from torch.optim.lr_scheduler import ExponentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gannotes import bounds, nets
from gannotes.data import Batches
from gannotes.distributions import (
    Code,
    Gaussian,
    Implicit,
    codes,
    gaussian_fit,
    standard_normal,
)
from gannotes.divergences import F_DIVERGENCES
from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae
from gannotes.optim import fit

STEPS, EVERY, KILLS = 40, 2, 16
Run = tuple[nn.Module, Callable[[Tensor], dict[str, Tensor]]]


def adam(*players: nn.Module) -> Adam:
    return Adam([p for net in players for p in net.parameters()], 1e-3, (0.5, 0.99))


def make_gan(move=gan.step, bound=bounds.bernoulli, **options) -> Run:
    model = gan.GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), standard_normal(2), bound)
    return model, partial(move, model, theta=adam(model.G), phi=adam(model.D), **options)


def make_replicas() -> Run:
    G, D = nets.mlp(2, 8, 2, replicas=3), nets.critic(2, 8, replicas=3)
    model = gan.GAN(G, D, standard_normal(2))
    theta, phi = adam(G), adam(D)
    return model, lambda x: gan.step(model, x.expand(3, -1, -1), theta, phi)


def make_fgan(name: str, move=fgan.step) -> Run:
    parts = nets.mlp(2, 8, 2), nets.spectral(nets.critic(2, 8)), standard_normal(2)
    model = fgan.FGAN(*parts, F_DIVERGENCES[name])
    return model, partial(move, model, theta=adam(model.G), omega=adam(model.V))


def make_infogan() -> Run:
    trunk = nets.mlp(2, 8, 8).append(nn.Tanh())
    G, D, Q = nets.mlp(2 + 3 + 1, 8, 2), nets.critic(8), Code(nets.mlp(8, 5), (3,), 1)
    model = infogan.InfoGAN(G, trunk, D, Q, standard_normal(2), codes((3,), 1))
    return model, partial(infogan.step, model, theta=adam(G), phi_eta=adam(trunk, D, Q))


def make_cyclegan() -> Run:
    """With a history of generated samples, and a falling rate."""
    parts = nets.mlp(2, 8, 2), nets.mlp(2, 8, 2), nets.critic(2, 8), nets.critic(2, 8)
    model = cyclegan.CycleGAN(*parts)
    model.past_X, model.past_Y = (cyclegan.History((2,), 20) for _ in range(2))
    theta, phi = adam(*parts[:2]), adam(*parts[2:])
    falls = [ExponentialLR(player, 0.95) for player in (theta, phi)]

    def one(x: Tensor) -> dict[str, Tensor]:
        values = cyclegan.step(model, x, x.flip(-1) + 1, theta, phi)
        for fall in falls:
            fall.step()
        return values

    return model, one


def make_vae() -> Run:
    """With a running average, whose kind of dice is its own."""
    model = vae.VAE(Gaussian(nets.mlp(2, 8, 4)), Gaussian(nets.mlp(2, 8, 4)), standard_normal(2))
    theta_phi = adam(model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    dice = torch.Generator().manual_seed(5)

    def one(x: Tensor) -> dict[str, Tensor]:
        noise = 0.1 * torch.randn(x.shape, generator=dice)
        values = vae.step(model, x + noise, theta_phi, N_z=2)
        average.update_parameters(model)
        return values

    return average, one


def make_counting_vae() -> Run:
    """By L-BFGS, warmed up by a counter, with an average that is a plain tensor."""
    model = vae.VAE(Gaussian(nets.mlp(2, 8, 4)), Gaussian(nets.mlp(2, 8, 4)), standard_normal(2))
    player = LBFGS(
        model.parameters(), lr=0.01, max_iter=3, history_size=4, line_search_fn="strong_wolfe"
    )
    run: dict[str, Any] = {"count": 0, "mean": torch.zeros(2)}

    def one(x: Tensor) -> dict[str, Tensor]:
        run["count"] += 1
        run["mean"] = 0.9 * run["mean"] + 0.1 * x.mean(0)

        def loss() -> Tensor:
            player.zero_grad()
            torch.manual_seed(run["count"])
            value = -min(1.0, run["count"] / 20) * model.elbo(x - run["mean"]).mean()
            value.backward()
            return value

        return {"loss": player.step(loss).detach()}

    return model, one


def pair(out: int) -> nn.Module:
    head = nets.mlp(8, 8, out) if out else nets.critic(8, 8)
    return nets.Pair(nn.Linear(2, 8), nn.Linear(2, 8), head)


def make_ali(K: int = 1) -> Run:
    networks = (Gaussian(nets.mlp(2, 8, 4)) for _ in range(2))
    model = ali.ALI(*networks, pair(0), standard_normal(2))
    theta_phi, omega = adam(model.encoder, model.decoder), adam(model.D)
    return model, lambda x: ali.step(model, x, theta_phi, omega, K)


def make_avb(contrast: Any = None) -> Run:
    encoder = Implicit(nets.mlp(2, 8, 2), pair(2), standard_normal(2))
    decoder = Gaussian(nets.mlp(2, 8, 4))
    model = avb.AVB(encoder, decoder, pair(0), standard_normal(2), contrast)
    theta_phi, omega = adam(encoder, decoder), adam(model.r)
    return model, lambda x: avb.step(model, x, theta_phi, omega)


RUNS: dict[str, Callable[[], Run]] = {
    "GAN": make_gan,
    "GAN, two moves of the critic": partial(make_gan, K=2),
    "GAN, regularised": partial(make_gan, gan.step_regularised, gamma=0.1),
    "LS-GAN": partial(make_gan, bound=bounds.least_squares),
    "replicas": make_replicas,
    "f-GAN": partial(make_fgan, "pearson"),
    "f-GAN, alternating": partial(make_fgan, "kl", fgan.step_alternating),
    "InfoGAN": make_infogan,
    "CycleGAN": make_cyclegan,
    "VAE": make_vae,
    "VAE, L-BFGS": make_counting_vae,
    "ALI": make_ali,
    "AVB": make_avb,
    "AVB, adaptive": partial(make_avb, lambda q: gaussian_fit(q.sample(torch.Size((16,))))),
}


def compute(make: Callable[[], Run], file: Path | None, result: Path, seen: int = -1) -> None:
    """The whole run, which says on the pipe `seen` when it begins a step."""
    torch.manual_seed(0)
    model, one = make()

    def told(batches: Iterable[Tensor]) -> Iterable[Tensor]:
        for batch in batches:
            if seen >= 0:
                os.write(seen, b".")
            yield batch

    x = torch.randn(100, 2)
    batches = told(Batches(x, 16, STEPS, seed=1))
    history = fit(one, batches, progress=False, checkpoint=file, every=EVERY)
    save_file({**model.state_dict(), **{f"history {k}": v for k, v in history.items()}}, result)


def fork(make: Callable[[], Run], file: Path, result: Path) -> tuple[int, int]:
    """A process that computes the run, and the pipe on which it says how far it is."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        return child, ours
    tqdm.set_lock(threading.RLock())  # the old one may be held by a thread that was not forked
    try:
        compute(make, file, result, theirs)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(1)


def strike(child: int, pipe: int, steps: int, then: float) -> int:
    """SIGKILL, `then` seconds after so many steps; what the process came to."""
    while steps and os.read(pipe, 1):
        steps -= 1
    select.select([], [], [], then)
    os.kill(child, signal.SIGKILL)
    os.close(pipe)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_killed_again_and_again_leaves_the_same_bits(name, tmp_path):
    make, file = RUNS[name], tmp_path / "run"
    compute(make, None, tmp_path / "alone")
    moments, kills = random.Random(name), 0
    while kills < KILLS:
        child, pipe = fork(make, file, tmp_path / "killed")
        done = steps_of(file)
        ahead = moments.randint(1, 8) if done < STEPS // 2 else moments.randint(0, 2)
        end = strike(child, pipe, done + ahead, moments.uniform(0, 0.01))
        assert end in (0, -signal.SIGKILL)
        kills += end == -signal.SIGKILL
        if file.exists():  # whatever the instant, the file is whole
            load_file(file)
        if steps_of(file) == STEPS:  # once more from the start, over what is left
            file.unlink()
    child, pipe = fork(make, file, tmp_path / "killed")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(pipe)
    one, other = load_file(tmp_path / "alone"), load_file(tmp_path / "killed")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def steps_of(file: Path) -> int:
    from gannotes.checkpoint import progress

    return progress(file)[0] if file.exists() else 0


def test_there_are_two_hundred_kills():
    assert KILLS * len(RUNS) >= 200
