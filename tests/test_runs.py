"""Killed runs end with the same bits; of many processes one computes each; tables agree."""

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import note, spoil, tiny

from gannotes import recipes, results, runs, weights
from gannotes.__main__ import main
from gannotes.checkpoint import Checkpoint, progress
from gannotes.recipes.ship import ship
from gannotes.runs import workers


def process(target, *args) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gannotes.__main__", "torch._dynamo"])  # else each imports it
    started = context.Process(target=target, args=args)
    started.start()
    return started


def go_on(out: Path) -> None:
    """What `resume` does with the only run of a folder."""
    (run,) = runs.find(out)
    runs.attempt(run, tiny)


def wait_until(true, process=None) -> None:
    """Look again and again; a process that ends first will not make it true."""
    for _ in range(30_000):
        if true() or (process is not None and process.exitcode is not None):
            return
        time.sleep(0.004)
    raise TimeoutError


# Killed and resumed.


def test_a_run_that_is_killed_again_and_again_leaves_the_same_bits(tmp_path):
    alone, killed = (runs.lay_out(tmp_path / name, "tiny", 3).folder for name in ("a", "b"))
    assert runs.attempt(runs.read(alone), tiny) == "done"
    moments, file, kills = random.Random(0), killed / "tiny.checkpoint", 0
    for _ in range(5):
        run = process(go_on, killed.parents[1])
        seen, least = progress(file)[0] if file.exists() else 0, moments.randint(1, 4) * 10
        wait_until(lambda s=seen, n=least: file.exists() and progress(file)[0] >= s + n, run)
        run.kill()
        run.join()
        if run.exitcode == -signal.SIGKILL:
            kills += 1
            assert runs.state(runs.read(killed)) == "interrupted"
    assert kills >= 3
    go_on(killed.parents[1])
    assert runs.state(runs.read(killed)) == "done"
    for name in ("tiny.safetensors", "tiny_3.csv", "tiny.history.safetensors"):
        assert (alone / name).read_bytes() == (killed / name).read_bytes(), name
    assert len(load_file(killed / "tiny.history.safetensors")["value"]) == 200
    assert not file.exists()
    whole = runs.read(killed)
    assert whole.configuration["sittings"] == len(whole.sittings) == kills + 1
    assert whole.configuration["seconds"] == pytest.approx(whole.seconds, abs=0.5)
    assert whole.configuration["torch"] == torch.__version__
    assert whole.configuration["started"] <= whole.configuration["finished"]


def test_another_seed_ends_elsewhere(tmp_path):
    ends = []
    for seed in (0, 1):
        run = runs.lay_out(tmp_path, "tiny", seed, settings={"steps": 5})
        assert runs.attempt(run, tiny) == "done"
        ends.append(load_file(run.folder / "tiny.safetensors")["G.0.weight"])
    assert not torch.equal(*ends)


def test_a_recipe_gets_the_threads_and_the_settings_that_were_laid_out(tmp_path):
    run = runs.lay_out(tmp_path, "x", 4, threads=2, settings={"steps": 7, "k": None})

    def ask(out, **given):
        (out / "given").write_text(json.dumps([torch.get_num_threads(), given]))

    try:
        assert runs.attempt(run, ask) == "done"
    finally:
        torch.set_num_threads(1)
    told = json.loads((run.folder / "given").read_text())
    assert told == [2, {"seed": 4, "device": "cpu", "steps": 7, "k": None}]


def test_a_failed_run_says_why_and_can_be_tried_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES, "spoil", spoil)
    with pytest.raises(SystemExit, match="1"):
        main(["run", "spoil", "--out", str(tmp_path)])
    assert re.search("1 of 1 runs failed: .*traceback.txt", capsys.readouterr().err)
    (run,) = runs.find(tmp_path)
    assert runs.state(run) == "failed"
    assert "in spoil" in (run.folder / "traceback.txt").read_text()
    main(["status", str(tmp_path)])
    assert "FloatingPointError: step 7" in capsys.readouterr().out
    (run.folder.parent / "mended").touch()
    main(["run", "spoil", "--out", str(tmp_path)])  # does not touch it, and says what does
    assert "1 interrupted or failed before: python -m gannotes resume" in capsys.readouterr().out
    assert runs.state(runs.read(run.folder)) == "failed"
    main(["resume", str(tmp_path)])
    assert runs.state(runs.read(run.folder)) == "done"
    assert not (run.folder / "traceback.txt").exists()


