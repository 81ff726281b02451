"""The file of a run: what it refuses, how it is written, and what damaged ones do."""

import copy
import errno
import functools
import hashlib
import json
import os
import random
import stat
from pathlib import Path

import pytest
import torch
from torch import nn

from gannotes import nets
from gannotes.checkpoint import history, stateful
from gannotes.data import Batches
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step
from gannotes.optim import descend, fit


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
    with pytest.raises(ValueError, match="gan.G.0.out_features to be 8, as the run began, got 9"):
        fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)
    assert all(torch.equal(p, q) for p, q in zip(before, gan.parameters(), strict=True))

    other = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="expected the step to be the code"):
        fit(lambda x: {"value": other(x)}, batches, progress=False, checkpoint=file)

    file.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is not a checkpoint of this package"):
        fit(lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file)


def test_too_few_batches_are_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    gan, theta, phi = make()
    x = torch.randn(100, 2)
    fit(lambda b: step(gan, b, theta, phi), Batches(x, 8, steps=6), progress=False, checkpoint=file)
    with pytest.raises(ValueError, match="expected at least the 6 batches already seen, got 4"):
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


# The file.


def small_run(file, steps: int = 6, **options):
    gan, theta, phi = make()
    batches = Batches(torch.randn(100, 2, generator=torch.Generator().manual_seed(3)), 8, steps)
    before = copy.deepcopy(gan.state_dict()), theta.state_dict(), torch.get_rng_state()

    def moved() -> bool:
        now = gan.state_dict(), theta.state_dict(), torch.get_rng_state()
        return not (repr(now[1]) == repr(before[1]) and torch.equal(now[2], before[2])) or any(
            not torch.equal(now[0][key], value) for key, value in before[0].items()
        )

    def run():
        return fit(
            lambda x: step(gan, x, theta, phi), batches, progress=False, checkpoint=file, **options
        )

    return run, moved


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling link", "no folder", "device"])
def test_a_path_that_can_be_no_file_is_refused_before_the_first_step(kind, tmp_path):
    file, other = tmp_path / "run", tmp_path / "other"
    other.write_text("mine")
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(other)
    elif kind == "dangling link":
        file.symlink_to(tmp_path / "nowhere")
    elif kind == "no folder":
        file = other / "run"
    else:
        file = Path(os.devnull)
    run, moved = small_run(file)
    with pytest.raises(ValueError, match="^checkpoint: expected a (file|name in a folder).*, got"):
        run()
    assert not moved()
    assert other.read_text() == "mine"


def test_every_bit_counts(tmp_path):
    """One flipped bit anywhere is one sentence, and nothing has moved."""
    file = tmp_path / "run"
    small_run(file)[0]()
    data = file.read_bytes()
    places = random.Random(0)
    run, moved = small_run(file)
    for place in [0, 7, 8, len(data) - 1, *(places.randrange(len(data)) for _ in range(100))]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << places.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="^checkpoint: expected a whole file .*damaged"):
            run()
    assert not moved()
    file.write_bytes(data)
    assert len(run()["value"]) == 6


def forged(data: bytes, header: dict, at: int) -> bytes:
    """A file whose header is another, with the right checksum."""
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    blank = len(text).to_bytes(8, "little") + text + data[at:]
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def mutated(text: str, dice: random.Random) -> str:
    """JSON in which something else stands somewhere."""
    value = json.loads(text)
    queue, places = [value], []
    while queue:
        part = queue.pop()
        keys = range(len(part)) if isinstance(part, list) else list(part)
        places += [(part, key) for key in keys]
        queue += [part[key] for key in keys if isinstance(part[key], list | dict)]
    part, key = dice.choice(places)
    others = [None, -1, 2**70, 0.5, "x", [], {}, [[]], {"tensor": "x"}, {"dict": [[1, 2]]}, True]
    others.append(dice.choice(places)[0])
    part[key] = copy.deepcopy(dice.choice(others))
    return json.dumps(value)


@pytest.mark.slow
def test_a_forged_file_is_refused_with_the_model_as_it_was_or_does_what_it_says(tmp_path):
    """400 files with something else in them and the right checksum: whole, or one sentence."""
    file, dice, refused = tmp_path / "run", random.Random(1), 0
    small_run(file)[0]()
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    for _ in range(400):
        header = json.loads(data[8 : 8 + size])
        part = dice.choice(["state", "rest", "began"])
        header["__metadata__"][part] = mutated(header["__metadata__"][part], dice)
        file.write_bytes(forged(data, header, 8 + size))
        run, moved = small_run(file)
        try:
            run()
        except ValueError as error:
            assert str(error).startswith("checkpoint: expected")  # noqa: PT017
            assert not moved()
            refused += 1
    assert refused > 200


def test_deep_nesting_is_a_sentence(tmp_path):
    file = tmp_path / "run"
    small_run(file)[0]()
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"]["rest"] = "[" * 100_000 + "]" * 100_000
    file.write_bytes(forged(data, header, 8 + size))
    for read in (small_run(file)[0], lambda: history(file)):
        with pytest.raises(ValueError, match="^checkpoint: expected a whole file"):
            read()


def test_a_file_is_replaced_at_once_under_a_name_of_its_own(tmp_path, monkeypatch):
    """What lies beside it is not touched, a link is not followed, the folder is synced."""
    file, victim = tmp_path / "run", tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run.tmp").symlink_to(victim)
    stale, young = tmp_path / ".run.old.tmp", tmp_path / ".run.new.tmp"
    for path in (stale, young):
        path.touch()
    os.utime(stale, (0, 0))
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda file, sync=os.fsync: (synced.append(os.fstat(file)), sync(file))
    )
    small_run(file)[0]()
    assert victim.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run.tmp", "victim", young.name}
    assert [stat.S_ISDIR(status.st_mode) for status in synced] == [False, True]


def test_a_disk_that_is_full_keeps_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "run"
    small_run(file, 6)[0]()
    data = file.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        small_run(file, 10, every=2)[0]()
    assert file.read_bytes() == data
    assert list(tmp_path.iterdir()) == [file]
    assert len(caught.value.history["value"]) == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
