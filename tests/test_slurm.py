"""On a Slurm cluster, whatever strikes a job, its run is computed once, to the same bits."""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import Cluster, missing, wait_until
from tiny import halting, tiny

from gannotes import recipes, runs
from gannotes.__main__ import main

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parent
STRUCK = ["requeued", "preempted", "out of time", "cancelled", "on a dead node"]  # seeds 0 to 4
WHERE = {
    "preempted": ["slurm_partition=low"],
    "out of time": ["timeout_min=2", "slurm_signal_delay_s=60"],
    "on a dead node": ["slurm_partition=both", "slurm_nodelist=n2"],
}


class Storm:
    """Runs of one folder, and what can happen to them on a cluster."""

    def __init__(self, cluster: Cluster, out: Path) -> None:
        self.cluster, self.out, self.said = cluster, out, dict[str, str]()

    def run(self, how: str) -> runs.Run:
        run = runs.read(self.out / "halting" / f"seed-{STRUCK.index(how)}")
        return runs.in_queue([run])[0]

    def until(self, how: str, *states: str) -> None:
        wait_until(lambda: runs.state(self.run(how)) in states, f"{how}: {states}", 300)

    def halted(self, how: str) -> None:
        wait_until((self.run(how).folder / "halted").exists, f"{how}: a halt", 300)

    def submit(self, how: str) -> None:
        seed = str(STRUCK.index(how))
        where = ["timeout_min=30", *WHERE.get(how, [])]
        main(["run", "halting", "--seed", seed, "--out", str(self.out), "--slurm", *where])

    def say(self, *words: str) -> str:
        """What the command line prints."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            main([words[0], str(self.out), *words[1:]])
        return said.getvalue()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """One for all tests. Without Slurm they are skipped, and say so; under CI=true they fail."""
    if missing() and not os.environ.get("CI"):
        pytest.skip(f"{missing()} are not here: NO Slurm test runs")
    up = Cluster(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{TESTS.parent}:{TESTS}")
        patch.setenv("SLURM_CONF", up.environment["SLURM_CONF"])
        patch.setitem(recipes.RECIPES, "halting", halting)
        try:
            up.start()
            yield up
        finally:
            up.stop()


@pytest.fixture(scope="module")
def storm(cluster, tmp_path_factory) -> Storm:
    """Five runs halt at step 105, each is struck by something else, and all go on."""
    storm = Storm(cluster, tmp_path_factory.mktemp("runs"))
    for how in STRUCK:
        storm.submit(how)
    for how in STRUCK:
        storm.halted(how)
    strike_the_controller(storm)
    for strike in (preempt, requeue, cancel, lose_a_node):
        strike(storm)
    for how in STRUCK:
        storm.until(how, "done")
    wait_until(lambda: not cluster.say("squeue", "-h"), "an empty queue")
    return storm


def strike_the_controller(storm: Storm) -> None:
    storm.cluster.kill("slurmctld")
    storm.said["status without a controller"] = storm.say("status")
    storm.cluster.start_one("slurmctld")
    wait_until(lambda: len(storm.cluster.say("squeue", "-h").splitlines()) == 5, "all jobs")


def preempt(storm: Storm) -> None:
    """Three CPUs of the node's four are busy: two are asked for by a job that comes first."""
    storm.cluster.say(
        "sbatch", "-p", "high", "-n", "1", "-c", "1", "-o", "/dev/null", "--wrap", "sleep 1"
    )
    wait_until(lambda: storm.run("preempted").sittings[1:], "the preempted job", 300)


def requeue(storm: Storm) -> None:
    storm.cluster.say("scontrol", "requeue", storm.run("requeued").job)


def cancel(storm: Storm) -> None:
    """It is submitted again by whoever says so first, and by nobody else."""
    storm.cluster.say("scancel", storm.run("cancelled").job)
    storm.until("cancelled", "interrupted")
    storm.said["resume"] = storm.say("resume", "--slurm")
    storm.said["resume again"] = storm.say("resume", "--slurm")
    storm.said["status"] = storm.say("status")


def lose_a_node(storm: Storm) -> None:
    """The node is cut off: its job lives on, and does not know that it was given to another."""
    storm.cluster.kill("n2")
    storm.cluster.say("scontrol", "update", "nodename=n2", "state=down", "reason=silent")
    job = storm.run("on a dead node").job
    storm.cluster.say("scontrol", "update", f"jobid={job}", "reqnodelist=")
    wait_until(lambda: storm.run("on a dead node").sittings[1:], "the job of a dead node", 300)
    (storm.run("on a dead node").folder / "go on").touch()
    storm.cluster.start_one("n2")


@pytest.mark.parametrize("how", STRUCK)
def test_a_run_that_was_struck_ends_with_the_bits_of_one_that_was_not(storm, tmp_path, how):
    struck, alone = storm.run(how), runs.lay_out(tmp_path, "tiny", STRUCK.index(how))
    assert runs.attempt(alone, tiny) == "done"
    assert runs.state(struck) == "done"
    assert len(struck.sittings) >= 2
    for name in ("tiny.safetensors", "tiny.history.safetensors", f"tiny_{STRUCK.index(how)}.csv"):
        one, other = ((run.folder / name).read_bytes() for run in (struck, alone))
        assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest(), name


def test_no_run_is_lost_and_none_is_done_twice(storm):
    ends = (storm.out / "halting" / "ends").read_text().split()[::2]
    assert sorted(ends) == [str(seed) for seed in range(len(STRUCK))]
    assert "5 done" in storm.say("status")


def test_nothing_is_queued_twice(storm):
    assert storm.said["resume"].startswith("Submitted 7: ")
    assert storm.said["resume again"].startswith("Submitted nothing: ")
    assert "queued" in storm.said["status"]


def test_the_status_is_told_while_the_controller_is_away(storm):
    assert "5 running" in storm.said["status without a controller"]


def test_each_was_struck_as_was_meant(storm):
    logs = "".join(path.read_text() for path in (storm.out / "slurm").glob("*.err"))
    for words in ("DUE TO PREEMPTION", "this job is timed-out", "DUE TO JOB REQUEUE"):
        assert words in logs
    first, second = storm.run("on a dead node").sittings[:2]
    assert (first["job"], first["start"] + 1) == (second["job"], second["start"])
    assert first["state"] == "running"  # to its end it knew nothing


def test_the_logs_hold_no_progress(storm):
    logs = "".join(path.read_text() for path in (storm.out / "slurm").glob("*.err"))
    assert "it/s" not in logs
    assert len(logs) < 20_000


def test_a_refusal_is_one_sentence(cluster, tmp_path, capsys):
    words = ["run", "halting", "--out", str(tmp_path), "--slurm", "slurm_partition=nowhere"]
    with pytest.raises(SystemExit) as stop:
        main(words)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.count("\n") == 1
    assert "Invalid partition name" in said
    assert runs.state(runs.find(tmp_path)[0]) == "waiting"
