"""A run that is killed at any instant ends as if nothing had happened."""

import functools
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from gannotes import nets
from gannotes.checkpoint import stateful
from gannotes.data import Batches
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step
from gannotes.optim import descend, fit


def long_run(checkpoint: Path, result: Path) -> None:
    """What the killed processes do: a GAN, a decaying rate, and noise drawn at every step."""
    torch.set_num_threads(1)
    gan, theta, phi = make(width=16)
    decay = [torch.optim.lr_scheduler.ExponentialLR(player, 0.999) for player in (theta, phi)]
    batches = Batches(torch.randn(500, 2), 32, steps=600, seed=1)

    def decaying(x):
        values = step(gan, x, theta, phi)
        for schedule in decay:
            schedule.step()
        return values

    history = fit(decaying, batches, progress=False, checkpoint=checkpoint, every=10)
    save_file({**gan.state_dict(), "history": history["value"]}, result)


def start(checkpoint: Path, result: Path) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "gannotes.optim"])  # else each start waits for torch
    process = context.Process(target=long_run, args=(checkpoint, result))
    process.start()
    return process


def test_twenty_kills_leave_no_trace(tmp_path):
    """SIGKILL strikes 20 times, after random numbers of saves; the end is bit-identical."""
    alone = start(tmp_path / "alone.safetensors", tmp_path / "alone")
    alone.join()
    assert alone.exitcode == 0
    moments, checkpoint = random.Random(0), tmp_path / "killed.safetensors"
    kills = 0
    for _ in range(20):
        run = start(checkpoint, tmp_path / "killed")
        wait_for_saves(run, checkpoint, moments.randint(0, 3), moments.uniform(0, 0.02))
        run.kill()
        run.join()
        kills += run.exitcode == -signal.SIGKILL
        if checkpoint.exists():  # whatever the instant, the file is whole
            load_file(checkpoint)
    assert kills >= 15
    run = start(checkpoint, tmp_path / "killed")
    run.join()
    assert run.exitcode == 0
    one, other = load_file(tmp_path / "alone"), load_file(tmp_path / "killed")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(one["history"]) == 600


def wait_for_saves(
    run: multiprocessing.process.BaseProcess, file: Path, saves: int, then: float
) -> None:
    """Return `then` seconds after `saves` replacements of the file, or when the run has ended."""
    last = os.stat(file).st_mtime_ns if file.exists() else None
    while saves and run.exitcode is None:
        run.join(0.002)
        now = os.stat(file).st_mtime_ns if file.exists() else None
        saves -= now != last
        last = now
    run.join(then)


def make(width: int = 8) -> tuple[GAN, torch.optim.Optimizer, torch.optim.Optimizer]:
    torch.manual_seed(0)
    gan = GAN(nets.mlp(2, width, 2), nets.critic(2, width), standard_normal(2))
    return (
        gan,
        torch.optim.Adam(gan.G.parameters(), lr=1e-3),
        torch.optim.Adam(gan.D.parameters(), lr=1e-3),
    )


def test_a_continued_run_repeats_the_uninterrupted_one(tmp_path):
    batches = Batches(torch.randn(100, 2, generator=torch.Generator().manual_seed(3)), 8, steps=30)
    gan, theta, phi = make()
    whole = fit(lambda x: step(gan, x, theta, phi), batches, progress=False)
    expected = {name: p.clone() for name, p in gan.state_dict().items()}

    file = tmp_path / "run.safetensors"
    gan, theta, phi = make()
    half = list(batches)[:17]
    fit(lambda x: step(gan, x, theta, phi), half, progress=False, checkpoint=file, every=5)
    gan, theta, phi = make()
    torch.manual_seed(12345)  # the saved random state must win
    again = fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)
    assert torch.equal(whole["value"], again["value"])
    assert all(torch.equal(expected[name], p) for name, p in gan.state_dict().items())


def test_moments_come_back_in_the_layout_of_their_parameters(tmp_path):
    """A fused step runs through memory in order: with another layout it mixes up the moments."""

    def trained(path, steps):
        torch.manual_seed(0)
        net = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
        theta = torch.optim.Adam(net.parameters(), 0.01, fused=True)
        x = torch.randn(6, 2, 4, 6, 6)

        def one(i):
            return {"loss": descend(theta, net(x[i]).square().mean())}

        fit(one, range(steps), progress=False, checkpoint=path)
        return net.weight.detach()

    whole = trained(tmp_path / "whole", 6)
    trained(tmp_path / "parts", 3)
    assert torch.equal(trained(tmp_path / "parts", 6), whole)


def test_an_ended_run_is_returned_without_another_step(tmp_path):
    gan, theta, phi = make()
    batches = Batches(torch.randn(100, 2), 8, steps=6)
    file = tmp_path / "run.safetensors"
    first = fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)
    second = fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)
    assert torch.equal(first["value"], second["value"])


def test_a_file_of_something_else_is_refused_and_nothing_changes(tmp_path):
    batches = Batches(torch.randn(100, 2), 8, steps=6)
    file = tmp_path / "run.safetensors"
    gan, theta, phi = make(width=8)
    fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)

    gan, theta, phi = make(width=9)
    before = [p.clone() for p in gan.parameters()]
    with pytest.raises(ValueError, match=r"holds gan.*of shape \(8, 2\), expected \(9, 2\)"):
        fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)
    assert all(torch.equal(p, q) for p, q in zip(before, gan.parameters(), strict=True))

    other = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="holds the states of"):
        fit(lambda x: {"value": other(x)}, batches, progress=False, checkpoint=file)

    file.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)


def test_too_few_batches_are_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    gan, theta, phi = make()
    x = torch.randn(100, 2)
    fit(lambda b: step(gan, b, theta, phi), Batches(x, 8, steps=6), progress=False, checkpoint=file)
    with pytest.raises(ValueError, match="is at step 6, there are 4 batches"):
        fit(
            lambda b: step(gan, b, theta, phi),
            Batches(x, 8, steps=4),
            progress=False,
            checkpoint=file,
        )


def test_a_step_without_a_state_is_refused(tmp_path):
    with pytest.raises(ValueError, match="refers to modules or optimisers"):
        fit(lambda x: {"value": x}, [torch.ones(())], checkpoint=tmp_path / "run", progress=False)


def test_what_a_step_refers_to_is_found_wherever_it_hides():
    gan, theta, phi = make()
    generator = torch.Generator()
    decay = [torch.optim.lr_scheduler.ExponentialLR(player, 0.9) for player in (theta, phi)]

    def inner(x):
        for schedule in decay:
            schedule.step()
        return step(gan, x, theta, phi)

    def outer(x):
        torch.rand(1, generator=generator)
        return inner(x)

    assert stateful(outer) == {
        "generator": generator,
        "inner.gan": gan,
        "inner.theta": theta,
        "inner.phi": phi,
        "inner.decay.0": decay[0],
        "inner.decay.1": decay[1],
    }
    partial = functools.partial(step, gan, theta=theta, phi=phi)
    assert stateful(partial) == {"0": gan, "theta": theta, "phi": phi}
    assert stateful(gan.value) == {"self": gan}
    assert stateful(functools.partial(step, gan, nn.Linear)) == {"0": gan}  # a class has no state
    assert stateful(lambda x: {"theta": theta, "one": generator}[x]).keys() == {
        "theta",
        "generator",
    }
