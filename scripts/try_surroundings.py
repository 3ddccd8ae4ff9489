"""Run the program where its surroundings are odd: streams that are closed or full, narrow encodings, full and read-only
disks. `make surroundings`, or

    python scripts/try_surroundings.py --only "full disk"     # the cases whose name contains this

Every case is a real process. Whatever happens to its streams, a command does its work and ends with exit status 0; a
wrong command line ends with 2. On a disk without room or without permission, it ends with one line and exit status 1 or
2, and with room it can be finished. The cases of disks mount small file systems in memory, for which they need root on
Linux; without it they are left out, which is said.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

console = Console(highlight=False, markup=False, soft_wrap=True)
PROGRAM = f"{shlex.quote(sys.executable)} -c 'from vae_lab.cli import program; program()'"
TINY = "dataset=digits dataset.limit=32 batch_size=16 epochs=2 model=dense latent_dim=2 figures=none metrics=loss_terms"
TRAIN = f"train {TINY} logger=none beta=2"
FRAGMENTS = ("Traceback", "please report it", "Warning")  # none of them may be in any output

REDIRECTIONS = ["", ">&-", "2>&-", ">&- 2>&-", "<&-", ">&- 2>&- <&-", "| head -1", "2>&1 | head -0", "> /dev/full",
                "2> /dev/full", "> /dev/full 2>&1", "> log 2>&1 < /dev/null"]  # fmt: skip
ENVIRONMENTS = ["PYTHONIOENCODING=ascii", "PYTHONIOENCODING=latin-1", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0",
                "LC_ALL=POSIX", "COLUMNS=20", "COLUMNS=0", "TERM=dumb NO_COLOR=1", "HOME=/nowhere"]  # fmt: skip


@dataclass(frozen=True)
class Work:
    """A command in a folder that holds a finished run, and what it writes."""

    words: str
    writes: str | None = None
    status: int = 0
    only_prints: bool = False  # with its output lost on a full disk, it has done nothing


COMMANDS = {
    "train": Work(f"{TRAIN} hydra.run.dir=new", "new/results.json"),
    "sweep": Work(f"{TRAIN} -m seed=0,1 sweep=s", "outputs/sweeps/s/compare.html"),
    "evaluate": Work("evaluate run=run metrics=latent_use figures=none"),
    "sample": Work("sample run=run n=4", "run/samples/n4-seed0.png"),
    "compare": Work("compare run out=compared", "compared/compare.html"),
    "help": Work("train --help", only_prints=True),
    "wrong word": Work("train model=cnm", status=2),
}


def stream_problems(work: Work, redirection: str, environment: str, folder: Path) -> list[str]:
    """Return what is wrong after a command whose output goes somewhere odd."""
    line = f"set -o pipefail; env {environment} {PROGRAM} {work.words} {redirection}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=300,
    )
    told = (
        done.stdout + done.stderr + ((folder / "log").read_text(errors="replace") if (folder / "log").exists() else "")
    )
    expected = 1 if work.only_prints and "> /dev/full" in redirection and "2> /dev" not in redirection else work.status
    problems = [f"'{fragment}' in its output" for fragment in FRAGMENTS if fragment in told]
    if done.returncode != expected:
        problems.append(f"exit status {done.returncode} instead of {expected}: {told.strip()[-200:]}")
    if work.writes and not (folder / work.writes).is_file():
        problems.append(f"{work.writes} is missing")
    return problems


@contextmanager
def small_disk(kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size in memory."""
    place = Path(tempfile.mkdtemp(prefix="vae-lab-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def full_disk_problems(words: str, kilobytes: int, kind: str, folder: Path) -> list[str]:
    """Return what is wrong with a command on a full disk, and with the same work once there is room.

    Args:
        words: a training, without its folder.
        kilobytes: size of the disk.
        kind: what lies on it: 'run', 'cache' or 'tmp'.
        folder: a folder on another disk.
    """
    with small_disk(kilobytes) as disk:
        run = disk / "run" if kind == "run" else folder / "new"
        places = {"cache": {"VAE_LAB_CACHE": str(disk)}, "tmp": {"TMPDIR": str(disk)}}.get(kind, {})
        done = program(f"{words} hydra.run.dir={run}", folder, places)
        if done.returncode == 0:
            return [] if (run / "results.json").is_file() else ["status 0 without results.json"]
        problems = refusal_problems(done, (1, 2))
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        begun = (run / "config.yaml").is_file()
        again = program(f"train resume={run}" if begun else f"{words} hydra.run.dir={run}", folder, places)
        if again.returncode != 0:
            problems.append(f"with room: exit status {again.returncode}: {again.stderr.strip()[-200:]}")
        return problems


def read_only_problems(words: str, folder: Path) -> list[str]:
    """Return what is wrong with a command whose folder may not be written to, also by root."""
    with small_disk(50_000) as disk:
        shutil.copytree(folder / "run", disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        return refusal_problems(program(words.replace("DISK", str(disk)), folder, {}), (2,))


def refusal_problems(done: subprocess.CompletedProcess[str], statuses: tuple[int, ...]) -> list[str]:
    """Return what is wrong with the end of a command that could not do its work."""
    lines = done.stderr.strip().splitlines()
    problems = [f"'{fragment}' in its output" for fragment in FRAGMENTS if fragment in done.stdout + done.stderr]
    if done.returncode not in statuses:
        problems.append(f"exit status {done.returncode} instead of {statuses}")
    if len(lines) != 1:
        problems.append(f"{len(lines)} lines on stderr: {' / '.join(lines)[:300]}")
    return problems


def program(words: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program with these words and variables, in a folder."""
    variables = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", f"{PROGRAM} {words}"], cwd=folder,
                          capture_output=True, encoding="utf-8", errors="replace", check=False,
                          timeout=300, env=variables)  # fmt: skip


def cases() -> dict[str, Callable[[Path], list[str]]]:
    """Return every case by its name: a function of a folder with a finished run that returns what is wrong."""
    every: dict[str, Callable[[Path], list[str]]] = {}
    for name, work in COMMANDS.items():
        for redirection in REDIRECTIONS:
            every[f"stream: {name} {redirection}"] = lambda at, w=work, r=redirection: stream_problems(w, r, "", at)
        for environment in ENVIRONMENTS:
            every[f"encoding: {environment} {name}"] = lambda at, w=work, e=environment: stream_problems(w, "", e, at)
    if os.geteuid() != 0:
        console.print("The cases of disks need root and are left out")
        return every
    for logger in ("none", "wandb", "tensorboard"):
        for size in (4, 64, 500, 3000, 6000, 9500):
            words = f"train {TINY} logger={logger}"
            every[f"full disk: {size} kB, logger={logger}"] = (
                lambda at, w=words, s=size: full_disk_problems(w, s, "run", at)
            )  # fmt: skip
    scored = TRAIN.replace("metrics=loss_terms", "metrics=prdc")
    for kind in ("cache", "tmp"):
        for size in (4, 300):
            every[f"full disk: {kind} of {size} kB"] = lambda at, s=size, k=kind: full_disk_problems(scored, s, k, at)
    for words in (f"{TRAIN} hydra.run.dir=DISK/new", "evaluate run=DISK/run figures=none", "sample run=DISK/run n=4",
                  "compare run out=DISK/compared", "train resume=DISK/run"):  # fmt: skip
        every[f"read-only disk: {words.split()[0]} {words.split()[-1]}"] = lambda at, w=words: read_only_problems(w, at)
    return every


def main() -> int:
    """Try all cases; return 1 if one failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="try the cases whose name contains this text")
    chosen = parser.parse_args().only
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTHONPATH"] = f"{Path(__file__).parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    tried: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="vae-lab-surroundings-") as base:
        original = Path(base) / "original"
        original.mkdir()
        assert program(f"{TRAIN} hydra.run.dir=run", original, {}).returncode == 0
        selected = {name: case for name, case in cases().items() if chosen in name}
        for number, (name, case) in enumerate(track(selected.items(), "surroundings", console=console)):
            folder = Path(shutil.copytree(original, Path(base) / str(number)))
            problems = case(folder)
            counts = tried.setdefault(name.partition(":")[0], [0, 0])
            counts[0], counts[1] = counts[0] + 1, counts[1] + bool(problems)
            if problems:
                console.print(f"{name}: {'; '.join(problems)}")
            shutil.rmtree(folder)
    table = Table("surroundings", "tried", "failed")
    for kind, counts in tried.items():
        table.add_row(kind, *map(str, counts))
    console.print(table)
    return int(any(failed for _, failed in tried.values()))


if __name__ == "__main__":
    sys.exit(main())
