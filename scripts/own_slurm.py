"""A private, temporary Slurm on this machine, for tests. It does not affect the Slurm of a cluster.

It needs Debian's packages slurm-wlm and munge. Keys, sockets, state and logs are in a temporary folder, which is
removed at the end; `SLURM_CONF` tells Slurm's programs where it is.
"""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing() -> str:
    """Return the names of required programs that are not installed, or an empty string."""
    return ", ".join(name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None)


@contextmanager
def own_slurm(cpus: int = 2) -> Iterator[dict[str, str]]:
    """Run munged, slurmctld and slurmd; yield the environment variables with which Slurm's programs find them."""
    folder = Path(tempfile.mkdtemp(prefix="own-slurm-"))
    folder.chmod(0o755)  # munged requires that other users can reach its socket but cannot write
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    conf = folder / "slurm.conf"
    conf.write_text(_conf(folder, cpus))
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": _PATH}
    started: list[subprocess.Popen[bytes]] = []
    try:
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid",
                 "log-file": "munged.log", "seed-file": "munged.seed"}  # fmt: skip
        options = [f"--{option}={folder / name}" for option, name in files.items()]
        started.append(_start(["munged", "--foreground", *options], folder, environment))
        _wait_until((folder / "munge.socket").exists, "munged", folder)
        started.append(_start(["slurmctld", "-D"], folder, environment))
        started.append(_start(["slurmd", "-D", "-N", "localhost"], folder, environment))
        _wait_until(lambda: "idle" in _output(["sinfo", "-h", "-o", "%T"], environment), "slurmd", folder)
        yield environment
    finally:
        _output(["scancel", "--state=RUNNING", "--state=PENDING", "-u", getpass.getuser()], environment)
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _conf(folder: Path, cpus: int) -> str:
    """Return the text of slurm.conf.

    Credentials expire after 10 seconds and not after the usual two minutes, since a requeued job waits for that long.
    """
    user, host = getpass.getuser(), socket.gethostname()
    settings = {
        "ClusterName": "own", "SlurmctldHost": f"{host}(127.0.0.1)", "SlurmUser": user, "SlurmdUser": user,
        "AuthType": "auth/munge", "AuthInfo": f"socket={folder / 'munge.socket'},cred_expire=10",
        "CredType": "cred/munge",
        "SlurmctldPort": _port(), "SlurmdPort": _port(), "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool", "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid", "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log", "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres", "SelectTypeParameters": "CR_Core", "MpiDefault": "none",
        "ReturnToService": 2, "KillWait": 10, "JobRequeue": 1, "SchedulerParameters": "sched_interval=2",
        "PlugStackConfig": folder / "plugstack.conf",
    }  # fmt: skip
    (folder / "plugstack.conf").touch()
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    lines = [f"{key}={value}" for key, value in settings.items()]
    lines.append(f"NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN")
    lines.append("PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


def _start(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program in a new session, so that Ctrl-C only reaches the program that uses this Slurm."""
    path = shutil.which(command[0], path=_PATH)
    with (folder / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen([str(path), *command[1:]], env=environment, stdout=out, stderr=out,
                                start_new_session=True)  # fmt: skip


def _wait_until(ready: Callable[[], bool], name: str, folder: Path) -> None:
    for _ in range(300):
        if ready():
            return
        time.sleep(0.1)
    logs = "\n".join(
        path.read_text(errors="replace")[-1500:] for path in [*folder.glob("*.out"), *folder.glob("*.log")]
    )
    raise SystemExit(f"{name} did not start:\n{logs}")


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
