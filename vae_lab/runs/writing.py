"""Claims run folders, and writes the files of a run."""

import shutil
from pathlib import Path

import yaml

from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.runs.content import CONFIG, ENVIRONMENT, RESULTS
from vae_lab.scores import Scores
from vae_lab.system.files import write_atomically, write_json


def claim(run_dir: Path) -> None:
    """Create the folder of a new run, or check that the existing folder is free and can be written to.

    Raises:
        UserError: the folder already holds a run, or cannot be written to.
    """
    if (run_dir / RESULTS).exists():
        raise UserError(f"{run_dir} holds a finished run, which is never overwritten; choose another hydra.run.dir")
    if (run_dir / CONFIG).exists():
        raise UserError(f"{run_dir} holds an interrupted run; type vae-lab train resume={run_dir}")
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with write_atomically(run_dir / ".writable"):
            pass
        (run_dir / ".writable").unlink()
    except OSError as why:
        raise UserError(
            f"{run_dir} cannot be written ({why.strerror}); type hydra.run.dir=<a writable folder>"
        ) from why


def withdraw(run_dir: Path) -> None:
    """Remove the files of a run that failed before training; a run with checkpoints is left unchanged."""
    if (run_dir / "checkpoints").exists():
        return
    for name in (CONFIG, ENVIRONMENT):
        (run_dir / name).unlink(missing_ok=True)
    shutil.rmtree(run_dir / "wandb", ignore_errors=True)


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice two times: the reader refuses aliases, since a few of them fill the memory."""

    def ignore_aliases(self, data: object) -> bool:
        """Return whether the value is written whole, which it always is."""
        return True


def write_config(run_dir: Path, config: Node) -> None:
    """Write ``config.yaml``, from which the run can be repeated."""
    with write_atomically(run_dir / CONFIG) as file:
        yaml.dump(config, file, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def write_environment(run_dir: Path, environment: Node) -> None:
    """Write ``environment.json``."""
    write_json(run_dir / ENVIRONMENT, environment)


def write_results(run_dir: Path, scores: Scores) -> None:
    """Write ``results.json``. It is the last file of a run, and its presence marks the run as finished."""
    write_json(
        run_dir / RESULTS,
        {
            "status": "finished",
            "metrics": scores.values,
            "intervals": scores.intervals,
            "meanings": scores.meanings,
            "protocol": scores.protocol,
            "arrays": scores.arrays,
            "notes": scores.notes,
        },
    )
