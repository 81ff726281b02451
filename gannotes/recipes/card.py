"""What every run does first and last: prepare its folder, and leave a card beside the weights."""

import inspect
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import torch

from gannotes import results, runs, weights


def start(out: Path, seed: int, parts: Sequence[Path] = ()) -> float:
    """Prepare the folder and the random numbers; return when the run began, for the card only.

    What earlier sittings of a killed run took is counted, the time between them is not; and what
    the `parts` took, the folders of other runs, where these are put together.

    Slide: beyond the deck (long runs).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    return perf_counter() - sum(runs.spent(folder) for folder in (out, *parts))


def write_card(
    path: Path,
    recipe: Callable[..., object],
    architecture: str,
    seed: int,
    began: float,
    scores: Mapping[str, object],
    sweep: str | None = None,
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
        sweep: the name of the sweep, if the weights were put together from its runs.
    """
    summary = (inspect.getdoc(recipe) or "").splitlines()[0]
    settings = {
        name: parameter.default
        for name, parameter in inspect.signature(recipe).parameters.items()
        if name not in {"out", "seed", "device", "parts"}
        and parameter.default is not inspect.Parameter.empty
    }
    lines = {
        "architecture": f"`{architecture}`",
        "made by": f"`gannotes.recipes.{recipe.__name__}`, seed {seed}, {settings}",
        **_command(path.parent, sweep, seed),
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


def _command(folder: Path, sweep: str | None, seed: int) -> dict[str, str]:
    """The command that made the run whose folder this is, or all runs of the sweep."""
    if sweep is None and not (folder / "run.json").is_file():
        return {}
    name = sweep or runs.read(folder).configuration["recipe"]
    return {"run": f"`python -m gannotes run {name} --seed {seed}`"}


def minutes() -> dict[str, float]:
    """What the shipped runs of each recipe or sweep took, by its name, read from their cards.

    Slide: beyond the deck (long runs).

    Example:
        >>> minutes()["mnist_gan_plain"]
        26.4
    """
    found: dict[str, dict[str, float]] = {}
    for path in (*weights.FOLDER.glob("*.md"), *results.FOLDER.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        command = re.search(r"python -m gannotes run (\w+) ", text)
        recipe = re.search(r"^\| made by \| `(\S+)`", text, flags=re.M)
        took = re.search(r"^\| minutes \| ([\d.]+)", text, flags=re.M)
        if command and recipe and took:  # two cards of one recipe are of one run
            found.setdefault(command[1], {})[recipe[1]] = float(took[1])
    return {name: sum(times.values()) for name, times in found.items()}
