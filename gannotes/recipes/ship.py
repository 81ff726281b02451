"""A finished run's files become the package's: weights and a table, or what a sweep gathers."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from gannotes import manifest, results, runs, weights
from gannotes.recipes import RECIPES, SWEEPS


def ship(name: str, out: Path, seed: int = 0) -> list[str]:
    """Copy what a finished run or sweep left into the package, and say what that changes.

    A run gives its weights, with their cards, and its table, unless that is a part of a sweep's; a
    sweep gives what is gathered from its runs.

    Args:
        name: a key of `RECIPES` or of `SWEEPS`.
        out: the folder of all runs.
        seed: of the run or of the sweep.

    Returns:
        A line for each file: how it compares with the one that it replaces.

    Raises:
        ValueError: if the name is unknown or a run is not done; nothing is copied.
    """
    if name not in RECIPES.keys() | SWEEPS.keys():
        raise ValueError(f"name: expected one of {[*RECIPES, *SWEEPS]}, got {name!r}")
    members = SWEEPS[name].runs(seed) if name in SWEEPS else [(name, seed)]
    folders = [out / recipe / f"seed-{s}" for recipe, s in members]
    for folder in folders:
        state = runs.state(runs.read(folder)) if folder.is_dir() else "not there"
        if state != "done":
            raise ValueError(f"{name}: expected {folder} to be done, it is {state}")
    if name not in SWEEPS:
        return _copy(folders[0], seed, tables=not any(name in s.recipes for s in SWEEPS.values()))
    with TemporaryDirectory() as gathered:
        SWEEPS[name].gather(folders, Path(gathered), seed)
        return _copy(Path(gathered), seed, tables=True)


def _copy(folder: Path, seed: int, tables: bool) -> list[str]:
    lines = []
    for path in sorted(folder.glob("*.safetensors")):
        if not path.name.endswith(".history.safetensors"):
            lines.append(f"{path.name}: {runs.compare_weights(path)}")
            for file in (path, path.with_suffix(".md")):
                shutil.copy(file, weights.FOLDER)
    for path in sorted(folder.glob("*.csv")) if tables else ():
        lines.append(f"{path.name}: {runs.compare_rows(path)}")
        shutil.copy(path, results.FOLDER / f"{path.stem.removesuffix(f'_{seed}')}.csv")
    manifest.write()
    return lines
