"""Do the games of the pages end as they should? Plays their presets to the end and prints a table.

    python benchmarks/presets.py [NAME...]

A game is read from the state that its chapter has saved, or from the widget's own presets, and runs
in node on the engine of the page. Its own seed comes first, then the two after it. Printed are the
steps from which on the outcome holds at every look, the seconds of one processor until then and
until the end, and what was seen at the end. `tests/test_live_presets.py` asserts the outcomes.
"""

import base64
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch

from gannotes.data import ring
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN
from gannotes.nets import critic, mlp
from gannotes.widgets import LiveTraining

ROOT = Path(__file__).parents[1]
STATE = "application/vnd.jupyter.widget-state+json"
TRAITS = ("spec", "settings", "presets", "datasets")
Numbers = dict[str, Any]


class Case(NamedTuple):
    """A preset of a figure, its steps, and what holds of the numbers at the end."""

    figure: str
    preset: str
    steps: int
    words: str
    holds: Callable[[Numbers], bool]


def near(numbers: Numbers, parts: int, share: float = 0.9) -> bool:
    """Whether samples cover all parts, and most of them are near data."""
    return numbers["samples"]["covered"] == parts and numbers["samples"]["close"] > share


def moments(numbers: Numbers) -> bool:
    """The best Gaussian by KL has the moments of the paper's mixture."""
    w, m, s = (0.33, 0.67), (-1.0, 2.0), (0.255, 1.415)  # as in data.univariate_mixture
    mu = sum(a * b for a, b in zip(w, m, strict=True))
    sigma = math.sqrt(sum(a * (b * b + c * c) for a, b, c in zip(w, m, s, strict=True)) - mu * mu)
    found = numbers["gaussian"]
    return abs(found["mu"] - mu) < 0.25 and abs(found["sigma"] - sigma) < 0.25


CASES = (
    Case("index/ring", "what helps", 3000, "8 of 8, 90 % near", lambda n: near(n, 8)),
    Case("gan_modes/ring", "both", 3000, "8 of 8, 90 % near", lambda n: near(n, 8)),
    Case("gan_modes/ring", "plain", 3000, "fails", lambda n: n["samples"]["close"] < 0.8),
    Case("presets", "moons", 1000, "16 of 16, 90 % near", lambda n: near(n, 16)),
    Case("presets", "spiral", 1500, "16 of 16, 90 % near", lambda n: near(n, 16)),
    Case("presets", "grid", 3000, "25 of 25, 90 % near", lambda n: near(n, 25)),
    Case(
        "gan/line",
        "critic three times as fast",
        1500,
        "JS below 0.025",
        lambda n: n["samples"]["js"] < 0.025,
    ),
    Case(
        "infogan/infogan",
        "asked to be legible",
        1000,
        "8 of 8, 90 % near, I above 2 of 2.08",
        lambda n: near(n, 8) and n["information"] > 2,
    ),
    Case(
        "cyclegan/cyclegan",
        "there and back",
        1500,
        "both JS below 0.15, cycle loss below 0.1",
        lambda n: max(n["X"]["js"], n["Y"]["js"]) < 0.15 and n["cycle"] < 0.1,
    ),
    Case("fgan/fgan", "KL", 3000, "the moments of the data", moments),
    Case(
        "vae/vae",
        "",
        3000,
        "16 of 16, 85 % near, bound within 0.15 of log p(x)",
        lambda n: near(n, 16, 0.85) and abs(n["evidence"] - n["elbo"]) < 0.15,
    ),
    Case(
        "ali/ali",
        "",
        3000,
        "16 of 16, 90 % near, reconstruction below 0.6",
        lambda n: near(n, 16) and n["reconstruction"] < 0.6,
    ),
    Case(
        "avb/avb",
        "",
        3000,
        "log p(x) within 0.15 of -log 4",
        lambda n: abs(n["evidence"] + math.log(4)) < 0.15,
    ),
    Case(
        "avb/avb",
        "the late critic",
        1500,
        "the learnt bound passes log p(x)",
        lambda n: n["elbo"] > n["evidence"] + 0.3,
    ),
)


def saved(figure: str) -> dict[str, Any]:
    """The traits of a figure, "chapter/name", and its first weights in base64."""
    if figure == "presets":
        torch.manual_seed(0)
        gan = GAN(mlp(2, 64, 64, 2), critic(2, 64, 64), standard_normal(2))
        widget = LiveTraining(gan, ring())
        traits = {name: getattr(widget, name) for name in TRAITS}
        return traits | {"start": base64.b64encode(widget.start).decode()}
    chapter, name = figure.split("/")
    notebook = json.loads((ROOT / f"book/{chapter}.ipynb").read_text(encoding="utf-8"))
    for record in notebook["metadata"]["widgets"][STATE]["state"].values():
        state = record["state"]
        if str(state.get("_anywidget_id")).endswith(".LiveTraining") and state["name"] == name:
            (start,) = (b["data"] for b in record["buffers"] if b["path"] == ["start"])
            return {trait: state[trait] for trait in TRAITS} | {"start": start}
    raise LookupError(f"figure: expected one that a chapter has saved, got {figure!r}")


@contextmanager
def player() -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Plays games: `play(case, seed, looks)` gives a row {step, seconds, numbers} for each look."""
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node: not on the PATH")
    command = [node, Path(__file__).with_suffix(".mjs")]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def play(case: Case, seed: int, looks: int = 6) -> list[dict[str, Any]]:
            path = Path(folder, case.figure.replace("/", "-") + ".json")
            if not path.exists():
                path.write_text(json.dumps(saved(case.figure)), encoding="utf-8")
            asked = {"figure": str(path), "preset": case.preset, "seed": seed}
            print(json.dumps(asked | {"steps": case.steps, "looks": looks}), file=told, flush=True)
            rows: list[dict[str, Any]] = json.loads(heard.readline())
            return rows

        yield play


def since(rows: list[dict[str, Any]], holds: Callable[[Numbers], bool]) -> dict[str, Any] | None:
    """The row from which on an outcome holds to the end."""
    found = None
    for row in reversed(rows):
        if not holds(row["numbers"]):
            break
        found = row
    return found


def told(numbers: Numbers) -> str:
    """The numbers of a row, in brief."""
    flat = {**(numbers.get("samples") or numbers.get("X") or {}), **numbers}
    wanted = ("covered", "close", "js", "information", "cycle", "elbo", "evidence")
    return ", ".join(f"{k} {flat[k]:.3g}" for k in (*wanted, "reconstruction") if k in flat)


def main(names: list[str]) -> None:
    """Print the table, of all cases or of those whose figure or preset is named."""
    with player() as play:
        for case in CASES:
            if names and not {case.figure, case.preset} & set(names):
                continue
            print(f"{case.figure}, {case.preset or 'as given'}, {case.steps} steps: {case.words}")
            for seed in range(3):
                rows = play(case, seed)
                held, last = since(rows, case.holds), rows[-1]
                at = f"from {held['step']} on, {held['seconds']:.1f} s" if held else "no"
                print(
                    f"  seed +{seed}: {at}; {last['seconds']:.1f} s in all; {told(last['numbers'])}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
