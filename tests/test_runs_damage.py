"""What is damaged, full or gone is one sentence, and stops no other run."""

import errno
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from test_runs import finished
from tiny import note, tiny

from gannotes import recipes, results, runs
from gannotes.__main__ import main
from gannotes.runs import files

RUN = {"recipe": "note", "seed": 0, "device": "cpu", "threads": 1, "settings": {}, "made": 1.0}
SITTING = {"state": "done", "host": "h", "pid": 1, "born": "1", "began": 1.0, "seconds": 1.0}
NO_JSON = [b"", b"{", b"\xff", b"null", b"[]", b"7", b'{"a":' * 100_000, b"{}", b"1" * 5_000]
WRONG = [
    *((RUN, "recipe", value) for value in (3, None, ["note"])),
    *((RUN, "seed", value) for value in (True, 2.5, "0", -1, 10**30)),
    *((RUN, "device", value) for value in (0, None)),
    *((RUN, "threads", value) for value in (True, "2", -1)),
    *((RUN, "settings", value) for value in ([], None, "steps")),
    *((RUN, "made", value) for value in ("now", math.nan, math.inf, -1.0, 10**400)),
    *((SITTING, "state", value) for value in ("dancing", None, [], "damaged")),
    *((SITTING, "host", value) for value in (None, 7)),
    *((SITTING, "pid", value) for value in ("1", 1.5, True, -1)),
    *((SITTING, "born", value) for value in (7, ["1"])),
    *((SITTING, "began", value) for value in (None, "now", math.nan, 10**400)),
    *((SITTING, "seconds", value) for value in (None, -1.0, math.nan, math.inf, 10**400)),
]
CASES = [(name, content) for name in ("run.json", "sitting-0.json") for content in NO_JSON] + [
    (
        "run.json" if fields is RUN else "sitting-0.json",
        json.dumps({**fields, key: value}).encode(),
    )
    for fields, key, value in WRONG
]


@pytest.fixture
def known(monkeypatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "note", note)


