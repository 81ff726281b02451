"""How fast a step is, beside a plain loop and beside the machine's matrix products: `make bench`.

Two games, each on one thread:

* The usual public networks on MNIST, batch 64. The plain loop is the one usually published: images
  transformed one at a time, a `DataLoader`, `BCELoss` on probabilities, default Adam, losses turned
  into numbers at every step. It draws noise once for both players, where `gan.step` draws it for
  each; a second plain loop does so too.
* A 2-64-64-1 generator against a 1-64-64-1 critic on a 1-D mixture, batch 128: 16 seeds in one
  stack, beside one run.

Every loop is a generator that yields after each step, so that the loops of a game can take turns: a
few steps each, many times, and whatever else the machine does slows all of them alike. Time is this
process's processor time, without that of others. Printed are medians over the turns; a ratio is the
median of the ratios within a turn. No test asserts any of it.
"""

import os
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from gannotes.data import Batches, mixture_1d, mnist
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step
from gannotes.nets import Autocast, critic, leaky_relu, mlp

BATCH = 64
FOREVER = 10**9  # steps
PUBLISHED: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}

Loop = Iterator[None]


def generator() -> nn.Sequential:
    """100-128-256-512-1024-784, with batch normalisation between."""
    widths = (128, 256, 512, 1024)
    layers = [nn.Linear(100, 128), leaky_relu()]
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, eps=0.8), leaky_relu()]
    return nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())


class Images(Dataset):
    """MNIST as torchvision serves it: bytes, through PIL, `ToTensor` and `Normalize` one by one."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image = np.array(Image.fromarray(self.images[i].numpy()))
        x = torch.from_numpy(image).view(28, 28, 1).permute(2, 0, 1).contiguous()
        x = x.to(torch.float32).div(255)
        mean, sd = torch.as_tensor([0.5]).view(-1, 1, 1), torch.as_tensor([0.5]).view(-1, 1, 1)
        return x.clone().sub_(mean).div_(sd), int(self.labels[i])


def plain(images: Tensor, labels: Tensor, fresh: bool = False) -> Loop:
    """The usual networks with the loop usually published; `fresh`: the critic has its own noise."""
    G = generator()
    D = nn.Sequential(*mlp(784, 512, 256, 1), nn.Sigmoid())
    optimizer_G = Adam(G.parameters(), **PUBLISHED)
    optimizer_D = Adam(D.parameters(), **PUBLISHED)
    loss = nn.BCELoss()
    loader = DataLoader(Images(images, labels), batch_size=BATCH, shuffle=True)
    while True:
        for batch, _ in loader:
            x = batch.flatten(1)
            valid, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)

            optimizer_G.zero_grad()
            generated = G(torch.randn(len(x), 100))
            loss_G = loss(D(generated), valid)
            loss_G.backward()
            optimizer_G.step()

            if fresh:
                generated = G(torch.randn(len(x), 100))
            optimizer_D.zero_grad()
            loss_D = (loss(D(x), valid) + loss(D(generated.detach()), fake)) / 2
            loss_D.backward()
            optimizer_D.step()
            _ = loss_G.item(), loss_D.item()
            yield


def package(
    images: Tensor,
    wrap: Callable[[nn.Module], nn.Module] = nn.Sequential,
    products: str = "highest",
) -> Loop:
    """The usual networks with the package's step, batches by index and fused Adam."""
    x = images.flatten(1).float().div(255).sub(0.5).div(0.5)
    gan = GAN(wrap(generator()), wrap(critic(784, 512, 256)), standard_normal(100))
    theta = Adam(gan.G.parameters(), **PUBLISHED, fused=True)
    phi = Adam(gan.D.parameters(), **PUBLISHED, fused=True)
    for batch in Batches(x, BATCH, FOREVER):
        torch.set_float32_matmul_precision(products)
        step(gan, batch, theta, phi)
        torch.set_float32_matmul_precision("highest")
        yield


def affine() -> list[nn.Linear]:
    """What an image and a generated image pass: the critic's layers twice, the generator's once."""
    modules = [*generator(), *critic(784, 512, 256), *critic(784, 512, 256)]
    return [module for module in modules if isinstance(module, nn.Linear)]


def limit(dtype: torch.dtype) -> Loop:
    """The matrix products alone: of each affine map, and of its two gradients."""
    operands = []
    for layer in affine():
        x, dy = torch.randn(BATCH, layer.in_features), torch.randn(BATCH, layer.out_features)
        operands.append((x.to(dtype), layer.weight.detach().to(dtype), dy.to(dtype)))
    while True:
        for x, w, dy in operands:
            _ = x @ w.T, dy.T @ x, dy @ w
        yield


