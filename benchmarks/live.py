"""How fast the engine of the page trains, beside `gan.step` on the same core: part of `make bench`.

The 2-64-64-2 generator against the 2-64-64-1 critic on two moons, batch 128, fresh data and noise
in every step: the plain game, and the relativistic one with gradient penalties. The engine runs in
node, with WebAssembly and without; the package on one thread. They take turns, so that whatever
else the machine does slows all of them alike. Time is the processor time of the process that does
the work. Printed are medians over the turns; a ratio is the median of the ratios within a turn. No
test asserts any of it.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch.optim import Adam

from gannotes.bounds import Bound, bernoulli, relativistic
from gannotes.data import two_moons
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step, step_regularised
from gannotes.nets import critic, mlp

BATCH, GAMMA = 128, 0.1
PENALISED = {"bound": "relativistic", "gamma": GAMMA}
Turn = Callable[[int], float]  # plays so many steps; seconds of the processor for each


def package(bound: Bound, penalised: bool) -> Turn:
    """`gan.step` or `gan.step_regularised` with fused Adam and new data in every step."""
    p = two_moons()
    gan = GAN(mlp(2, 64, 64, 2), critic(2, 64, 64), standard_normal(2), bound)
    theta, phi = (Adam(net.parameters(), 1e-3, (0.0, 0.99), fused=True) for net in (gan.G, gan.D))

    def turn(steps: int) -> float:
        start = time.process_time()
        for _ in range(steps):
            x = p.sample(torch.Size((BATCH,)))
            if penalised:
                step_regularised(gan, x, theta, phi, GAMMA)
            else:
                step(gan, x, theta, phi)
        return (time.process_time() - start) / steps

    return turn


def engine(node: subprocess.Popen[str], name: str, settings: dict, plain: bool) -> Turn:
    """The same game in node."""

    def turn(steps: int) -> float:
        assert node.stdin is not None
        assert node.stdout is not None
        asked = {"name": name, "settings": settings, "plain": plain, "steps": steps}
        print(json.dumps(asked), file=node.stdin, flush=True)
        return float(node.stdout.readline()) / 1e6

    return turn


def table(title: str, players: dict[str, Turn], turns: int, steps: int) -> None:
    """Let the players take turns; print what a step of each costs, and by how much it is faster."""
    for play in players.values():
        play(steps)  # compiles, allocates
    taken: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(turns):
        for name, play in players.items():
            taken[name].append(play(steps))
    *_, beside = taken.values()
    print(f"{title}\n{'':34}{'ms a step':>10}{'steps per CPU-second':>22}{'x the package':>15}")
    for name, times in taken.items():
        times_faster = median(b / t for b, t in zip(beside, times, strict=True))
        print(f"{name:34}{1e3 * median(times):10.3f}{1 / median(times):22.0f}{times_faster:15.2f}")


def main(turns: int = 11, steps: int = 50) -> None:
    """Print both tables."""
    program = shutil.which("node")
    if program is None:
        print("live training: node is not on the PATH, nothing to measure")
        return
    torch.set_num_threads(1)
    torch.manual_seed(0)
    command = [program, Path(__file__).with_suffix(".mjs")]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as node:
        for title, settings, turn in (
            ("the plain game", {}, package(bernoulli, False)),
            ("relativistic, with penalties", PENALISED, package(relativistic, True)),
        ):
            players = {
                "the page's engine, WebAssembly": engine(node, title, settings, False),
                "the page's engine, JavaScript": engine(node, f"{title}, js", settings, True),
                "the package, one thread": turn,
            }
            table(f"2-64-64-2 against 2-64-64-1, batch {BATCH}: {title}", players, turns, steps)
            print()


if __name__ == "__main__":
    main()
