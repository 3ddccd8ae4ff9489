"""Runs a command in a forked process with limits of time and memory, and checks what it says and leaves behind."""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from damage.folders import LOAD, Command

SECONDS, MEMORY = 90, 12 << 30  # of one command; the memory is address space, of which torch alone takes 5 GB
_NEVER = ("Traceback", "please report it", "Warning", "Segmentation")


@dataclass(frozen=True)
class Ended:
    """The exit status of a command (negative: the signal that ended it) and its output."""

    status: int
    out: str
    err: str


def run(words: Sequence[str], folder: Path) -> Ended:
    """Carry out a command line in a child of this process, with the folder as the current one."""
    out, err = folder / ".out", folder / ".err"
    child = os.fork()
    if not child:
        _in_child(words, folder, out, err)
    until = time.monotonic() + SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    texts = [path.read_text(errors="replace") for path in (out, err)]
    out.unlink()
    err.unlink()
    return Ended(os.waitstatus_to_exitcode(status), *texts)


def _in_child(words: Sequence[str], folder: Path, out: Path, err: Path) -> None:
    status = 99
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ["HYDRA_FULL_ERROR"] = "0"
        sys.argv = ["vae-lab", *words]
        status = _use(words[1]) if words[0] == LOAD else _command(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _command(words: list[str]) -> int:
    from vae_lab.cli import _main

    return _main(words)


def _use(folder: str) -> int:
    """Use a run as a notebook does."""
    import vae_lab
    from vae_lab.errors import UserError

    try:
        run = vae_lab.load_run(folder)
        print(repr(run), repr(run.data), repr(run.job), repr(run.evaluation), sep="\n")
        print(run.sample(2).shape, run.scores, run.history[-1:])
        return 0
    except UserError as why:
        print(f"vae-lab load_run: {why}", file=sys.stderr)
        return 2


def state_of(folder: Path) -> dict[str, str]:
    """Return a hash of every file, without locks, which are no part of a run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            found[str(path.relative_to(folder))] = "no file" if not path.is_dir() else "folder"
        elif path.name != ".lock" and path.stat().st_size < 1 << 30:
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {name: value for name, value in found.items() if not name.endswith(".lock")}


def fault_of(command: Command, ended: Ended, file: str, harmless: bool, before: dict[str, str], folder: Path) -> str:
    """Return what is wrong with how a command ended; empty if it kept its promises.

    Args:
        command: the command.
        ended: its status and output.
        file: the damaged file.
        harmless: whether the file can still be read.
        before: the state of the folder before the command.
        folder: the folder.
    """
    text = ended.out + ended.err
    bad = next((word for word in _NEVER if word in text), None)
    lines = ended.err.strip().splitlines()
    if ended.status < 0:
        return f"ended by signal {-ended.status}, after {SECONDS} s at most"
    if bad:
        return f"says {bad!r}"
    if ended.status == 0:
        return f"stderr: {lines[-1]}" if lines else _work_missing(command, folder)
    if harmless:
        return "refuses a file that is readable"
    if ended.status == 1 and command.partly:
        return "" if Path(file).name in text or _run_of(file) in text else "fails in part, and does not say where"
    if ended.status == 1 and "NaN" in ended.err:
        return ""
    if ended.status != 2:
        return f"exit status {ended.status}"
    if len(lines) != 1:
        return f"{len(lines)} lines on stderr"
    if not (Path(file).name in lines[0] or _run_of(file) in lines[0]):
        return "does not name the file"
    if len(lines[0]) > 700:
        return "a line of more than 700 characters"
    changed = [name for name, value in state_of(folder).items() if before.get(name) != value]
    changed += [name for name in before if not os.path.lexists(folder / name)]
    changed = [name for name in changed if not name.endswith(".journal")]  # Optuna adds a line when it opens the file
    return f"refused, and changed {', '.join(changed[:3])}" if changed else ""


def _run_of(file: str) -> str:
    return f"{'/'.join(Path(file).parts[:2])}" if file.startswith("sweep/beta") else Path(file).parts[0]


def _work_missing(command: Command, folder: Path) -> str:
    """Return what a successful command has not written; empty if everything is there."""
    missing = "the results are missing"
    if command.words[0] == "compare":
        rows = (folder / "compared" / "summary.csv").read_text().splitlines()
        return "" if len(rows) == 5 else f"{len(rows) - 1} rows instead of 4"
    if command.words[0] == "sample":
        return "" if len(list((folder / "finished" / "samples").glob("*.npy"))) == 1 else missing
    if command.words[0] == LOAD:
        return ""
    run = "interrupted" if "resume=interrupted" in command.words else "finished"
    path = folder / run / "results.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        if "run=finished" not in command.words and run == "finished":
            return ""
        return "" if json.loads(path.read_text(encoding="utf-8-sig"))["status"] == "finished" else missing
    return missing