def test_ctrl_c_leaves_a_run_to_be_resumed(tmp_path):
    run = runs.lay_out(tmp_path, "x", 0)

    def stop(out, **given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.attempt(run, stop)
    assert runs.state(runs.read(run.folder)) == "interrupted"


# Shared by many.


def take_all(out: Path, barrier, ends: Path) -> None:
    found = runs.find(out)  # what all of them see before anybody begins
    barrier.wait()
    ended = [end for _, end in runs.work([(run, note) for run in found])]
    ends.write_text(" ".join(ended))


def test_many_processes_compute_each_run_once_and_lose_none(tmp_path):
    for seed in range(40):
        runs.lay_out(tmp_path, "note", seed)
    compete(take_all, tmp_path)
    counted = [line.split()[0] for line in (tmp_path / "note" / "log").read_text().splitlines()]
    assert sorted(counted, key=int) == [str(seed) for seed in range(40)]
    found = runs.find(tmp_path)
    assert len(found) == 40
    assert all(runs.state(run) == "done" and len(run.sittings) == 1 for run in found)
    ends = " ".join(path.read_text() for path in tmp_path.glob("ends-*")).split()
    assert (ends.count("done"), ends.count("taken")) == (40, 80)


def compete(target, out: Path, contenders: int = 3) -> None:
    """As many processes as there are contenders, which begin together."""
    barrier = multiprocessing.get_context("forkserver").Barrier(contenders)
    all_ = [process(target, out, barrier, out / f"ends-{i}") for i in range(contenders)]
    for one in all_:
        one.join()
    assert [one.exitcode for one in all_] == [0] * contenders


def claim_and_die(out: Path) -> None:
    for run in runs.find(out):
        runs.claim(run)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_dead_process_had_claimed_is_taken_over_by_exactly_one(tmp_path):
    for seed in range(20):
        runs.lay_out(tmp_path, "note", seed)
    dead = process(claim_and_die, tmp_path)
    dead.join()
    assert all(runs.state(run) == "interrupted" for run in runs.find(tmp_path))
    compete(take_all, tmp_path)
    counted = [line.split()[0] for line in (tmp_path / "note" / "log").read_text().splitlines()]
    assert sorted(counted, key=int) == [str(seed) for seed in range(20)]
    for run in runs.find(tmp_path):
        first, second = run.sittings
        assert first["state"] == "running"  # its last word
        assert second["state"] == runs.state(run) == "done"
        assert first["pid"] == dead.pid != second["pid"]


def test_whoever_read_a_run_before_another_claimed_it_comes_too_late(tmp_path):
    """Even if the other has ended since: a claim is for what was seen."""
    early = runs.lay_out(tmp_path, "tiny", 0, settings={"steps": 3})
    late = runs.read(early.folder)
    assert runs.attempt(early, tiny) == "done"
    assert runs.attempt(late, tiny) == "taken"
    assert runs.attempt(runs.read(early.folder), tiny) == "taken"
    assert not list(early.folder.glob(".*"))  # no half-made file is left


def test_a_running_process_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "BEAT", 0.001)
    run, seen = runs.lay_out(tmp_path, "x", 0), []

    def watch(out, **given):
        wait_until(lambda: runs.read(out).seconds > 0)
        seen.append(runs.state(runs.read(out)))

    assert runs.attempt(run, watch) == "done"
    assert seen == ["running"]


