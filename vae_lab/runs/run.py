"""A run as notebooks and commands receive it: its settings and scores, and on first use its weights and data."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from vae_lab.config.node import Node
from vae_lab.config.trust import trusting
from vae_lab.data.dataset import Dataset
from vae_lab.errors import DoesNotFit, UserError
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import values_from
from vae_lab.report.titles import title_of
from vae_lab.runs.build import make_data, make_job_of
from vae_lab.runs.content import CONFIG, RESULTS, main_scores
from vae_lab.runs.trained_model import TrainedModel
from vae_lab.runs.weights import load_scored
from vae_lab.scores import Scores
from vae_lab.system.reading import steps_in
from vae_lab.training.job import Job


@dataclass(repr=False)
class Run(TrainedModel):
    """A finished or interrupted run, as ``vae_lab.load_run`` returns it.

    >>> run = vae_lab.load_run("outputs/2026-01-31/12-00-00-beta=4")
    >>> run.scores["test/fid"], run.config["beta"], run.history[-1]["val/loss"]
    >>> x = run.sample(16)                                    # [16, C, H, W] in [0, 1]
    >>> sevens = run.sample(16, y=7)                          # of a conditional run
    >>> x = run.sample(16, sampler="gmm")                     # codes from a mixture fitted to the training codes
    >>> codes = run.encode(x)                                 # [16, D], of a conditional run run.encode(x, y=7)
    >>> run.decode(codes).equal(run.reconstruct(x))           # images [16, C, H, W]
    True
    >>> between = run.interpolate(x[0], x[1], steps=7)        # [7, C, H, W], from one reconstruction to the other
    >>> latents = run.model.infer(x, None, 1, run.evaluation.noise("mine"))

    Weights and data are read from disk when they are first used.
    """

    path: Path
    config: Node  # the resolved config
    status: str  # 'finished', or 'interrupted' if there is no results.json
    scores: dict[str, float]  # 'test/elbo' etc.; empty if the run is interrupted
    protocol: Node  # how each score was computed
    arrays: dict[str, list[Any]]  # results that are more than one number
    intervals: dict[str, tuple[float, float]]  # 95 % intervals, for the scores that have one
    meanings: dict[str, str]  # unit and direction of each score
    notes: list[str]  # sentences for the user, e.g. about a collapse, or why a score was left out
    environment: Node  # versions, device, seed, wall time, parameters
    history: list[dict[str, float]]  # one row per epoch, as in metrics.csv
    data_dir: str | None = None
    trust: Sequence[str] = ()  # packages outside vae_lab that the config may name

    def __repr__(self) -> str:
        """The folder, the status, the settings and up to three scores, in one line."""
        scores = main_scores(self.scores)
        epochs = f"after {self.epochs_done} of {self.config['epochs']} epochs"
        ended = self.status if self.status == "finished" else f"{self.status} {epochs}"
        about = f"{title_of(self.config)}{'; ' if scores else ''}{scores}"
        return " ".join(f"Run({str(self.path)!r}, {ended}: {about})".split())

    @property
    def epochs_done(self) -> int:
        """The number of completed epochs, of which metrics.csv has rows."""
        return int(self.history[-1]["epoch"]) if self.history else 0

    @property
    def steps_done(self) -> int:
        """The number of optimizer steps of these epochs."""
        return steps_in(self.history)

    @cached_property
    def data(self) -> Dataset:
        """The dataset of the run; its ``batches()`` are examples as the model receives them."""
        chosen = self.data_dir or self.config["data_dir"] or os.environ.get("VAE_LAB_DATA")
        try:
            with trusting(self.trust):
                return make_data({**self.config, "data_dir": chosen or self.environment["data_dir"]})
        except DoesNotFit as why:
            raise UserError(f"{self.path / CONFIG} is damaged, or of another version: {why}") from why

    @cached_property
    def job(self) -> Job:
        """The model and the objective, with the weights that were scored: those of ``best.ckpt``."""
        values = values_from(self.environment.get("values"))
        x_shape, y_size = tuple(self.environment["x_shape"]), self.environment.get("y_size", 0)
        with trusting(self.trust):
            job = make_job_of(self.path, self.config, x_shape, y_size, values)
        load_scored(job, self.path, self.protocol, self.status == "finished")
        return job.eval()

    @property
    def saved_scores(self) -> Scores:
        """What ``results.json`` holds, as metrics and figures receive it."""
        return Scores(
            self.scores, self.protocol, self.arrays, self.notes, self.intervals, self.meanings,
            saved_in=self.path / RESULTS,
        )  # fmt: skip

    @cached_property
    def evaluation(self) -> Evaluation:
        """The argument of metrics and figures, as in ``FID()(run.evaluation)``."""
        device = torch.device("cpu")
        title = title_of(self.config, self.data.values.many)
        evaluation = Evaluation(self.job, self.data, self.config["seed"], device, title, self.history)
        with trusting(self.trust):
            put_own_prior(evaluation, self.config, self.path, fit=False)
        return evaluation
