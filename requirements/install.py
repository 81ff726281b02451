"""Put what the lock names into the environment of the Python that runs this.

    python requirements/install.py                  # what builds the book
    python requirements/install.py lab              # and JupyterLab, to work in a chapter
    python requirements/install.py contributors     # and what tests, checks and releases need

Every package of the lock must have one of its hashes. torch comes by itself, since each of its many
builds has another: on Linux without an accelerator the CPU build, which is a tenth of the size,
unless its index cannot be reached. The environment says otherwise:

    TORCH=cpu | cuda    the CPU build or nothing; what the configured index has, on Linux with CUDA
    TORCH_INDEX=URL     torch, and torch only, from this index
    UV=                 pip, although there is a uv
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
LISTS = ("readers", "lab", "contributors")  # each comes with those before it
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ACCELERATOR = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, Windows' own Linux
BRIEF = ["--timeout", "15", "--retries", "1"]  # for an index that may be out of reach

# pip takes a package from an index, has it already, or takes it from a folder.
STEP = re.compile(
    r"(?:Collecting|Requirement already satisfied:) (\w[\w.-]*)|Processing (?:\S*/)?([^/\s-]+)-"
)
LARGE = re.compile(r"\s*Downloading (?:\S*/)?([^/\s-]+)-\S+ \((\d{2,}[\d.]* MB|[\d.]+ GB)\)")


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


def uv() -> str | None:
    """The uv that is to be used, if there is one."""
    name = os.environ.get("UV", "uv")
    return shutil.which(name) if name else None


def torch_indexes(environment: dict[str, str], accelerator: bool, system: str) -> list[str]:
    """Where torch may come from, in this order; an empty string is the index that pip has."""
    choice = environment.get("TORCH") or "auto"
    if choice not in {"auto", "cpu", "cuda"}:
        sys.exit(f"TORCH: expected auto, cpu or cuda, got {choice}")
    if index := environment.get("TORCH_INDEX"):
        return [index]
    if choice == "auto" and system == "Linux" and not accelerator:
        return [CPU_INDEX, ""]
    return [CPU_INDEX] if choice == "cpu" and system != "Darwin" else [""]


def has_accelerator() -> bool:
    return bool(shutil.which("nvidia-smi")) or any(Path(name).exists() for name in ACCELERATOR)


def progress(lines: Iterator[str], total: int) -> Iterator[str]:
    """What to show of pip's many lines: how many packages are there, and what comes next."""
    seen = 0
    for line in lines:
        if match := STEP.match(line):
            seen += 1
            yield f"  {seen:3d} of {total}: {match[1] or match[2]}"
        elif match := LARGE.match(line):
            yield f"  {seen:3d} of {total}: {match[1]}, {match[2]}"
        elif line.startswith("Installing collected packages"):
            yield "  putting them in their place ..."


def pip(*arguments: str, total: int) -> bool:
    """Whether `pip install` did it; one line moves on a terminal, elsewhere few are printed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    with subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        said: list[str] = []

        def lines() -> Iterator[str]:
            for line in process.stdout or ():
                said.append(line)
                yield line

        moves = sys.stdout.isatty()
        for number, line in enumerate(progress(lines(), total)):
            if moves:
                print(f"\r{line:<70.70}", end="", flush=True)
            elif number % 20 == 0 or line.endswith(("B", "...")):
                say(line)
        if moves:
            print("\r" + " " * 70, end="\r", flush=True)
    if process.returncode:
        wall = re.compile("Ignored the following|WARNING: (Retrying|Location)|Requirement already")
        print("".join([line for line in said if not wall.search(line)][-12:]), file=sys.stderr)
    return process.returncode == 0


def install(*arguments: str, total: int = 1, only_pip: Sequence[str] = ()) -> bool:
    """With uv where there is one, which shows its own progress; with pip where it fails."""
    program = uv()
    if program is not None:
        command = [program, "pip", "install", "--python", sys.executable, *arguments]
        if subprocess.run(command, env={"UV_HTTP_TIMEOUT": "60", **os.environ}).returncode == 0:
            return True
        say("uv could not: pip tries it.")
    return pip(*arguments, *only_pip, total=total)


def install_lists(names: tuple[str, ...]) -> None:
    """Everything but torch: no resolution, hashes required."""
    files = [HERE / f"{name}.txt" for name in names]
    total = sum(len(re.findall(r"^\S+==", path.read_text(), flags=re.M)) for path in files)
    say(f"{total} packages of the lock, with {'uv' if uv() else 'pip'}")
    named = [word for path in files for word in ("-r", str(path))]
    if not install("--no-deps", "--require-hashes", *named, total=total):
        sys.exit("The packages of the lock could not be installed: say it again, it goes on.")


def install_torch() -> None:
    """torch, from the first index that has it."""
    pin = next(line for line in (HERE / "torch.txt").read_text().splitlines() if line[0] != "#")
    try:
        if metadata.version("torch").partition("+")[0] == pin.partition("==")[2]:
            return say(f"{pin} is there")
    except metadata.PackageNotFoundError:
        pass
    for index in torch_indexes(dict(os.environ), has_accelerator(), platform.system()):
        say(f"{pin} {'from ' + index if index else 'from the configured index'}")
        # The configured index may have a CUDA build, which needs packages that the lock lacks.
        where = ["--no-deps", "--index-url", index] if index else []
        if install(*where, pin, only_pip=BRIEF if index else ()):
            return None
    sys.exit("torch could not be installed: TORCH_INDEX=URL names another index for it.")


def main() -> None:
    """All of it, into this environment."""
    who = sys.argv[1] if len(sys.argv) > 1 else "readers"
    if who not in LISTS:
        sys.exit(f"who: expected one of {', '.join(LISTS)}, got {who}")
    install_lists(LISTS[: LISTS.index(who) + 1])
    install_torch()
    say("gannotes itself")
    if not install("--no-deps", "--no-build-isolation", "--editable", str(HERE.parent)):
        sys.exit("gannotes could not be installed.")


if __name__ == "__main__":
    main()