def test_a_process_that_was_taken_for_dead_stops_and_leaves_the_run_to_the_other(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(workers, "BEAT", 0.001)
    run = runs.lay_out(tmp_path, "x", 0)

    def overslept(out, **given):
        assert runs.claim(runs.read(out)) is None
        runs.replace(out / "sitting-1.json", runs.read(out).sittings[0])  # as another machine does
        wait_until(lambda: False)

    assert runs.attempt(run, overslept) == "taken"
    assert runs.state(runs.read(run.folder)) == "running"
    assert "finished" not in runs.read(run.folder).configuration


def test_several_jobs_compute_all_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    tasks = [(runs.lay_out(tmp_path, "note", seed), note) for seed in range(6)]
    ended = {run.name: end for run, end in runs.work(tasks, jobs=2)}
    assert ended == {f"note/seed-{seed}": "done" for seed in range(6)}
    counted = [line.split()[0] for line in (tmp_path / "note" / "log").read_text().splitlines()]
    assert sorted(counted) == [str(seed) for seed in range(6)]
    assert os.environ.get("TQDM_DISABLE") is None


def fragile(out: Path, seed: int, device: str) -> None:
    """The first attempt kills its process."""
    with suppress(FileExistsError):
        (out / "tried").touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    note(out, seed, device)


def test_jobs_that_are_killed_are_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES, "fragile", fragile)
    words = ["run", "fragile", "--seeds", "3", "--jobs", "2", "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="1"):
        main(words)
    assert "A process was killed: python -m gannotes resume" in capsys.readouterr().err
    found = runs.find(tmp_path)
    assert len(found) == 3
    assert "interrupted" in map(runs.state, found)
    for run in found:
        (run.folder / "tried").touch()
    main(["resume", str(tmp_path)])
    assert all(runs.state(run) == "done" for run in runs.find(tmp_path))


def test_a_cluster_computes_what_is_submitted(tmp_path):
    """With submitit's executor for one machine: as on a cluster, a process for each run."""

    def here(out, seed, device):  # travels by value: a job does not find the tests
        (out.parent / f"log-{seed}").touch()

    tasks = [(runs.lay_out(tmp_path, "note", seed), here) for seed in range(2)]
    jobs = runs.submit(tasks, tmp_path / "slurm", {"cluster": "local", "timeout_min": 5})
    assert [job.result() for job in jobs] == ["done", "done"]
    assert all(runs.state(run) == "done" for run in runs.find(tmp_path))
    assert len(list((tmp_path / "note").glob("log-*"))) == 2


def test_a_cluster_that_is_not_there_is_one_clear_error(tmp_path, monkeypatch):
    task = (runs.lay_out(tmp_path, "note", 0), note)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="slurm: expected a cluster"):
        runs.submit([task], tmp_path, {"slurm_partition": "gpu"})
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"slurm: expected submitit.*pip install"):
        runs.submit([task], tmp_path, {})
    assert runs.state(runs.read(task[0].folder)) == "waiting"


# What is said about them.


def test_a_checkpoint_says_how_far_it_is(tmp_path):
    run = runs.lay_out(tmp_path, "tiny", 0, settings={"steps": 23})

    def stopped(out, **given):
        tiny(out, **given)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.attempt(run, stopped)
    assert progress(run.folder / "tiny.checkpoint") == (23, 23)
    (run.folder / "tiny.checkpoint").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="tiny.checkpoint.* is not a checkpoint"):
        progress(run.folder / "tiny.checkpoint")


def test_the_time_left_is_the_pace_so_far_or_that_of_others(tmp_path):
    """20 of 200 steps took 10 s: 90 s are left. One that waits takes as long as one that ended."""
    net = torch.nn.Linear(1, 1)
    fast, slow, done = (runs.lay_out(tmp_path, "x", seed) for seed in range(3))
    other = runs.lay_out(tmp_path, "y", 0)
    sitting = runs.claim(fast)
    runs.say(sitting, 12.0)
    Checkpoint(fast.folder / "x.checkpoint", lambda: net).write(
        [{"loss": torch.zeros(())}] * 20, total=200
    )
    saved = sitting.stat().st_mtime - 2  # two seconds ago
    os.utime(fast.folder / "x.checkpoint", (saved, saved))
    runs.say(runs.claim(done), 300.0, "done")
    found = runs.find(tmp_path)
    assert runs.estimates(found, {"x": 1.0, "y": 2.0}) == pytest.approx([90, 300, 0, 120], abs=0.1)
    assert runs.estimates(found, {})[3] is None
    lines = [line.split() for line in runs.table(found).splitlines()]
    host = f"{runs.read(fast.folder).sittings[0]['host']}:{os.getpid()}"
    assert lines[1][:8] == ["x/seed-0", "running", "20/200", "12", "s", "2", "min", host]
    assert lines[2] == ["x/seed-1", "waiting", "-", "5", "min"]
    assert lines[4] == ["y/seed-0", "waiting", "-", "?"]
    assert "1 running, 2 waiting, 1 done; more than 6 min" in runs.table(found)
    assert {slow.name, other.name} <= {line[0] for line in lines}


