"""A run between its first and its last file: its folder is taken, its loggers are open, its clock runs."""

import time
import uuid
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.errors import UserError
from vae_lab.evaluation.outputs import score, score_sampler
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.loggers import LogContext, close
from vae_lab.report.terminal import tracker
from vae_lab.report.titles import title_of
from vae_lab.runs import run_folder
from vae_lab.runs.build import load_weights
from vae_lab.runs.preparing import Prepared
from vae_lab.scores import Scores
from vae_lab.system.files import read_history


def begin(prepared: Prepared, sweep: str | None = None, command: str | None = None, **environment: Any) -> "ActiveRun":
    """Take the folder, write what the run is, open its loggers; ``environment`` goes into ``environment.json``.

    Raises:
        UserError: the folder is taken, or a logger cannot be had; nothing is left in the folder then.
    """
    config, data, run_dir = prepared.config, prepared.data, prepared.run_dir
    run_folder.claim(run_dir)
    prepared.environment = {
        **run_folder.describe_environment(config, device_for(prepared.settings.accelerator), command),
        "parameters": prepared.job.parameter_count,
        "x_shape": list(data.x_shape),
        "y_size": data.y_size,
        "classes": list(data.classes),
        "attributes": list(data.attributes),
        "values": data.values.about,
        "run_id": uuid.uuid4().hex[:8],
        "sweep": sweep,
        "wall_seconds": 0.0,
        **environment,
    }
    run_folder.write_environment(run_dir, prepared.environment)
    run_folder.write_config(run_dir, config)  # its presence makes the folder a run that can be resumed
    try:
        return ActiveRun(prepared)
    except UserError:  # a logger that cannot be had: nothing was trained
        run_folder.withdraw(run_dir)
        raise


class ActiveRun:
    """A run whose loggers are open and whose clock runs, until it is closed."""

    def __init__(self, prepared: Prepared) -> None:
        assert prepared.environment is not None
        self.settings, self.config, self.run_dir = prepared.settings, prepared.config, prepared.run_dir
        self.data, self.job, self.environment = prepared.data, prepared.job, prepared.environment
        self.title = title_of(self.config)
        self._started: float | None = time.perf_counter()
        self._is_open = True
        context = LogContext(self.run_dir, self.config, self.environment["run_id"], self.environment["sweep"])
        self.loggers: list[Logger] = [make(self.config["logger"], context)] if self.config["logger"] else []

    def score(self, console: Console, device: torch.device, step: int) -> Scores:
        """Of the best weights: metrics, figures, the sampler's; kept in the folder and with the loggers."""
        self._started = self._started or time.perf_counter()
        epoch = load_weights(self.job, self.run_dir / "checkpoints" / "best.ckpt")
        history, features = read_history(self.run_dir / "metrics.csv"), make(self.settings.features)
        seed, follow = self.settings.seed, tracker(console)
        evaluation = Evaluation(self.job, self.data, seed, device, self.title, history, follow, features)
        evaluation.scores.protocol["checkpoint"] = {"which": "best val/loss", "epoch": epoch}
        score(evaluation, self.config, self.run_dir, self.loggers, step)
        return score_sampler(evaluation, self.config, self.run_dir, self.loggers, step)

    def hold(self) -> None:
        """Its clock stops until it is scored: other runs are, that were trained with it."""
        if self._started:
            self.environment["wall_seconds"] += time.perf_counter() - self._started
        self._started = None

    def close(self, scores: Scores | None) -> None:
        """Note the time that it took and end the loggers' runs, once; with scores, the run is finished."""
        if not self._is_open:
            return
        self._is_open = False
        self.hold()
        self.environment["wall_seconds"] = round(self.environment["wall_seconds"], 2)
        run_folder.write_environment(self.run_dir, self.environment)
        close(self.loggers, failed=scores is None)
        if scores is not None:
            run_folder.write_results(self.run_dir, scores)
