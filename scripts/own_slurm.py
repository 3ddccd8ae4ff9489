"""A Slurm of one's own on this machine, for as long as a block lasts; a cluster's Slurm, if there is one, is untouched.

Needs Debian's packages slurm-wlm and munge; nothing is installed or left behind. Everything lies in a temporary folder:
key, sockets, state, logs. `SLURM_CONF` tells sbatch and the others where it is.
"""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing() -> str:
    """Names of programs that are not here, or an empty string."""
    return ", ".join(name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None)


@contextmanager
def own_slurm(cpus: int = 2) -> Iterator[dict[str, str]]:
    """munged, slurmctld and slurmd; yields the environment in which programs find them."""
    folder = Path(tempfile.mkdtemp(prefix="own-slurm-"))
    folder.chmod(0o755)  # munged insists that others can reach its socket and that nobody else can write
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
        _until((folder / "munge.socket").exists, "munged", folder)
        started.append(_start(["slurmctld", "-D"], folder, environment))
        started.append(_start(["slurmd", "-D", "-N", "localhost"], folder, environment))
        _until(lambda: "idle" in _asked(["sinfo", "-h", "-o", "%T"], environment), "slurmd", folder)
        yield environment
    finally:
        _asked(["scancel", "--state=RUNNING", "--state=PENDING", "-u", getpass.getuser()], environment)
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _conf(folder: Path, cpus: int) -> str:
    user, host = getpass.getuser(), socket.gethostname()
    settings = {
        "ClusterName": "own", "SlurmctldHost": f"{host}(127.0.0.1)", "SlurmUser": user, "SlurmdUser": user,
        "AuthType": "auth/munge", "AuthInfo": f"socket={folder / 'munge.socket'}", "CredType": "cred/munge",
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
    """In a session of its own: Ctrl-C is for the program that started it."""
    path = shutil.which(command[0], path=_PATH)
    with (folder / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen([str(path), *command[1:]], env=environment, stdout=out, stderr=out,
                                start_new_session=True)  # fmt: skip


def _until(there: object, name: str, folder: Path) -> None:
    for _ in range(300):
        if there():  # type: ignore[operator]
            return
        time.sleep(0.1)
    said = "\n".join(
        path.read_text(errors="replace")[-1500:] for path in [*folder.glob("*.out"), *folder.glob("*.log")]
    )
    raise SystemExit(f"{name} did not start:\n{said}")


def _asked(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
