"""The command line: readable, obedient, and one sentence for whatever is not in order."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_runs import finished
from test_runs_damage import stopped
from tiny import note, spoil

import gannotes
from gannotes import recipes, results, runs, weights
from gannotes.__main__ import main
from gannotes.checkpoint import Checkpoint

ROOT = Path(gannotes.__file__).parents[1]


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(recipes.RECIPES, "note", note)
    monkeypatch.setitem(recipes.RECIPES, "spoil", spoil)


# How it ends.


def test_there_is_a_program_and_it_has_a_version(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"gannotes": "gannotes.__main__:main"}
    assert stopped(capsys, "--version") == (0, f"gannotes {gannotes.__version__}\n", "")


def test_whoever_reads_the_first_line_only_sees_no_traceback():
    command = f"{sys.executable} -m gannotes list | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("recipe ")


def interrupt(out: Path, **given: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES, "note", interrupt)
    code, _, said = stopped(capsys, "run", "note")
    assert (code, said) == (130, "Interrupted: python -m gannotes resume runs\n")
    assert runs.state(runs.find(Path("runs"))[0]) == "interrupted"
    monkeypatch.setattr(runs, "find", interrupt)
    assert stopped(capsys, "status")[0] == 130


def test_a_report_ends_with_1_where_numbers_differ(tmp_path, capsys):
    table = results.FOLDER / "four_points.csv"
    folder = finished(tmp_path, "four_points", 0, table, weights.FOLDER / "ring.safetensors")
    main(["report", str(tmp_path)])
    capsys.readouterr()
    state = load_file(folder / "ring.safetensors")
    next(iter(state.values())).view(-1)[0] += 0.5
    save_file(state, folder / "ring.safetensors")
    code, out, said = stopped(capsys, "report", tmp_path)
    assert code == 1
    assert "DIFFERS by up to 0.5 from weights/ring.safetensors" in out
    assert re.fullmatch(r"1 of \d+ lines differ or are damaged\n", said)


# What is refused, in one sentence and before anything is made.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "mnist_gna"], "expected a recipe or a sweep, got 'mnist_gna'; did you mean mnist"),
        (["run", "zzzz"], "got 'zzzz'; python -m gannotes list has them"),
        (["run", "note", "--seed", "-1"], "expected an integer >= 0 and <= 9223372036854775807"),
        (["run", "note", "--seed", "9" * 5_000], "expected an integer >= 0"),
        (["run", "note", "--seeds", "0"], "expected an integer >= 1 and <= 10000, got 0"),
        (["run", "note", "--seeds", f"{10**23}"], "expected an integer >= 1 and <= 10000, got 1"),
        (["run", "note", "--seeds", "2", "--seed", "1"], "not allowed with"),
        (["run", "note", "--jobs", "none"], "expected an integer >= 1 and <= 10000, got none"),
        (["run", "note", "--jobs", f"{10**23}"], "expected an integer >= 1"),
        (["run", "note", "--threads", f"{10**23}"], "expected an integer >= 1"),
        (["run", "note", "--steps", f"{10**23}"], "expected an integer >= 1"),
        (["run", "note", "--slurm", "gpu"], "expected KEY=VALUE, got 'gpu'"),
        (["run", "note", "--slurm", "cluster=debug", "timeout_min=abc"], "slurm: expected a clus"),
        (["run", "note", "--slurm", "name=x"], "slurm: expected other parameters"),
        (["run", "note", "--device", "abacus"], "device: expected one that is here"),
        (["run", "note", "--out", "x" * 5_000], "out: expected a folder that can be made"),
        (["run", "note", "--out", "/proc/x"], "out: expected a folder that can be made"),
        (["run", "mnist_classifier", "--steps", "3"], "steps: expected none, mnist_classifier has"),
        (["status", "nowhere"], "folder: expected one with runs"),
        (["status", "x" * 5_000], "File name too long"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words, message, capsys):
    code, out, said = stopped(capsys, *words)
    assert (code, out) == (2, "")
    assert message in said
    assert len([line for line in said.splitlines() if "usage" not in line and line[0] != " "]) == 1
    assert not list(Path().iterdir())


def test_without_submitit_no_run_is_left_waiting(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, _, said = stopped(capsys, "run", "note", "--slurm", "slurm_partition=gpu")
    assert code == 2
    assert "slurm: expected submitit, install it with pip install 'gannotes[slurm]'" in said
    assert not list(Path().iterdir())


def test_a_run_that_was_laid_out_otherwise_is_left_as_it_is(tmp_path, capsys):
    run = runs.lay_out(tmp_path / "runs", "note", 0)
    code, _, said = stopped(capsys, "run", "note", "--threads", 2)
    assert code == 2
    assert "threads: expected 1, with which" in said
    assert "got 2; take another folder" in said
    assert runs.state(runs.read(run.folder)) == "waiting"
    (tmp_path / "file").write_text("mine")
    assert "out: expected a folder" in stopped(capsys, "run", "note", "--out", "file")[2]


# What it prints.


def marked(out: Path, seed: int, device: str) -> None:
    """Fit :math:`E|G(x) - y|_1` by `gannotes.optim`: the upper bound."""


def test_the_list_is_text(monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES, "marked", marked)
    main(["list"])
    said = capsys.readouterr().out
    assert "  Fit E|G(x) - y|_1 by gannotes.optim: the upper bound.\n" in said
    assert not re.search(r":\w+:`|`", said)
    assert not re.search(r" (0|0 s|\?) ", said)


def test_nothing_to_do_is_said_without_a_bar(capsys):
    main(["run", "note"])
    assert capsys.readouterr() == (
        "note/seed-0: done\nIn runs/: python -m gannotes report runs\n",
        "",
    )
    for words in (["run", "note"], ["resume"], ["resume", "--jobs", "2"]):
        main(words)
        said = "Nothing waits in runs/: python -m gannotes report runs\n"
        assert capsys.readouterr() == (said, "")


def test_nothing_to_submit_is_said_without_a_warning(capsys):
    main(["run", "note"])
    capsys.readouterr()
    main(["resume", "--slurm", "cluster=local"])
    said = "Submitted nothing: python -m gannotes status runs\n"
    assert capsys.readouterr() == (said, "")


def test_the_status_before_the_first_sign_of_life_promises_nothing(tmp_path):
    run = runs.lay_out(tmp_path, "x", 0)
    assert runs.claim(run)
    net = torch.nn.Linear(1, 1)
    rows = [{"loss": torch.zeros(())}] * 50
    Checkpoint(run.folder / "x.checkpoint", lambda: net).write(rows, total=200)
    (line,) = (line for line in runs.table(runs.find(tmp_path)).splitlines() if "x/seed" in line)
    assert re.match(r"x/seed-0 +running +50/200 +< 10 s +\? ", line)
    (line,) = (line for line in runs.table(runs.find(tmp_path), {"x": 4.0}).splitlines()[1:2])
    assert re.match(r"x/seed-0 +running +50/200 +< 10 s +3 min ", line)


def test_a_failed_run_among_several_ends_with_1_after_all_others(capsys):
    runs.lay_out(Path("runs"), "spoil", 0)
    runs.lay_out(Path("runs"), "note", 0)
    code, out, said = stopped(capsys, "resume")
    assert (code, out) == (1, "spoil/seed-0: failed\nnote/seed-0: done\n")
    assert said == f"1 of 2 runs failed: {Path('runs/spoil/seed-0/traceback.txt')}\n"
    shutil.rmtree("runs/spoil")
    main(["resume"])


# What is asked for is done.


def test_only_the_command_line_sets_the_number_of_threads():
    """A recipe that did would undo `--threads`."""
    package = Path(gannotes.__file__).parent
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "set_num_threads"
    ]
    assert found == ["runs/workers.py"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_threads_that_are_asked_for_are_used(tmp_path, jobs):
    """Whatever this process had before, and the environment says."""
    tasks = [(runs.lay_out(tmp_path, "x", seed, threads=2), tell_threads) for seed in range(2)]
    try:
        assert [end for _, end in runs.work(tasks, jobs)] == ["done", "done"]
    finally:
        torch.set_num_threads(1)
    assert [(run.folder / "threads").read_text() for run, _ in tasks] == ["2", "2"]


def tell_threads(out: Path, **given: object) -> None:
    (out / "threads").write_text(str(torch.get_num_threads()))