def stopped(capsys, *words: object) -> tuple[int, str, str]:
    """How a command ends, and what it prints."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("name", "content"), CASES)
def test_a_damaged_file_is_one_sentence_and_stops_no_other_run(tmp_path, capsys, name, content):
    damaged, other = (runs.lay_out(tmp_path, "note", seed) for seed in range(2))
    (damaged.folder / name).write_bytes(content)
    main(["status", str(tmp_path)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "note/seed-0" in line]
    assert lines[0].split()[:2] == ["note/seed-0", "damaged"]
    assert name in lines[0]
    code, _, said = stopped(capsys, "resume", tmp_path)
    assert (code, said.count("\n")) == (1, 1)
    assert f"note/seed-0: {name}: " in said
    assert runs.state(runs.read(other.folder)) == "done"
    code, out, _ = stopped(capsys, "report", tmp_path)
    assert code == 1
    assert "note/seed-1: done" in out
    assert (damaged.folder / name).read_bytes() == content
    assert runs.claim(runs.find(tmp_path)[-1]) is None
    assert runs.beside(other.folder, "note") == other.folder


@pytest.mark.usefixtures("known")
def test_a_run_of_a_later_version_stops_no_other(tmp_path, capsys):
    later, other = (runs.lay_out(tmp_path, name, 0) for name in ("of a later version", "note"))
    code, _, said = stopped(capsys, "resume", tmp_path)
    assert code == 1
    assert "of a later version/seed-0: run.json: expected one of the recipes" in said
    assert [runs.state(runs.read(run.folder)) for run in (later, other)] == ["waiting", "done"]


# While they run.


def lose(out: Path, **given: object) -> None:
    shutil.rmtree(out)


def garble(out: Path, **given: object) -> None:
    raise ValueError("a name of another system: \udcff, and \x1b[2J")


def fill(out: Path, **given: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("trouble", [lose, garble, fill])
def test_a_run_in_trouble_stops_no_other(tmp_path, trouble, capsys):
    first, second = (runs.lay_out(tmp_path, "note", seed) for seed in range(2))
    ends = [end for _, end in runs.work([(first, trouble), (second, note)])]
    assert ends == ["failed", "done"]
    if trouble is not lose:
        assert runs.state(runs.read(first.folder)) == "failed"
        main(["status", str(tmp_path)])
        said = capsys.readouterr().out
        assert "1 failed, 1 done" in said
        assert "Error: " in said
        assert "\x1b" not in said


def test_a_folder_that_is_gone_is_told_and_stops_no_other(tmp_path, capsys):
    first, second = (runs.lay_out(tmp_path, "note", seed) for seed in range(2))
    shutil.rmtree(first.folder)
    ends = [end for _, end in runs.work([(first, note), (second, note)])]
    assert ends == ["failed", "done"]
    assert "note/seed-0: [Errno 2]" in capsys.readouterr().err


def test_on_a_full_disk_the_last_word_takes_the_place_of_an_earlier_one(
    tmp_path, monkeypatch, capsys
):
    first, second = (runs.lay_out(tmp_path, "note", seed) for seed in range(2))
    write, text = files._write_beside, Path.write_text

    def refuse(path: Path) -> None:
        if path.parent == first.folder:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_beside(path, record):
        refuse(path)
        return write(path, record)

    def write_text(path, *words, **more):
        refuse(path)
        return text(path, *words, **more)

    def full(out, **given):
        monkeypatch.setattr(files, "_write_beside", write_beside)
        monkeypatch.setattr(Path, "write_text", write_text)
        raise OSError(errno.ENOSPC, "No space left on device")

    ends = [end for _, end in runs.work([(first, full), (second, note)])]
    assert ends == ["failed", "done"]
    assert "No space left" in capsys.readouterr().err
    assert runs.state(runs.read(first.folder)) == "failed"
    main(["status", str(tmp_path)])
    assert "1 failed, 1 done" in capsys.readouterr().out
    monkeypatch.undo()
    assert runs.attempt(runs.read(first.folder), note) == "done"


def test_a_claim_on_a_full_disk_leaves_no_half_of_a_file(tmp_path, monkeypatch):
    run = runs.lay_out(tmp_path, "note", 0)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert runs.attempt(run, note) == "failed"
    assert [path.name for path in run.folder.iterdir()] == ["run.json"]


# What they leave.


def test_a_damaged_checkpoint_stops_no_status(tmp_path):
    run = runs.lay_out(tmp_path, "note", 0)
    runs.say(runs.claim(run), 20.0, "interrupted")
    (run.folder / "x.checkpoint").write_bytes(b"damaged")
    line = runs.table(runs.find(tmp_path)).splitlines()[1]
    assert line.split() == ["note/seed-0", "interrupted", "20", "s", "?"]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_failed_run_that_cannot_say_why_stops_no_status(tmp_path, content):
    run = runs.lay_out(tmp_path, "note", 0)
    runs.say(runs.claim(run), 20.0, "failed")
    if content is not None:
        (run.folder / "traceback.txt").write_bytes(content)
    assert "(traceback.txt)" in runs.table(runs.find(tmp_path))


def test_damaged_weights_and_tables_stop_no_report(tmp_path):
    folder = finished(tmp_path, "four_points", 0, results.FOLDER / "four_points.csv")
    (folder / "four_points_vae.safetensors").write_bytes(b"damaged")
    (folder / "four_points_avb.csv").write_text("a,b\n1,2,3\n")
    (folder / "four_points_x.csv").write_bytes(b"a\n\xff\n")
    lines = runs.report(runs.find(tmp_path), tmp_path / "report", recipes.SWEEPS)
    text = "\n".join(lines)
    assert "four_points_vae.safetensors: DAMAGED, " in text
    assert "four_points.csv: 16 of 16 rows agree" in text
    assert text.count("DAMAGED") >= 3


def test_a_sweep_that_cannot_be_gathered_stops_no_other(tmp_path):
    def gather(parts, out, seed):
        raise ValueError("a table is ragged")

    for seed in range(2):
        finished(tmp_path, "x", seed)
    sweeps = {
        "bad": SimpleNamespace(runs=lambda seed: [("x", seed)], gather=gather),
        "good": SimpleNamespace(runs=lambda seed: [("x", seed)], gather=lambda *parts: None),
    }
    text = "\n".join(runs.report(runs.find(tmp_path), tmp_path / "report", sweeps))
    assert "bad, seed 0, from 1 runs: DAMAGED, ValueError: a table is ragged" in text
    assert "good, seed 1, from 1 runs: " in text


# What is refused before a folder is made.


@pytest.mark.parametrize("recipe", ["../x", "a/b", "/x", "..", ".", "", ".hidden", "a\0b", 7, None])
def test_a_recipe_is_a_name(tmp_path, recipe):
    with pytest.raises(ValueError, match=r"recipe: expected a name, got "):
        runs.lay_out(tmp_path / "runs", recipe, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [True, 2.5, "1", None, -1, 2**63])
def test_seeds_and_threads_are_integers(tmp_path, value):
    with pytest.raises(ValueError, match=r"seed: expected an integer >= 0, got "):
        runs.lay_out(tmp_path, "x", value)
    with pytest.raises(ValueError, match=r"threads: expected an integer >= 1, got "):
        runs.lay_out(tmp_path, "x", 0, threads=value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value",
    [torch.ones(2), math.nan, [math.inf], (1, 2), [(1, 2)], {1: 2}, {1, 2}, tiny, b"1", 1j],
)
def test_a_setting_is_what_a_file_keeps(tmp_path, value):
    with pytest.raises(ValueError, match=r"settings: expected words, .* for 'a'"):
        runs.lay_out(tmp_path, "x", 0, settings={"a": value})
    assert not list(tmp_path.iterdir())


def test_other_arguments_are_refused_before_a_folder_is_made(tmp_path):
    for settings in ([1], {1: 2}):
        with pytest.raises(ValueError, match="settings: expected"):
            runs.lay_out(tmp_path, "x", 0, settings=settings)
    for device in ("abacus", 1.5, None):
        with pytest.raises(ValueError, match="device: expected one of torch's, got"):
            runs.lay_out(tmp_path, "x", 0, device=device)
    with pytest.raises(ValueError, match="out: expected a folder that can be made, got '.*name"):
        runs.lay_out(tmp_path / ("x" * 5_000), "x", 0)
    for jobs in (0, True, 2.5):
        with pytest.raises(ValueError, match="jobs: expected an integer >= 1, got"):
            runs.work([], jobs=jobs)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [1, 0.5, "word", None, True, [1, 2], {"a": [None]}])
def test_a_setting_that_is_kept_is_the_same_the_second_time(tmp_path, value):
    first, second = (runs.lay_out(tmp_path, "x", 0, settings={"a": value}) for _ in range(2))
    assert first.configuration["settings"] == second.configuration["settings"] == {"a": value}


def test_the_weights_of_another_architecture_are_told(tmp_path):
    folder = finished(tmp_path, "four_points", 0)
    save_file({"a": torch.ones(1)}, folder / "four_points_vae.safetensors")
    assert "another architecture" in "\n".join(runs.agreement(folder))