def test_the_list_has_a_line_for_each_recipe_and_each_sweep(capsys):
    main(["list"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    names = [line.split()[0] for line in lines]
    assert names == ["recipe", *recipes.RECIPES, "sweep", *recipes.SWEEPS]
    assert all(len(line.split()) > 5 for line in lines if "takes" not in line)
    assert re.search(r"^mnist_gan_plain +26 min ", "\n".join(lines), flags=re.M)


def test_a_sweep_is_laid_out_run_by_run_and_each_once(tmp_path, monkeypatch):
    """Two sets of three seeds."""
    laid_out = {name: note for name, _ in recipes.SWEEPS["fgan_mnist"].runs(0)}
    monkeypatch.setattr("gannotes.__main__.RECIPES", laid_out)
    main(["run", "fgan_mnist", "--seeds", "2", "--out", str(tmp_path)])
    found = [
        (run.configuration["recipe"], run.configuration["seed"]) for run in runs.find(tmp_path)
    ]
    assert len(found) == 9 * 6
    assert found[:27] == recipes.SWEEPS["fgan_mnist"].runs(0)
    assert all(runs.state(run) == "done" for run in runs.find(tmp_path))


def test_sweeps_are_made_of_recipes():
    for name, sweep in recipes.SWEEPS.items():
        first, second = (sweep.runs(seed) for seed in (0, 40))
        assert {recipe for recipe, _ in first} <= recipes.RECIPES.keys(), name
        assert not set(first) & set(second), name
        assert len(set(first)) == len(first), name


def test_every_shipped_card_names_the_run_that_made_it():
    names = recipes.RECIPES.keys() | recipes.SWEEPS.keys()
    for path in weights.FOLDER.glob("*.safetensors"):
        run = weights.about(path.stem)["run"]
        found = re.fullmatch(r"python -m gannotes run (\w+) --seed \d+", run)
        assert found[1] in names, path.name


# The tables again.


def finished(out: Path, recipe: str, seed: int, *files: Path) -> Path:
    """The folder of a run that left copies of these files."""
    run = runs.lay_out(out, recipe, seed)
    for file in files:
        shutil.copy(file, run.folder)
    runs.say(runs.claim(run), 60.0, "done")
    return run.folder


def test_a_run_that_left_what_is_shipped_agrees(tmp_path):
    files = [weights.FOLDER / f"four_points_{name}.safetensors" for name in ("vae", "avb")]
    table = results.FOLDER / "four_points.csv"
    folder = finished(tmp_path, "four_points", 0, table, *files)
    lines = runs.report(runs.find(tmp_path), tmp_path / "report", recipes.SWEEPS)
    assert [line.strip() for line in lines[:-1]] == [
        "four_points/seed-0: done, 1 min in 1 sitting",
        "four_points_avb.safetensors: identical with weights/four_points_avb.safetensors",
        "four_points_avb.md: 11 scores agree",
        "four_points_vae.safetensors: identical with weights/four_points_vae.safetensors",
        "four_points_vae.md: 11 scores agree",
        "four_points.csv: 16 of 16 rows agree with results/four_points.csv",
    ]
    assert (tmp_path / "report" / "four_points.csv").read_bytes() == table.read_bytes()

    rows = results.read(table)
    rows[3]["elbo"] *= 1.01
    results.write(folder / "four_points.csv", rows)
    state = load_file(folder / "four_points_vae.safetensors")
    next(iter(state.values())).view(-1)[0] += 0.5
    save_file(state, folder / "four_points_vae.safetensors")
    text = "\n".join(runs.agreement(folder))
    gap = f"elbo: {rows[3]['elbo']:g}, shipped {rows[3]['elbo'] / 1.01:g}"
    first = f"1 DIFFER, the first in {gap}"
    assert f"15 of 16 rows agree with results/four_points.csv; {first}" in text
    assert "DIFFERS by up to 0.5 from weights/four_points_vae" in text


def test_a_row_of_a_seed_that_is_not_shipped_is_not_compared(tmp_path):
    row = dict(results.load("fgan_mnist")[0], seed=99)
    results.write(tmp_path / "fgan_mnist_kl_99.csv", [row])
    assert runs.compare_rows(tmp_path / "fgan_mnist_kl_99.csv") == (
        "0 of 1 rows agree with results/fgan_mnist.csv, 1 are not shipped"
    )
    results.write(tmp_path / "fgan_mnist_other.csv", [{"kde": 1.0}])
    assert runs.compare_rows(tmp_path / "fgan_mnist_other.csv") == "not shipped"


def test_a_weight_of_another_seed_is_another_run(tmp_path):
    shutil.copy(weights.FOLDER / "ring.safetensors", tmp_path)
    facts = weights.about("ring")
    other = facts["run"].replace("--seed 1", "--seed 7")
    weights.tell(tmp_path / "ring.safetensors", facts | {"run": other})
    said = runs.compare_weights(tmp_path / "ring.safetensors")
    command = "python -m gannotes run ring --seed 1"
    assert said == f"weights/ring.safetensors is of another run, {command}"


def test_the_shipped_f_gan_table_is_gathered_from_its_27_runs(tmp_path, capsys):
    """Byte for byte; and with a run missing there is no table."""
    table = results.FOLDER / "fgan_mnist.csv"
    rows = {(row["divergence"], row["seed"]): row for row in results.read(table)}
    for name, seed in recipes.SWEEPS["fgan_mnist"].runs(0):
        folder = finished(tmp_path, name, seed)
        row = rows[name.removeprefix("fgan_mnist_"), seed]
        results.write(folder / f"{name}_{seed}.csv", [row])
    main(["report", str(tmp_path)])
    assert "27 of 27 rows agree with results/fgan_mnist.csv" in capsys.readouterr().out
    gathered = tmp_path / "report" / "fgan_mnist_0" / "fgan_mnist.csv"
    assert gathered.read_bytes() == table.read_bytes()
    shutil.rmtree(tmp_path / "report")
    shutil.rmtree(tmp_path / "fgan_mnist_gan" / "seed-2")
    main(["report", str(tmp_path)])
    assert "fgan_mnist, seed 0: 26 of 27 runs are done" in capsys.readouterr().out
    assert not gathered.exists()


def test_rows_of_several_seeds_are_one_table(tmp_path):
    for seed in (1, 0):
        folder = finished(tmp_path, "tiny", seed)
        results.write(folder / f"tiny_{seed}.csv", [{"spread": seed + 0.5}])
    runs.report(runs.find(tmp_path), tmp_path / "report", {})
    assert results.read(tmp_path / "report" / "tiny.csv") == [
        {"seed": 0, "spread": 0.5},
        {"seed": 1, "spread": 1.5},
    ]


def test_what_is_shipped_is_copied_from_a_run_that_is_done(tmp_path, monkeypatch, capsys):
    """The weights with their card, and a table of its own; of a sweep's run only the weights."""
    package = {"weights": weights, "results": results}
    out, table = tmp_path / "runs", results.FOLDER / "four_points.csv"
    fgan = results.read(results.FOLDER / "fgan_mnist.csv")
    ring = weights.FOLDER / "ring.safetensors"
    for name, module in package.items():
        (tmp_path / name).mkdir()
        monkeypatch.setattr(module, "FOLDER", tmp_path / name)
    with pytest.raises(
        ValueError, match="mnist_gan: expected .*seed-0 to be done, it is not there"
    ):
        ship("mnist_gan", out)
    with pytest.raises(ValueError, match="name: expected one of .*'mnist_gan'.*, got 'x'"):
        ship("x", out)
    shutil.copy(ring, tmp_path / "mnist_gan.safetensors")
    card = tmp_path / "mnist_gan.md"
    card.write_text(weights.card(tmp_path / "mnist_gan.safetensors"))
    finished(out, "mnist_gan", 0, tmp_path / "mnist_gan.safetensors", card)
    main(["ship", "mnist_gan", str(out)])
    assert capsys.readouterr().out == "mnist_gan.safetensors: not shipped\n"
    assert {path.name for path in weights.FOLDER.iterdir()} == {
        "mnist_gan.safetensors",
        "mnist_gan.md",
    }
    main(["ship", "mnist_gan", str(out)])
    assert "identical with weights/mnist_gan.safetensors" in capsys.readouterr().out
    folder = finished(out, "vae_kde", 0, table)
    (folder / table.name).rename(folder / "vae_kde.csv")
    assert ship("vae_kde", out) == ["vae_kde.csv: not shipped"]
    assert (results.FOLDER / "vae_kde.csv").read_bytes() == table.read_bytes()
    for name, seed in recipes.SWEEPS["fgan_mnist"].runs(0):
        row = next(r for r in fgan if (name, seed) == (f"fgan_mnist_{r['divergence']}", r["seed"]))
        results.write(finished(out, name, seed) / f"{name}_{seed}.csv", [row])
    assert ship("fgan_mnist_kl", out) == []
    assert ship("fgan_mnist", out) == ["fgan_mnist.csv: not shipped"]
    assert results.read(results.FOLDER / "fgan_mnist.csv") == fgan
