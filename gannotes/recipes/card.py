"""What every run does first and last: prepare its folder, and leave a card beside the weights."""

import inspect
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

import torch


def start(out: Path, seed: int) -> float:
    """Prepare the folder and the random numbers; return the time, which is for the card only.

    Slide: beyond the deck (long runs).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    return perf_counter()


def write_card(
    path: Path,
    recipe: Callable[..., object],
    architecture: str,
    seed: int,
    began: float,
    scores: Mapping[str, object],
) -> None:
    """Write what a reader of the weights needs to know beside them.

    Slide: beyond the deck (long runs).

    Args:
        path: the file.
        recipe: the function that was run; its first line is the summary.
        architecture: the expression that makes the network.
        seed: of the run.
        began: what `start` returned.
        scores: what else the card says, a line each.
    """
    summary = (inspect.getdoc(recipe) or "").splitlines()[0]
    settings = {
        name: parameter.default
        for name, parameter in inspect.signature(recipe).parameters.items()
        if name not in {"out", "seed", "device", "jobs", "divergence", "k"}
    }
    lines = {
        "architecture": f"`{architecture}`",
        "made by": f"`gannotes.recipes.{recipe.__name__}`, seed {seed}, {settings}",
        "minutes": f"{(perf_counter() - began) / 60:.1f}, on a busy machine more",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "machine": f"{platform.system()} {platform.machine()}",
        **scores,
    }
    table = "\n".join(
        f"| {key} | {value:.4g} |" if isinstance(value, float) else f"| {key} | {value} |"
        for key, value in lines.items()
    )
    path.write_text(f"# {path.stem}\n\n{summary}\n\n| | |\n|---|---|\n{table}\n")
