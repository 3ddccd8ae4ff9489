"""Test launcher=slurm on a private Slurm (own_slurm.py) in five to ten minutes; the exit status is 0 on success.

    python scripts/try_slurm.py [same_numbers | killed | cancelled | disturbed | ddp]

1. Four jobs give the same scores as in sequence.
2. The starting process is killed while jobs run; the next start takes over its jobs and trains none of them twice.
3. Ctrl-C cancels the jobs; the same command continues them and gives the scores of an undisturbed sweep.
4. A preempted job is requeued automatically and resumed.
5. A job that is killed from outside is reported as failed, with the path of its log; the next start completes it.
6. Two DDP processes that Slurm starts give the same scores as two that Lightning starts.
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
LONG = "epochs=80"  # about a quarter of a minute per job


class Trial:
    """Starts sweeps in one folder and collects the failed checks."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self.failed = folder, environment, list[str]()

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """Start a sweep and return its process."""
        print(f"  $ vae-lab train -m {' '.join(words)}", flush=True)
        return subprocess.Popen([PROGRAM, "train", "-m", *words], cwd=self.folder, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    def run(self, *words: str) -> str:
        """Run a sweep to its end and return its output."""
        process = self.begin(*words)
        output, _ = process.communicate(timeout=600)
        self.check(process.returncode == 0, f"exit status {process.returncode}", output)
        return output

    def check(self, passed: bool, what: str, output: str = "") -> None:
        """Print the result of a check and, if it failed, the output of the program."""
        print(f"    {'passed' if passed else 'FAILED'}: {what}", flush=True)
        if not passed:
            self.failed.append(what)
            print(output)

    def sweep(self, name: str) -> Path:
        """Return the folder of a sweep."""
        return self.folder / "outputs" / "sweeps" / name

    def scores(self, name: str) -> dict[str, dict[str, float]]:
        """Return the scores of a sweep by job."""
        files = sorted(self.sweep(name).glob("*/results.json"))
        return {path.parent.name: json.loads(path.read_text())["metrics"] for path in files}

    def epochs(self, name: str) -> list[int]:
        """Return the number of rows in each job's metrics.csv so far."""
        tables = self.sweep(name).glob("latent_dim-*/metrics.csv")
        return [len(table.read_text().splitlines()) - 1 for table in tables]

    def slurm(self, *command: str) -> list[str]:
        """Run one of Slurm's programs and return the words of its output."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # scancel waits for a job that is being requeued
            return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False,
                                  timeout=5).stdout.split()  # fmt: skip
        return []

    def undisturbed(self) -> dict[str, dict[str, float]]:
        """Return the scores of the long sweep, run in sequence."""
        if not self.scores("long_sequence"):
            self.run(*WORDS, LONG, "sweep=long_sequence")
        return self.scores("long_sequence")

    def wait_until(self, ready: Callable[[], object], seconds: int = 120) -> None:
        """Wait until a condition holds; the check fails if it does not hold in time."""
        end = time.monotonic() + seconds
        while not ready() and time.monotonic() < end:
            time.sleep(0.3)
        self.check(bool(ready()), "the expected state was reached")

    def submitted(self, name: str) -> int:
        """Return the number of jobs that a sweep has submitted to Slurm so far, in all its starts."""
        return len(list((self.sweep(name) / "slurm").glob("*_submitted.pkl")))


def same_numbers(trial: Trial) -> None:
    """Compare the scores of Slurm and of launcher=sequence, which must be equal to the last digit."""
    print("1. four jobs, in sequence and through Slurm")
    trial.run(*WORDS, "epochs=3", "sweep=sequence")
    output = trial.run(*WORDS, "epochs=3", "sweep=slurm", *SLURM)
    trial.check(len(trial.scores("slurm")) == 4, "four results", output)
    trial.check(trial.scores("slurm") == trial.scores("sequence"), "the same scores, to the last digit")


def killed(trial: Trial) -> None:
    """Kill the starting process with SIGKILL, which it cannot handle, and start the sweep again."""
    print("2. kill -9 of the starting process while jobs run")
    process = trial.begin(*WORDS, LONG, "sweep=killed", *SLURM)
    trial.wait_until(lambda: sum(trial.epochs("killed")) > 5)
    process.kill()
    process.communicate()
    trial.check(len(trial.slurm("squeue", "-h", "-r", "-o", "%i")) == 4, "its four jobs are still in the queue")
    output = trial.run(*WORDS, LONG, "sweep=killed", *SLURM)
    trial.check(trial.submitted("killed") == 4, "no job was submitted twice", output)
    trial.check(trial.scores("killed") == trial.undisturbed(), "the same scores as in sequence")
    trial.check(trial.epochs("killed") == [80] * 4, "each epoch appears once in each metrics.csv")


def cancelled(trial: Trial) -> None:
    """Cancel the sweep with Ctrl-C and continue it."""
    print("3. Ctrl-C while jobs run")
    process = trial.begin(*WORDS, LONG, "sweep=cancelled", *SLURM)
    trial.wait_until(lambda: sum(trial.epochs("cancelled")) > 5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    trial.check(
        "cancelled 4 jobs in Slurm" in output and process.returncode == 130,
        "it reports the cancellation",
        output,
    )
    trial.wait_until(lambda: not trial.slurm("squeue", "-h", "-o", "%i"), 60)
    kept = sum(trial.epochs("cancelled"))
    output = trial.run(*WORDS, LONG, "sweep=cancelled", *SLURM)
    trial.check("interrupted" in output and kept > 5, f"{kept} epochs were kept", output)
    trial.check(trial.scores("cancelled") == trial.undisturbed(), "the same scores as in sequence")


def disturbed(trial: Trial) -> None:
    """Preempt one job and kill another with Slurm's scancel."""
    print("4. and 5. one job preempted, one killed")
    process = trial.begin(*WORDS, LONG, "sweep=disturbed", *SLURM)
    trial.wait_until(lambda: len(trial.epochs("disturbed")) >= 2 and min(trial.epochs("disturbed")) > 5)
    numbers = json.loads((trial.sweep("disturbed") / "slurm" / "jobs.json").read_text())
    trial.slurm("scancel", "--signal=KILL", numbers["latent_dim-3"])
    trial.slurm("scancel", "--signal=USR2", numbers["latent_dim-2"])  # sent by Slurm before a time-out or preemption
    output, _ = process.communicate(timeout=600)
    trial.check(process.returncode == 1 and "1 failed" in output, "the killed job is reported as failed", output)
    trial.check(f"{numbers['latent_dim-3']}_0_log.err" in output.replace("\n", ""), "with the path of its log", output)
    log = (trial.sweep("disturbed") / "slurm" / f"{numbers['latent_dim-2']}_0_log.out").read_text()
    again = "this job is preempted" in log and log.count("Starting with") == 2
    trial.check(again, "the preempted job was requeued and completed", log)
    trial.run(*WORDS, LONG, "sweep=disturbed", *SLURM)
    trial.check(trial.scores("disturbed") == trial.undisturbed(), "the same scores as in sequence")


def ddp(trial: Trial) -> None:
    """Compare two DDP processes that Slurm starts with two that Lightning starts."""
    print("6. two DDP processes")
    two = [*WORDS[:-1], "latent_dim=4", "epochs=3", "accelerator=ddp", "accelerator.kind=cpu"]
    trial.run(*two, "sweep=ddp_here")
    output = trial.run(*two, "sweep=ddp_slurm", *SLURM)
    logs = list((trial.sweep("ddp_slurm") / "slurm").glob("*_log.out"))
    trial.check(len(logs) == 2, "two processes", output)
    trial.check(trial.scores("ddp_slurm") == trial.scores("ddp_here") != {}, "the same scores as without Slurm")


if __name__ == "__main__":
    if missing():
        raise SystemExit(f"missing programs: {missing()}; install Debian's packages slurm-wlm and munge")
    with tempfile.TemporaryDirectory() as folder, own_slurm() as environment:
        trial = Trial(
            Path(folder), {**environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        )
        for part in (same_numbers, killed, cancelled, disturbed, ddp):
            if part.__name__ in (sys.argv[1:] or part.__name__):
                part(trial)
    print("all checks passed" if not trial.failed else f"failed: {'; '.join(trial.failed)}")
    sys.exit(bool(trial.failed))