def game(replicas: int | None, fused: bool) -> Loop:
    """2-64-64-1 against 1-64-64-1, once or in a stack."""
    x = mixture_1d([0.3, 0.7], [-2.0, 1.0], [0.5, 0.8]).sample(torch.Size((10_000,)))
    G, D = mlp(2, 64, 64, 1, replicas=replicas), critic(1, 64, 64, replicas=replicas)
    gan = GAN(G, D, standard_normal(2))
    theta, phi = (Adam(net.parameters(), lr=1e-3, fused=fused) for net in (G, D))
    for batch in Batches(x, 128 if replicas is None else (replicas, 128), FOREVER):
        step(gan, batch, theta, phi)
        yield


def seconds(loops: dict[str, Loop], turns: int, steps: int) -> dict[str, list[float]]:
    """Processor seconds a step of every loop in every turn; a turn's first step is not timed."""
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(turns):
        for name, loop in loops.items():
            next(loop)
            start = time.process_time()
            for _ in range(steps):
                next(loop)
            taken[name].append((time.process_time() - start) / steps)
    return taken


def ratio(a: list[float], b: list[float]) -> float:
    """How many times as long as `b` it is that `a` takes: the median over the turns."""
    return median(x / y for x, y in zip(a, b, strict=True))


def usual_networks(images: Tensor, labels: Tensor, turns: int, steps: int) -> None:
    """Print the table of the usual public networks."""
    limits = {
        "matrix products alone, float32": torch.float32,
        "matrix products alone, bf16": torch.bfloat16,
    }
    loops = {
        "plain loop": plain(images, labels),
        "plain loop, noise for each player": plain(images, labels, fresh=True),
        "gan.step": package(images),
        "gan.step, bf16 autocast": package(images, Autocast),
        "gan.step, bf16 products": package(images, products="medium"),
    }
    t = seconds(loops | {name: limit(dtype) for name, dtype in limits.items()}, turns, steps)
    float32, bf16 = (t[name] for name in limits)
    print("100-128-256-512-1024-784 against 784-512-256-1, batch 64")
    print(f"{'':34}{'ms a step':>10}{'samples/s':>11}{'x plain':>9}{'of limit':>10}")
    for name, times in t.items():
        share = ratio(bf16 if "bf16" in name else float32, times)
        line = f"{1e3 * median(times):10.2f}{BATCH / median(times):11.0f}"
        print(f"{name:34}{line}{ratio(t['plain loop'], times):9.2f}{share:10.0%}")
    giga = 6 * BATCH * sum(layer.weight.numel() for layer in affine()) / 1e9
    print(
        "The limit: each image once through D, each generated one through G and D, three products\n"
        f"a layer (the map and its two gradients). That is {giga:.2f} GFLOP a step, at "
        f"{giga / median(float32):.0f} GFLOP/s\nin float32 and {giga / median(bf16):.0f} in bf16."
    )


def small_game(turns: int, steps: int, replicas: int = 16) -> None:
    """Print the table of the small game."""
    stack = f"{replicas} seeds in one stack, fused Adam"
    loops = {
        "one run, default Adam": game(None, False),
        "one run, fused Adam": game(None, True),
        stack: game(replicas, True),
    }
    taken = seconds(loops, turns, steps)
    taken[stack] = [s / replicas for s in taken[stack]]
    print("2-64-64-1 against 1-64-64-1, batch 128")
    print(f"{'':34}{'ms a seed-step':>15}{'seed-steps/s':>14}{'x default':>11}{'x fused':>9}")
    default, fused, _ = taken.values()
    for name, times in taken.items():
        line = f"{1e3 * median(times):15.3f}{1 / median(times):14.0f}"
        print(f"{name:34}{line}{ratio(default, times):11.2f}{ratio(fused, times):9.2f}")


def main(images: Tensor, labels: Tensor, turns: int = 15, steps: int = 10) -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    machine = f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"
    print(f"torch {torch.__version__}, 1 thread; {machine}, load {os.getloadavg()[0]:.1f}")
    print(f"processor time, medians of {turns} turns\n")
    usual_networks(images, labels, turns, steps)
    print()
    small_game(turns, 5 * steps)


if __name__ == "__main__":
    x, u = mnist("train")
    main((255 * x[:, 0]).round().to(torch.uint8), u)
