"""Write requirements/lock.txt: every package that the book and its tests need, at one version.

    python requirements/lock.py

pip resolves pyproject.toml as if nothing were installed, so that what else is here has no say.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
TORCH = "torch==2.13.0"  # the release that the book's numbers were measured with
EDITABLE = "editables"  # what hatchling needs for an editable install
# What a CUDA build of torch brings along follows from the platform, not from the book.
OF_TORCH = re.compile(r"(nvidia|cuda)-|triton$")
HEADER = "# Written by `make lock`: the versions with which the book is built and tested.\n"


def requirements() -> list[str]:
    """What pyproject.toml asks for, all extras and the build system included."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    return [
        *project["dependencies"],
        *extras,
        *pyproject["build-system"]["requires"],
        EDITABLE,
        TORCH,
    ]


def resolve(lines: list[str]) -> dict[str, str]:
    """Name -> version of everything that pip would install into an empty environment."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    report = subprocess.run([*command, "--report", "-", *lines], stdout=subprocess.PIPE, check=True)
    found = [item["metadata"] for item in json.loads(report.stdout)["install"]]
    return {item["name"]: item["version"].partition("+")[0] for item in found}


if __name__ == "__main__":
    versions = resolve(requirements())
    kept = sorted((name for name in versions if not OF_TORCH.match(name.lower())), key=str.lower)
    LOCK.write_text(HEADER + "".join(f"{name}=={versions[name]}\n" for name in kept))
    print(f"{len(kept)} packages in {LOCK.relative_to(ROOT)}")
