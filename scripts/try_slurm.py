"""Tries launcher=slurm on a Slurm of its own (own_slurm.py): five to ten minutes; exit status 0 where all was right.

    python scripts/try_slurm.py [same_numbers | killed | cancelled | disturbed | ddp]

1. Four jobs give the numbers that they give in sequence.
2. The starting process is killed in the middle; the next start takes its jobs over and trains none twice.
3. Ctrl-C cancels; the same words go on and give the numbers of an undisturbed sweep.
4. A job that is preempted goes back into the queue by itself and is resumed.
5. A job that is killed from outside is told as failed, with where its log is; the next start finishes it.
6. Two DDP processes, started by Slurm, give the numbers of two that Lightning starts.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from own_slurm import missing, own_slurm

PROGRAM = Path(sys.executable).parent / "vae-lab"
WORDS = ["dataset=digits", "logger=none", "figures=none", "metrics=[loss_terms]", "model=dense", "latent_dim=2,3,4,5"]
SLURM = ["launcher=slurm", "launcher.cpus=1", "launcher.minutes=60"]
LONG = "epochs=80"  # about a quarter of a minute a job


class Trial:
    """Starts sweeps in one folder and keeps what was not right."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self.wrong = folder, environment, list[str]()

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """Start a sweep."""
        print(f"  $ vae-lab train -m {' '.join(words)}", flush=True)
        return subprocess.Popen([PROGRAM, "train", "-m", *words], cwd=self.folder, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    def run(self, *words: str) -> str:
        """Start a sweep and wait; what it told."""
        process = self.begin(*words)
        told, _ = process.communicate(timeout=600)
        self.check(process.returncode == 0, f"exit status {process.returncode}", told)
        return told

    def check(self, right: bool, what: str, told: str = "") -> None:
        """Say what was found; where it is wrong, show what the program told."""
        print(f"    {'right' if right else 'WRONG'}: {what}", flush=True)
        if not right:
            self.wrong.append(what)
            print(told)

    def sweep(self, name: str) -> Path:
        """The folder."""
        return self.folder / "outputs" / "sweeps" / name

    def scores(self, name: str) -> dict[str, dict[str, float]]:
        """By job."""
        found = sorted(self.sweep(name).glob("*/results.json"))
        return {path.parent.name: json.loads(path.read_text())["metrics"] for path in found}

    def epochs(self, name: str) -> list[int]:
        """Rows of each job's metrics.csv that are there so far."""
        tables = self.sweep(name).glob("latent_dim-*/metrics.csv")
        return [len(table.read_text().splitlines()) - 1 for table in tables]

    def slurm(self, *command: str) -> list[str]:
        """The words that one of Slurm's programs answers."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # scancel waits for a job that is being requeued
            return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False,
                                  timeout=5).stdout.split()  # fmt: skip
        return []

    def undisturbed(self) -> dict[str, dict[str, float]]:
        """The scores of the long sweep in sequence."""
        if not self.scores("long_sequence"):
            self.run(*WORDS, LONG, "sweep=long_sequence")
        return self.scores("long_sequence")

    def until(self, there: Callable[[], object], seconds: int = 120) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not there() and time.monotonic() < end:
            time.sleep(0.3)
        self.check(bool(there()), "what was waited for came")

    def submitted(self, name: str) -> int:
        """Jobs that a sweep sent to Slurm so far, in all its starts."""
        return len(list((self.sweep(name) / "slurm").glob("*_submitted.pkl")))


def same_numbers(trial: Trial) -> None:
    """The same to the last digit."""
    print("1. four jobs, in sequence and through Slurm")
    trial.run(*WORDS, "epochs=3", "sweep=sequence")
    told = trial.run(*WORDS, "epochs=3", "sweep=slurm", *SLURM)
    trial.check(len(trial.scores("slurm")) == 4, "four results", told)
    trial.check(trial.scores("slurm") == trial.scores("sequence"), "the same numbers, to the last digit")


def killed(trial: Trial) -> None:
    """By kill -9, which no program notices."""
    print("2. kill -9 of the starting process in the middle")
    process = trial.begin(*WORDS, LONG, "sweep=killed", *SLURM)
    trial.until(lambda: sum(trial.epochs("killed")) > 5)
    process.kill()
    process.communicate()
    trial.check(len(trial.slurm("squeue", "-h", "-r", "-o", "%i")) == 4, "its four jobs are still in the queue")
    told = trial.run(*WORDS, LONG, "sweep=killed", *SLURM)
    trial.check(trial.submitted("killed") == 4, "no job was submitted twice", told)
    trial.check(trial.scores("killed") == trial.undisturbed(), "the same numbers as in sequence")
    trial.check(trial.epochs("killed") == [80] * 4, "each epoch stands once in each metrics.csv")


def cancelled(trial: Trial) -> None:
    """By Ctrl-C."""
    print("3. Ctrl-C in the middle")
    process = trial.begin(*WORDS, LONG, "sweep=cancelled", *SLURM)
    trial.until(lambda: sum(trial.epochs("cancelled")) > 5)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    trial.check("cancelled 4 jobs in Slurm" in told and process.returncode == 130, "it says that it cancelled", told)
    trial.until(lambda: not trial.slurm("squeue", "-h", "-o", "%i"), 60)
    kept = sum(trial.epochs("cancelled"))
    told = trial.run(*WORDS, LONG, "sweep=cancelled", *SLURM)
    trial.check("interrupted" in told and kept > 5, f"{kept} epochs were kept", told)
    trial.check(trial.scores("cancelled") == trial.undisturbed(), "the same numbers as in sequence")


def disturbed(trial: Trial) -> None:
    """One job is preempted, one killed, by Slurm's own means."""
    print("4. and 5. one job preempted, one killed")
    process = trial.begin(*WORDS, LONG, "sweep=disturbed", *SLURM)
    trial.until(lambda: len(trial.epochs("disturbed")) >= 2 and min(trial.epochs("disturbed")) > 5)
    numbers = json.loads((trial.sweep("disturbed") / "slurm" / "jobs.json").read_text())
    trial.slurm("scancel", "--signal=KILL", numbers["latent_dim-3"])
    trial.slurm("scancel", "--signal=USR2", numbers["latent_dim-2"])  # what Slurm sends before time-out or preemption
    told, _ = process.communicate(timeout=600)
    trial.check(process.returncode == 1 and "1 failed" in told, "the killed one is told as failed", told)
    trial.check(f"{numbers['latent_dim-3']}_0_log.err" in told.replace("\n", ""), "with where its log is", told)
    log = (trial.sweep("disturbed") / "slurm" / f"{numbers['latent_dim-2']}_0_log.out").read_text()
    again = "this job is preempted" in log and log.count("Starting with") == 2
    trial.check(again, "the preempted one was queued again and came to its end", log)
    trial.run(*WORDS, LONG, "sweep=disturbed", *SLURM)
    trial.check(trial.scores("disturbed") == trial.undisturbed(), "the same numbers as in sequence")


def ddp(trial: Trial) -> None:
    """As many Slurm tasks as devices."""
    print("6. two DDP processes")
    two = [*WORDS[:-1], "latent_dim=4", "epochs=3", "accelerator=ddp", "accelerator.kind=cpu"]
    trial.run(*two, "sweep=ddp_here")
    told = trial.run(*two, "sweep=ddp_slurm", *SLURM)
    logs = list((trial.sweep("ddp_slurm") / "slurm").glob("*_log.out"))
    trial.check(len(logs) == 2, "two processes", told)
    trial.check(trial.scores("ddp_slurm") == trial.scores("ddp_here") != {}, "the same numbers as without Slurm")


if __name__ == "__main__":
    if missing():
        raise SystemExit(f"not here: {missing()}; Debian has them in slurm-wlm and munge")
    with tempfile.TemporaryDirectory() as folder, own_slurm() as environment:
        trial = Trial(
            Path(folder), {**environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        )
        for part in (same_numbers, killed, cancelled, disturbed, ddp):
            if part.__name__ in (sys.argv[1:] or part.__name__):
                part(trial)
    print("all right" if not trial.wrong else f"wrong: {'; '.join(trial.wrong)}")
    sys.exit(bool(trial.wrong))
