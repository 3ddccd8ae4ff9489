"""A run as notebooks and commands receive it: its settings and scores, and on first use its weights and data."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vae_lab.config.node import Node
from vae_lab.config.trust import trusting
from vae_lab.data.dataset import Dataset
from vae_lab.errors import DoesNotFit, UserError
from vae_lab.evaluation.conditions import Word, as_in_training, in_turn, typed_y, unconditional, y_text
from vae_lab.evaluation.draws import decoded_draws, is_code_prior, temperatures
from vae_lab.evaluation.fitting import at_hand
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import values_from
from vae_lab.inference import code_sizes
from vae_lab.report.titles import title_of
from vae_lab.runs.build import make_data, make_job_of
from vae_lab.runs.content import CONFIG, RESULTS, main_scores
from vae_lab.runs.weights import load_scored
from vae_lab.scores import Conditions, Scores
from vae_lab.system.reading import steps_in
from vae_lab.training.job import Job
from vae_lab.types import CodePrior, Model, Sampler


@dataclass(repr=False)
class Run:
    """A finished or interrupted run, as ``vae_lab.load_run`` returns it.

    >>> run = vae_lab.load_run("outputs/2026-01-31/12-00-00-beta=4")
    >>> run.scores["test/fid"], run.config["beta"], run.history[-1]["val/loss"]
    >>> x = run.sample(16)                                    # [16, C, H, W] in [0, 1]
    >>> sevens = run.sample(16, y=7)                          # of a conditional run
    >>> x = run.sample(16, sampler="gmm")                     # codes from a mixture fitted to the training codes
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

    @property
    def model(self) -> Model:
        """The trained model in evaluation mode (see :class:`vae_lab.types.Model`)."""
        return self.job.model

    @cached_property
    def evaluation(self) -> Evaluation:
        """The argument of metrics and figures, as in ``FID()(run.evaluation)``."""
        device = torch.device("cpu")
        title = title_of(self.config, self.data.values.many)
        evaluation = Evaluation(self.job, self.data, self.config["seed"], device, title, self.history)
        with trusting(self.trust):
            put_own_prior(evaluation, self.config, self.path, fit=False)
        return evaluation

    def sample(
        self,
        n: int,
        seed: int = 0,
        y: Word | Sequence[Word] | None = None,
        sampler: str | Sampler | CodePrior = "prior",
        temperature: float | Sequence[float] = 1.0,
    ) -> Tensor:
        """Draw n codes from the prior or from another sampler, and return the decoded means.

        Args:
            n: the number of examples.
            seed: the seed of the draws.
            y: for a conditional run: a label (its name or number), several labels that alternate, or the values of all
                attributes; None: drawn as in training. The codes do not depend on y, unless they are
                drawn from a fitted prior of codes.
            sampler: the name of an option of the group ``sampler``, which is fitted and saved if it has not been yet;
                or a fitted sampler. The default is the prior, which for a discrete model is the one that was fitted to
                its codes.
            temperature: the factor of the noise in z = μ + τ σ ε, or the divisor of the logits of discrete codes;
                several of a hierarchy are one per level, the top level first.

        Returns:
            [n, *x_shape] on the CPU: images [n, C, H, W] in [0, 1].

        Raises:
            UserError: the run is not conditional, there is no such label, there is no such sampler, there are not as
                many temperatures as levels, or a temperature would change nothing.
        """
        scales = temperatures(self.model, temperature)
        device, conditions = next(self.job.parameters()).device, self.conditions(y)
        fitted = self._sampler(sampler)
        self.job.to(device)  # self.evaluation moves it to the CPU
        if is_code_prior(fitted):
            fitted.to(device)
        if fitted is None and scales != [1.0] and code_sizes(self.model):
            raise UserError("this run has no prior that was fitted to its codes, and the uniform prior of codes has no "
                            "temperature; type temperature=1, or sampler=code_transformer")  # fmt: skip
        if fitted is not None and scales != [1.0] and not getattr(fitted, "tempered", True):
            raise UserError("this sampler draws stored codes, which a temperature does not change; type temperature=1")
        examples = decoded_draws(
            self.model, n, device, seed, "sample command", conditions=conditions, sampler=fitted, temperature=scales
        )
        return torch.cat(list(examples)).cpu()

    def _sampler(self, named: str | Sampler | CodePrior) -> Sampler | CodePrior | None:
        """The sampler of this name; None for the prior of the model itself."""
        if not isinstance(named, str):
            return named
        with trusting(self.trust):
            if named != "prior":
                return at_hand(self.evaluation, named, self.path)[0]
            if self.config.get("sampler"):  # a model without one needs no data here
                put_own_prior(self.evaluation, self.config, self.path)
                return self.evaluation.prior
        return None

    def conditions(self, y: Word | Sequence[Word] | None = None) -> Conditions:
        """The labels or attributes of generated examples: those given, or otherwise drawn as in training.

        The result gives None for a run that is not conditional.

        Raises:
            UserError: y is given although the run is not conditional, or there is no such label.
        """
        if self.model.conditional:
            if y is None:
                return as_in_training(self.data.train)
            return in_turn(typed_y(y, self.environment["classes"], self.environment["attributes"]))
        if y is not None:
            raise UserError(f"y={y_text(y)}: this run is not conditional; leave y out, or train with conditional=true")
        return unconditional
