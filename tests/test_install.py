"""The set-up: where torch comes from, what it shows, what it refuses, how it recovers."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import install
import pytest

ROOT = Path(__file__).resolve().parent.parent


# Where torch comes from.

CPU = install.CPU_INDEX


@pytest.mark.parametrize(
    ("environment", "accelerator", "system", "expected"),
    [
        ({}, False, "Linux", [CPU, ""]),
        ({}, True, "Linux", [""]),
        ({}, False, "Darwin", [""]),
        ({}, False, "Windows", [""]),
        ({"TORCH": "", "TORCH_INDEX": ""}, False, "Linux", [CPU, ""]),
        ({"TORCH": "cuda"}, False, "Linux", [""]),
        ({"TORCH": "cpu"}, True, "Linux", [CPU]),
        ({"TORCH": "cpu"}, False, "Darwin", [""]),
        ({"TORCH_INDEX": "file:///some"}, False, "Linux", ["file:///some"]),
    ],
)
def test_where_torch_comes_from(
    environment: dict[str, str], accelerator: bool, system: str, expected: list[str]
) -> None:
    assert install.torch_indexes(environment, accelerator, system) == expected


def test_a_build_that_there_is_not_is_refused() -> None:
    with pytest.raises(SystemExit, match="TORCH: expected auto, cpu or cuda, got gpu"):
        install.torch_indexes({"TORCH": "gpu"}, False, "Linux")


def test_an_index_out_of_reach_leads_to_the_next(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[str, ...]] = []

    def no_index(*arguments: str, **_: object) -> bool:
        calls.append(arguments)
        return "--index-url" not in arguments

    def nothing(name: str) -> str:
        raise install.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(install, "install", no_index)
    monkeypatch.setattr(install.metadata, "version", nothing)
    monkeypatch.setattr(install, "torch_indexes", lambda *_: [CPU, ""])
    install.install_torch()
    assert calls == [("--no-deps", "--index-url", CPU, "torch==2.13.0"), ("torch==2.13.0",)]
    monkeypatch.setattr(install, "torch_indexes", lambda *_: [CPU])
    with pytest.raises(SystemExit, match="TORCH_INDEX=URL"):
        install.install_torch()


# What it shows.

PIP = """Looking in links: /some/wheels
Collecting accessible-pygments==0.0.5 (from -r readers.txt (line 2))
  Downloading accessible_pygments-0.0.5-py3-none-any.whl.metadata (10 kB)
Processing /some/wheels/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (from -r x (line 3))
Requirement already satisfied: tqdm==4.66.0 in ./lib (from -r readers.txt (line 4))
Collecting torch==2.13.0
  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (191.8 MB)
Installing collected packages: numpy, torch
Successfully installed numpy torch
"""


def test_what_is_shown_of_pip() -> None:
    assert list(install.progress(iter(PIP.splitlines(keepends=True)), 4)) == [
        "    1 of 4: accessible-pygments",
        "    2 of 4: numpy",
        "    3 of 4: tqdm",
        "    4 of 4: torch",
        "    4 of 4: torch, 191.8 MB",
        "  putting them in their place ...",
    ]


# What it refuses, with the real pip and a package made here.


@pytest.fixture
def requirement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A wheel in a folder that pip looks into; its pin and its hash."""
    info = "tiny_thing-1.0.dist-info"
    wheel = tmp_path / "tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_thing.py", "")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "there"))
    monkeypatch.setenv("UV", "")
    monkeypatch.setattr(install, "HERE", tmp_path)
    return f"tiny-thing==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def test_a_package_of_the_lock_is_installed(requirement: str, tmp_path: Path) -> None:
    (tmp_path / "readers.txt").write_text(requirement)
    install.install_lists(("readers",))
    assert (tmp_path / "there" / "tiny_thing.py").exists()


@pytest.mark.parametrize("how", ["another hash", "no hash"])
def test_another_package_than_the_locked_one_is_refused(
    requirement: str, tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    last = "0" if requirement[-1] != "0" else "1"
    line = requirement[:-1] + last if how == "another hash" else requirement.split()[0]
    (tmp_path / "readers.txt").write_text(line)
    with pytest.raises(SystemExit, match="could not be installed"):
        install.install_lists(("readers",))
    assert "hash" in capfd.readouterr().err.lower()
    assert not (tmp_path / "there").exists()


def test_uv_that_cannot_is_followed_by_pip(
    requirement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/asked\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("UV", str(program))
    (tmp_path / "readers.txt").write_text(requirement)
    install.install_lists(("readers",))
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(f"pip install --python {sys.executable} --no-deps --require-hashes")
    assert (tmp_path / "there" / "tiny_thing.py").exists()


# How it recovers: the Makefile's part.


def plan(folder: Path, target: str, *stamps: str) -> str:
    """What `make` would do in a copy of the project that has got as far as these stamps."""
    (folder / ".venv").mkdir(exist_ok=True)
    for name in ["Makefile", "pyproject.toml"]:
        (folder / name).write_text((ROOT / name).read_text())
    (folder / "requirements").mkdir(exist_ok=True)
    for path in (ROOT / "requirements").iterdir():
        if path.is_file():
            copy = folder / "requirements" / path.name
            copy.write_text("")
            os.utime(copy, (0, 0))
    os.utime(folder / "pyproject.toml", (0, 0))
    for stamp in stamps:
        (folder / ".venv" / stamp).touch()
    command = ["make", "--dry-run", target]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_set_up_that_was_interrupted_starts_again(tmp_path: Path) -> None:
    said = plan(tmp_path, "html")
    assert "test -e .venv/.ready || python3 -m venv --clear .venv" in said
    stamp = said.index("touch .venv/.ready")
    assert said.index("rm -f .venv/.ready") < said.index("install.py readers") < stamp
    assert "contributors" not in said, "a reader needs the first list only"
    for stamps in [(".ready",), (".ready", ".ready-contributors")]:
        assert "install.py" not in plan(tmp_path, "html", *stamps)


def test_contributors_get_the_rest(tmp_path: Path) -> None:
    said = plan(tmp_path, "lint", ".ready")
    assert "install.py readers" not in said
    # Interrupted here, neither stamp is left: the next set-up starts from an empty .venv.
    clear = said.index("rm -f .venv/.ready .venv/.ready-contributors")
    assert clear < said.index("install.py contributors") < said.index("touch .venv/.ready")
    assert "install.py" not in plan(tmp_path, "lint", ".ready", ".ready-contributors")
