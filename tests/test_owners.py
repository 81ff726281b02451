"""A live owner is never taken for dead, a dead one never for alive, a finished run never begun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_runs import process, wait_until
from tiny import halting, note, scribble

from gannotes import runs
from gannotes.runs import files, folder, owners, workers

WEEK = 7 * 24 * 3_600


class Claimed:
    """A run that this process has claimed, and whose sitting the test rewrites."""

    def __init__(self, out: Path) -> None:
        self.run = runs.lay_out(out, "x", 0)
        sitting = runs.claim(self.run)
        assert sitting is not None
        self.sitting, self.mine = sitting, json.loads(sitting.read_text())

    def state(self, age: float = 0.0, **changes: object) -> str:
        """What others see if the last sign of life is of some age, by the clock of the disk."""
        runs.replace(self.sitting, {**self.mine, **changes})
        beat = self.sitting.stat().st_mtime - age
        os.utime(self.sitting, (beat, beat))
        return runs.state(runs.read(self.run.folder))


@pytest.fixture
def claimed(tmp_path) -> Claimed:
    return Claimed(tmp_path)


@pytest.mark.parametrize("age", [0, 3_600, -WEEK])
def test_on_its_own_machine_a_process_lives_as_long_as_it_is_there(claimed, age):
    """However silent it is: it may be stopped, and the clock of the disk may be wrong."""
    assert claimed.state(age) == "running"
    assert claimed.state(age, born="another process with this number") == "interrupted"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet buried
    assert claimed.state(age, pid=gone.pid) == "interrupted"
    gone.wait()
    assert claimed.state(age, pid=gone.pid) == "interrupted"
    assert claimed.state(age, pid=2**62) == "interrupted"


@pytest.mark.parametrize("here", ["another boot/1", "{boot}/1", None])
def test_elsewhere_a_process_lives_as_long_as_it_gives_signs(claimed, here):
    """Also in a container of this machine and of this name, whose numbers are its own."""
    boot = claimed.mine["place"].partition("/")[0]
    there = {"place": here and here.format(boot=boot), "pid": 2**22 + 1, "born": "1"}
    assert claimed.state(**there) == "running"
    assert claimed.state(owners.SILENCE - 60, **there) == "running"
    for age in (owners.SILENCE + 60, -WEEK):
        assert claimed.state(age, **there) == "interrupted"


@pytest.mark.parametrize("minutes", [10, -10])
def test_signs_of_life_are_of_the_clock_of_the_disk(claimed, monkeypatch, minutes):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60 * minutes)
    assert claimed.state(place="elsewhere") == "running"
    assert claimed.state(owners.SILENCE + 60, place="elsewhere") == "interrupted"
    assert not list(claimed.run.folder.glob(".*"))


def test_who_may_only_read_has_a_clock_of_its_own(claimed, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(Path, "touch", refuse)
    assert claimed.state(place="elsewhere") == "running"
    assert claimed.state(owners.SILENCE + 60, place="elsewhere") == "interrupted"


def test_a_process_that_the_system_hides_has_to_give_signs(claimed, monkeypatch):
    """Of another user, where nobody sees those of others."""

    def hide(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", hide)
    hidden = {"pid": 2**22 + 1}
    assert claimed.state(**hidden) == "running"
    assert claimed.state(owners.SILENCE + 60, **hidden) == "interrupted"


def test_a_job_that_the_cluster_starts_again_takes_the_place_of_its_former_self(
    tmp_path, monkeypatch
):
    """At once, wherever that was; other processes of the same start do not."""
    for name, value in {"CLUSTER_NAME": "c", "JOB_ID": "7"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    claimed = Claimed(tmp_path)
    assert claimed.state(place="elsewhere") == "running"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert claimed.state() == claimed.state(place="elsewhere") == "interrupted"
    assert claimed.state(start=1) == claimed.state(job="c:8") == "running"
    assert claimed.state(start="first") == claimed.state(job=None) == "running"


# A finished run is not begun again.


def test_an_owner_who_is_found_dead_may_have_finished(tmp_path):
    run = runs.lay_out(tmp_path, "x", 0)
    sitting = runs.claim(run)
    early = runs.read(run.folder)
    dead = {**json.loads(sitting.read_text()), "born": "before"}
    early = early._replace(sittings=[{**dead, "beat": 0.0}])  # as it was read
    runs.replace(sitting, {**dead, "state": "done"})  # its last word since
    assert runs.state(early) == "done"
    assert runs.claim(early) is None
    assert not (run.folder / "sitting-1.json").exists()


def test_an_old_reading_of_a_process_that_lives_does_not_kill_it(tmp_path):
    claimed = Claimed(tmp_path)
    claimed.state(place="elsewhere")
    early = runs.read(claimed.run.folder)
    old = early._replace(sittings=[{**early.sittings[0], "beat": 0.0}])
    assert runs.state(old) == "running"


def test_an_owner_who_was_only_silent_may_finish_while_its_run_is_claimed(tmp_path, monkeypatch):
    claimed = Claimed(tmp_path)
    assert claimed.state(3_600, place="elsewhere") == "interrupted"
    found, create = runs.read(claimed.run.folder), files.create

    def late(path, record) -> bool:
        runs.say(claimed.sitting, 9.0, "done")
        return create(path, record)

    monkeypatch.setattr(files, "create", late)
    assert runs.claim(found) is None
    run = runs.read(claimed.run.folder)
    assert [runs.state(run), run.seconds, len(run.sittings)] == ["done", 9.0, 2]


def test_whoever_is_replaced_at_its_last_word_leaves_the_checkpoint(tmp_path, monkeypatch):
    run, say = runs.lay_out(tmp_path, "x", 0), folder.say

    def late(sitting, seconds, state="running"):
        say(sitting, seconds, state)
        if state == "done":
            runs.replace(run.folder / "sitting-1.json", json.loads(sitting.read_text()))

    def recipe(out, **given):
        out.joinpath("x.checkpoint.tmp").touch()

    monkeypatch.setattr(folder, "say", late)
    assert runs.attempt(run, recipe) == "taken"
    assert (run.folder / "x.checkpoint.tmp").exists()


def scribble_on(out: Path) -> None:
    (run,) = runs.find(out)
    (run.folder / "end").write_text(runs.attempt(run, scribble))


def test_who_was_stopped_and_replaced_writes_nothing_when_it_wakes(tmp_path):
    run = runs.lay_out(tmp_path, "x", 0)
    scribbled = run.folder / "scribble"
    sleeper = process(scribble_on, tmp_path)
    wait_until(lambda: scribbled.exists() and scribbled.stat().st_size, sleeper)
    os.kill(sleeper.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{sleeper.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    taken = {**runs.read(run.folder).sittings[0], "place": "elsewhere"}
    runs.replace(run.folder / "sitting-1.json", taken)
    before = scribbled.read_text().count("\n")
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join()
    assert scribbled.read_text().count("\n") <= before + 1  # what it was about to write
    assert (run.folder / "end").read_text() == "taken"
    assert runs.read(run.folder).sittings[0]["state"] == "running"
    assert runs.state(runs.read(run.folder)) == "running"


def test_what_killed_claims_left_is_swept_away(tmp_path):
    run = runs.lay_out(tmp_path, "note", 0)
    for name in ("run", "sitting-0", "sitting-3"):
        (run.folder / f".{name}.json.0123").write_text('{"state":')
    assert runs.attempt(run, note) == "done"
    assert not list(run.folder.glob(".*"))


def test_whose_claim_was_swept_away_comes_too_late(tmp_path, monkeypatch):
    def sweep(source, target):
        Path(source).unlink()
        raise FileNotFoundError

    run = runs.lay_out(tmp_path, "x", 0)
    monkeypatch.setattr(os, "link", sweep)
    assert runs.claim(run) is None


def test_signals_are_as_they_were_after_a_run(tmp_path):
    before = signal.getsignal(workers.AWAKE)
    run = runs.lay_out(tmp_path, "halting", 0)
    (run.folder / "go on").touch()
    assert runs.attempt(run, lambda out, **given: halting(out, steps=3, halt=1)) == "done"
    assert signal.getsignal(workers.AWAKE) == before
