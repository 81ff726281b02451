"""A Slurm cluster on this machine, in a folder of its own: for tests. It has two nodes, n1 and n2.

Debian's `slurm-wlm` and `munge` are all it needs. Nothing of the machine's own Slurm, if there is
one, is touched: keys, sockets, ports, logs and state are the folder's. By hand, up until Enter::

    python tests/slurm_cluster.py FOLDER
    export SLURM_CONF=FOLDER/slurm.conf
"""

import getpass
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,\
requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=0
KillWait=1
OverTimeLimit=0
SlurmdTimeout=300
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=4 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=4 State=UNKNOWN
PartitionName=calm Nodes=n1 Default=YES PriorityTier=1 PreemptMode=OFF
PartitionName=low Nodes=n1 PriorityTier=1
PartitionName=high Nodes=n1 PriorityTier=9 PreemptMode=OFF
PartitionName=both Nodes=n1,n2 PriorityTier=1 PreemptMode=OFF
"""


class Cluster:
    """Daemons in a folder: up with `start`, down with `stop`; each can be killed alone."""

    def __init__(self, folder: Path) -> None:
        if missing():
            raise FileNotFoundError(f"apt-get install slurm-wlm munge: {missing()} are not here")
        self.folder, self.daemons = folder, dict[str, subprocess.Popen[bytes]]()
        self.host = platform.node().partition(".")[0]
        (folder / "state").mkdir(parents=True)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        controller, n1, n2 = free_ports(3)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        (folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=self.host,
                user=getpass.getuser(),
                controller=controller,
                n1=n1,
                n2=n2,
                folder=folder,
            )
        )

    def start(self) -> None:
        """All daemons, until the node takes jobs."""
        self.start_one("munged")
        wait_until((self.folder / "munge.socket").exists, "munged")
        self.start_one("slurmctld")
        self.start_one("n1")
        self.start_one("n2")
        wait_until(lambda: self.say("sinfo", "-h", "-p", "both", "-o", "%t") == "idle", "the nodes")

    def start_one(self, name: str) -> None:
        """Start a daemon, in the foreground of a session of its own."""
        munge = ("key-file", "pid-file", "log-file", "seed-file", "socket")
        options = {
            "munged": ["--foreground", "--force"]
            + [f"--{option}={self.folder}/munge.{option.partition('-')[0]}" for option in munge],
            "slurmctld": ["-D"],
        }
        program = find(name if name in options else "slurmd")
        assert program is not None
        with open(self.folder / f"{name}.out", "ab") as output:
            self.daemons[name] = subprocess.Popen(
                [program, *options.get(name, ["-D", "-N", name])],
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """What a crash does to a daemon."""
        self.daemons[name].kill()
        self.daemons.pop(name).wait()

    def stop(self) -> None:
        """Cancel all jobs, and end the daemons."""
        if "slurmctld" in self.daemons:
            subprocess.run(["scancel", "--me"], env={**os.environ, **self.environment}, check=False)
            wait_until(lambda: not self.say("squeue", "-h"), "an empty queue")
        for daemon in reversed(self.daemons.values()):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons.values():
            daemon.wait(30)

    def say(self, *words: str) -> str:
        """What a command of Slurm answers; nothing while the controller is away."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.strip()


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in PROGRAMS if find(name) is None]


def find(program: str) -> str | None:
    """The path of a program; daemons lie where not everybody looks."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(true: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Ask again and again, up to a deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    cluster = Cluster(Path(sys.argv[1]).absolute())
    try:
        cluster.start()
        input(f"export SLURM_CONF={cluster.folder}/slurm.conf; Enter ends it. ")
    finally:
        cluster.stop()
