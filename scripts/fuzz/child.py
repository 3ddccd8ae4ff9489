"""Carries out one command line in a forked child of this process, which has loaded torch and the package already."""

import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

MEMORY = 4 << 30  # bytes that a child may allocate in addition to what this process has
AFTER_INTERRUPT = 20  # seconds after Ctrl-C in which a child has to end
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    status: int  # exit status; negative: the signal that killed it
    out: str
    err: str
    seconds: float
    long: bool = False  # it ran past the limit, and was interrupted as by Ctrl-C
    hung: bool = False  # it did not end on Ctrl-C, and was killed


def load() -> None:
    """Import everything that commands import, so that children need not; no tensor may be computed before a fork."""
    import matplotlib.pyplot  # noqa: F401
    import sklearn.datasets  # noqa: F401

    import vae_lab.commands.evaluate
    import vae_lab.commands.sample
    import vae_lab.commands.score
    import vae_lab.commands.train
    import vae_lab.compare.comparison
    import vae_lab.sweep.start  # noqa: F401


def carry_out(words: list[str], folder: Path, environment: Mapping[str, str], limit: float) -> Ended:
    """Run ``vae-lab <words>`` in a folder and return how it ended.

    Args:
        words: the command line without the program's name.
        folder: the current folder of the child.
        environment: variables that the child has in addition to those of this process.
        limit: seconds after which it is interrupted.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            _become_the_program(words, folder, environment, out.fileno(), err.fileno())
        status, long, hung = _waited_for(child, limit)
        _kill_group(child)  # what it started in the background
        seconds = time.perf_counter() - started
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", errors="replace"))
    return Ended(status, texts[0], texts[1], seconds, long, hung)


def _waited_for(child: int, limit: float) -> tuple[int, bool, bool]:
    for number, seconds in ((None, limit), (signal.SIGINT, AFTER_INTERRUPT), (signal.SIGKILL, 60.0)):
        if number is not None:
            os.kill(child, number)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status), number is not None, number is signal.SIGKILL
            time.sleep(0.005)
    raise RuntimeError(f"the process {child} cannot be killed")


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _become_the_program(words: list[str], folder: Path, environment: Mapping[str, str], out: int, err: int) -> NoReturn:
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(environment)
        tempfile.tempdir = None  # it is read from the environment again
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _limit_memory()
        _refuse_network()
        sys.argv = ["vae-lab", *words]
        from vae_lab.cli import program

        program()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(70)  # the program itself ends with another status


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    most = pages * resource.getpagesize() + MEMORY
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _refuse_network() -> None:
    """Let connections to other machines fail at once, so that no line downloads a dataset."""
    connect = socket.socket.connect

    def only_local(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and not (isinstance(address, tuple) and address[0] in LOCAL):
            raise OSError(101, "Network is unreachable")
        connect(self, address)  # type: ignore[arg-type]

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    socket.socket.connect = only_local  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = unknown
