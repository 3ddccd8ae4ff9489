"""Runs a command of vae-lab in a forked process, and kills it at a chosen moment."""

import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

# Events of Python's audit hooks that change files. At "open", the flags show whether the file is opened for writing.
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "open"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Moment:
    """When to kill: just before the n-th change of a file, some time after it, or after a number of seconds."""

    event: int = 0  # 0: by the clock alone
    seconds: float = 0.0
    group: bool = True  # kill the processes that the command has started, too

    def __str__(self) -> str:
        when = f"file event {self.event}" if self.event else "the start"
        return f"{self.seconds:.3f} s after {when}{'' if self.group else ', main process only'}"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int | None  # exit status; None: it was killed as planned
    seconds: float
    events: int  # changes of files
    output: str
    hung: bool = False


def random_moment(random: Random, seconds: float, events: int, starts_others: bool) -> Moment:
    """Return a moment in the life of a command that takes so many seconds and changes files so many times."""
    group = not starts_others or random.random() < 0.5
    if starts_others and random.random() < 0.7:  # most is written by other processes, whose events are not counted
        return Moment(0, random.uniform(0, seconds), group)
    kind = random.choice(["before", "before", "after", "clock"])
    if kind == "clock":
        return Moment(0, random.uniform(0, seconds), group)
    return Moment(random.randint(1, max(1, events)), 0.0 if kind == "before" else random.uniform(0, 0.05), group)


def run(words: list[str], folder: Path, tmpdir: Path, limit: float, moment: Moment | None = None) -> Ended:
    """Run a command in a folder.

    Args:
        words: the words after ``vae-lab``.
        folder: the working directory; the cache lies in its folder ``cache``.
        tmpdir: the temporary folder of the system, as the command sees it.
        limit: seconds after which the command counts as hanging, and is killed.
        moment: when to kill it; None: it runs to its end.
    """
    log, counter, started = folder / ".log", folder / ".events", time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(words, folder, tmpdir, log, counter, moment)
    with suppress(OSError):  # it has done so itself, or has ended
        os.setpgid(child, child)
    if moment is not None and not moment.event:
        limit_of_wait, planned = moment.seconds, True
    else:
        limit_of_wait, planned = limit, False
    status = _wait(child, limit_of_wait)
    hung = status is None and not planned
    if status is None:
        _kill(child, planned and moment is not None and not moment.group)
        _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGALRM) and not hung
    output = log.read_text(errors="replace") if log.exists() else ""
    events = int((counter.read_text() if counter.exists() else "") or 0)
    if killed and moment is not None and moment.group:
        _kill(child, False)
    for path in (log, counter):
        path.unlink(missing_ok=True)
    code = None if killed else os.waitstatus_to_exitcode(status)
    return Ended(code, time.monotonic() - started, events, output, hung)


def _wait(child: int, seconds: float) -> int | None:
    """Wait for a process; return its status, or None if it has not ended after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.002)
    return None


def _kill(child: int, alone: bool) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself just now
        os.kill(child, signal.SIGKILL) if alone else os.killpg(child, signal.SIGKILL)


def _become(words: list[str], folder: Path, tmpdir: Path, log: Path, counter: Path, moment: Moment | None) -> None:
    """Turn the forked process into ``vae-lab <words>``; does not return."""
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ |= {"TMPDIR": str(tmpdir), "VAE_LAB_CACHE": str(folder / "cache"), "COLUMNS": "200"}
        tempfile.tempdir = None
        sys.argv = ["vae-lab", *words]
        _watch(str(folder), counter, moment)
        from vae_lab.cli import program

        program()
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(99)


def _watch(folder: str, counter: Path, moment: Moment | None) -> None:
    """Count the changes of files in the folder, and kill this process at the moment."""
    seen, file = 0, os.open(counter, os.O_WRONLY | os.O_CREAT)

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in _CHANGES or (event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING)):
            return
        path = args[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        path = os.fsdecode(path)
        if os.path.isabs(path) and not path.startswith(folder):
            return
        seen += 1
        os.pwrite(file, str(seen).encode(), 0)
        if moment is not None and seen == moment.event:
            _end(moment)

    sys.addaudithook(hook)


def _end(moment: Moment) -> None:
    if moment.seconds:  # the system ends the process, whatever it does then
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, moment.seconds)
    else:
        (os.killpg if moment.group else os.kill)(os.getpid(), signal.SIGKILL)
