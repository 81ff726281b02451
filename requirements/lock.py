"""Write the lock: every package that the book and its tests need, at one version, with hashes.

    python requirements/lock.py              # what pyproject.toml asks for, little moved
    python requirements/lock.py --upgrade    # everything at its newest

uv resolves for every platform and for the oldest Python that pyproject.toml promises, as if nothing
were installed. `readers.txt` builds the book, `lab.txt` and `contributors.txt` add to it.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "requirements"
EDITABLE = "editables"  # what hatchling needs for an editable install
# torch has its own file; what a CUDA build brings along follows from the platform.
OF_TORCH = re.compile(r"torch==|(nvidia|cuda)-|triton==")
HEADER = "# Written by `make lock`: {}\n"
SAYS = {
    "readers": "what builds the book, and what the package needs.",
    "lab": "JupyterLab, to work in a chapter, besides `readers.txt`.",
    "contributors": "what tests, checks and releases need besides `lab.txt`.",
}


def group(pyproject: dict, name: str) -> list[str]:
    """The requirements of a dependency group, those of the groups in it included."""
    found: list[str] = []
    for line in pyproject["dependency-groups"][name]:
        found += [line] if isinstance(line, str) else group(pyproject, line["include-group"])
    return found


def requirements(name: str) -> list[str]:
    """What pyproject.toml asks for: the package, its build system, and one group of people."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    torch = [line for line in (HERE / "torch.txt").read_text().splitlines() if line[0] != "#"]
    return [
        *project["dependencies"],
        *(extras if name == "contributors" else []),
        *group(pyproject, name),
        *pyproject["build-system"]["requires"],
        EDITABLE,
        *torch,
    ]


def entries(text: str) -> dict[str, str]:
    """Name -> its lines: the pin, its marker and its hashes."""
    found = re.findall(r"^[\w.-]+==.*(?:\n +--hash=.*)*", text, flags=re.M)
    return {entry.partition("==")[0]: entry for entry in found if not OF_TORCH.match(entry)}


def resolve(lines: list[str], known: str, *options: str) -> dict[str, str]:
    """The entries of everything that an empty environment would get; `known` pins are kept."""
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "lock.txt")
        out.write_text(known)
        command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--universal"]
        command += ["--generate-hashes", "--fork-strategy", "fewest", "--no-header"]
        command += ["--no-annotate", *options]
        command += ["--python-version", oldest.removeprefix(">=") + ".0", "--output-file", str(out)]
        subprocess.run(command, input="\n".join(lines), text=True, check=True, cwd=folder)
        return entries(out.read_text())


if __name__ == "__main__":
    files = {name: HERE / f"{name}.txt" for name in SAYS}
    old = "".join(path.read_text() for path in files.values() if path.exists())
    everything = resolve(requirements("contributors"), old, *sys.argv[1:])
    pins, before = "\n".join(everything.values()), set[str]()
    for name, path in files.items():
        needed = resolve(requirements(name), pins).keys() - before
        path.write_text(
            HEADER.format(SAYS[name]) + "".join(f"{everything[key]}\n" for key in sorted(needed))
        )
        before |= needed
        print(f"{len(needed)} packages in {path.relative_to(ROOT)}")
