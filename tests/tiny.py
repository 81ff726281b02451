"""Small recipes, in a module of their own: jobs and other processes import them."""

import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gannotes import nets, results
from gannotes.data import Batches
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step
from gannotes.optim import fit


class Halting:
    """Batches that come to a halt in the first sitting, until somebody kills the process."""

    def __init__(self, batches: Batches, out: Path, at: int | None) -> None:
        self.batches, self.out, self.at = batches, out, at

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        for number, batch in enumerate(self.batches):
            if number == self.at and not (self.out / "sitting-1.json").exists():
                (self.out / "halted").touch()
                while not (self.out / "go on").exists():
                    time.sleep(0.02)
            yield batch


def tiny(
    out: Path, seed: int = 0, device: str = "cpu", steps: int = 200, halt: int | None = None
) -> None:
    """A recipe like the others, but small: noise in every step, scores drawn after training."""
    torch.manual_seed(seed)
    gan = GAN(nets.mlp(2, 16, 2), nets.critic(2, 16), standard_normal(2))
    theta, phi = (torch.optim.Adam(net.parameters(), 1e-3) for net in (gan.G, gan.D))
    batches = Halting(Batches(torch.randn(500, 2), 32, steps, seed), out, halt)
    fit(
        lambda x: step(gan, x, theta, phi),
        batches,
        checkpoint=out / "tiny.checkpoint",
        every=10,
    )
    save_file(gan.state_dict(), out / "tiny.safetensors")
    spread = gan.sample(100).std().item()
    results.write(out / f"tiny_{seed}.csv", [{"seed": seed, "spread": spread}])
    with open(out.parent / "ends", "a") as file:  # in a way that nobody can overwrite
        file.write(f"{seed} {os.getpid()}\n")


def halting(
    out: Path, seed: int = 0, device: str = "cpu", steps: int = 200, halt: int = 105
) -> None:
    """`tiny` that waits at a step to be killed."""
    tiny(out, seed, device, steps, halt)


def note(out: Path, seed: int, device: str) -> None:
    """A run that says who computed it, in a way that nobody can overwrite."""
    with open(out.parent / "log", "a") as file:
        file.write(f"{seed} {os.getpid()}\n")


def spoil(out: Path, seed: int, device: str) -> None:
    """A run that fails until somebody mends what it needs."""
    (out / "started").touch()
    if not (out.parent / "mended").exists():
        raise FloatingPointError("step 7: objective: expected finite values, got nan")


def scribble(out: Path, seed: int, device: str) -> None:
    """A run that writes as fast as it can, and never ends by itself."""
    for number in count():
        with open(out / "scribble", "a") as file:
            file.write(f"{number}\n")
