"""A run in progress, from claiming its folder and opening its loggers to writing its results."""

import math
import time
import uuid
from contextlib import suppress
from functools import cached_property

import torch
from pytorch_lightning.loggers import Logger
from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.errors import UserError
from vae_lab.evaluation.for_comparison import draw_for_comparison
from vae_lab.evaluation.outputs import score, score_sampler
from vae_lab.evaluation.own_classifier import users_in, why_without
from vae_lab.evaluation.own_prior import budget_of_prior, put_own_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.following import tracker
from vae_lab.report.loggers import LogContext, close
from vae_lab.report.titles import title_of
from vae_lab.runs import writing
from vae_lab.runs.content import HISTORY
from vae_lab.runs.environment import describe_environment
from vae_lab.runs.preparing import Prepared
from vae_lab.runs.weights import load_best_or_last
from vae_lab.scores import Scores
from vae_lab.system.reading import read_history, steps_in
from vae_lab.training.checkpoints import LAST, restore_last, write_checkpoint
from vae_lab.training.compiled import estimated_seconds
from vae_lab.training.history import log_history, write_history


def begin(
    prepared: Prepared, sweep: str | None = None, command: str | None = None, **environment: object
) -> "ActiveRun":
    """Claim the run folder, write ``environment.json`` and ``config.yaml``, and open the loggers.

    Args:
        prepared: the run, of which nothing has been written yet.
        sweep: the sweep that the run is a job of.
        command: the command that starts this run alone; None: the command line of this process.
        environment: additional entries for ``environment.json``.

    Raises:
        UserError: the folder already holds a run or cannot be written, or a logger cannot be opened. The folder then
            contains nothing of this run.
    """
    config, data, run_dir = prepared.config, prepared.data, prepared.run_dir
    writing.claim(run_dir)
    prepared.environment = {
        **describe_environment(config, device_for(prepared.settings.accelerator), command),
        "parameters": prepared.job.parameter_count,
        "x_shape": list(data.x_shape),
        "y_size": data.y_size,
        "classes": list(data.classes),
        "attributes": list(data.attributes),
        "values": data.values.about,
        "run_id": uuid.uuid4().hex[:8],
        "sweep": sweep,
        "wall_seconds": 0.0,
        **(prepared.beginning.about if prepared.beginning else {}),
        **environment,
    }
    writing.write_environment(run_dir, prepared.environment)
    writing.write_config(run_dir, config)  # written last: a folder with a config.yaml counts as a run
    try:
        return ActiveRun(prepared)
    except UserError:  # a logger cannot be opened
        writing.withdraw(run_dir)
        raise


class ActiveRun:
    """A run whose loggers are open and whose wall time is measured, until it is closed.

    Args:
        prepared: the run; its environment has been written to the run folder.
    """

    def __init__(self, prepared: Prepared) -> None:
        assert prepared.environment is not None
        self.settings, self.config, self.run_dir = prepared.settings, prepared.config, prepared.run_dir
        self.data, self.job, self.environment = prepared.data, prepared.job, prepared.environment
        self.title = title_of(self.config, self.data.values.many)
        self.notes = [*self.data.notes, *prepared.notes]  # known before training
        if prepared.checkpoint is not None:
            restore_last(prepared.checkpoint)
        self._started: float | None = time.perf_counter()
        self._is_open = True
        begun = prepared.beginning.history if prepared.beginning else []
        saved = [row for row in read_history(self.run_dir / HISTORY) if row["epoch"] <= prepared.epochs_done]
        context = LogContext(self.run_dir, self.config, self.environment, steps_in(begun or saved))
        self.loggers: list[Logger] = [make(self.config["logger"], context)] if self.config["logger"] else []
        self.began = prepared.beginning.sentence if prepared.beginning else ""
        if begun:
            write_history(self.run_dir / HISTORY, begun)
            log_history(self.loggers, begun)
        if prepared.beginning and prepared.beginning.checkpoint:
            write_checkpoint(prepared.beginning.checkpoint, self.run_dir / "checkpoints" / LAST)

    @cached_property
    def own_classifier(self) -> tuple[str, str]:
        """Why the dataset's classifier is left out, and what to tell before training; see :func:`why_without`."""
        settings, device = self.settings, device_for(self.settings.accelerator)

        def seconds() -> float:
            if self.environment.get("sweep"):
                return math.inf  # one classifier serves all jobs, which together take longer than it
            batch, images = next(self.data.batches("val", n=8)), len(self.data.train)
            return estimated_seconds(self.job, batch, settings.batch_size, images, settings.epochs, device)

        return why_without(settings.classifier, users_in(self.config), self.data, seconds, device)

    @property
    def plan_of_prior(self) -> str:
        """What will be fitted to the codes of a discrete model after training, and how long it takes; else empty."""
        device = device_for(self.settings.accelerator)
        return budget_of_prior(self.config, self.job.model, self.data, device, self.settings.epochs)

    def score(self, console: Console, device: torch.device) -> Scores:
        """Compute the config's metrics and figures with the best weights, and the sampler's if the config has one.

        A prior over the codes of a discrete model is fitted first.

        They are saved in the run folder and sent to the loggers.

        Args:
            console: shows progress.
            device: the device to compute on.
        """
        self._started = self._started or time.perf_counter()
        checkpoint, notes = load_best_or_last(self.job, self.run_dir)
        history, features = read_history(self.run_dir / HISTORY), make(self.settings.features)
        step = steps_in(history)
        seed, follow = self.settings.seed, tracker(console)
        evaluation = Evaluation(self.job, self.data, seed, device, self.title, history, follow, features)
        evaluation.without_classifier, _ = self.own_classifier
        if self.settings.training.ema:
            checkpoint["weights"] = f"moving average, decay {self.settings.training.ema:g}"
        evaluation.scores.protocol["checkpoint"] = checkpoint
        evaluation.scores.notes.extend(notes)
        put_own_prior(evaluation, self.config, self.run_dir)
        draw_for_comparison(evaluation, self.run_dir)
        scores = score(evaluation, self.config, self.run_dir, self.loggers, step)
        if evaluation.prior is not None:
            return scores
        return score_sampler(evaluation, self.config, self.run_dir, self.loggers, step)

    def hold(self) -> None:
        """Stop measuring wall time until :meth:`score` is called, while other runs of the same stack are scored."""
        if self._started:
            self.environment["wall_seconds"] += time.perf_counter() - self._started
        self._started = None

    def close(self, scores: Scores | None) -> None:
        """Write the wall time and close the loggers; further calls have no effect.

        Args:
            scores: are written to ``results.json``, which marks the run as finished; None: the run was interrupted or
                failed.
        """
        if not self._is_open:
            return
        self._is_open = False
        self.hold()
        self.environment["wall_seconds"] = round(self.environment["wall_seconds"], 2)
        with suppress(OSError):  # the disk may be full; of a finished run, the results below then fail, too
            writing.write_environment(self.run_dir, self.environment)
        close(self.loggers, failed=scores is None)
        if scores is not None:
            writing.write_results(self.run_dir, scores)
