"""Finds before training what would otherwise be found after it, when scores are computed.

Metrics, figures, the sampler and the feature network are built, and their needs are compared with the model and the
data. Nothing is computed that takes long: the classifier of a dataset is not trained, and no images are read.
"""

from functools import cached_property

import torch

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.data.cache import Unwritable, refuse_unwritable
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.epoch_frames import try_frames
from vae_lab.evaluation.fitting import refuse_other_codes, sampler_name
from vae_lab.evaluation.needs import note_without_results, usable, without_results
from vae_lab.evaluation.parts import figures_named, figures_of, metrics_named, metrics_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Data
from vae_lab.features.classifier import classifier_beforehand, is_at_hand
from vae_lab.features.remembered import FOLDER
from vae_lab.scores import Extractor
from vae_lab.training.job import Job


def try_scores(config: Node, job: Job, data: Data) -> list[str]:
    """Build everything that a run is scored with, for its model before training.

    Args:
        config: the resolved config of the run.
        job: the model and the objective, on the CPU.
        data: the dataset of the run.

    Returns:
        Notes about metrics and figures that will be left out, and about a cache that cannot be written to.

    Raises:
        UserError: a metric, a figure, the sampler or the feature network cannot be built, the sampler is for codes of
            another kind, or a classifier that the user asked for could not be saved.
    """
    metrics, figures = metrics_of(config), figures_of(config)
    trial = _Beforehand(job, data, config["seed"], torch.device("cpu"), features=make(config["features"]))
    trial.required = config.get("classifier", True) is True
    if config.get("sampler"):
        sampler = make(config["sampler"])
        refuse_other_codes(sampler, trial.model, sampler_name(config) or "")
        trial.prior = sampler if is_code_prior(sampler) else None
    try_frames(config, trial)
    named = figures_named(config)
    drawable, notes = usable(figures, trial, "figure ", named)
    left_out = [*usable(metrics, trial, named=metrics_named(config))[1], *notes]
    lacking = {name: without_results(figure, metrics) for name, figure in drawable.items()} if named else {}
    lacking = {name: names for name, names in lacking.items() if names}
    left_out += note_without_results(lacking, "vae-lab evaluate run=<the run>", before=True)
    job.train()
    return [*left_out, *trial.warnings]


class _Beforehand(Evaluation):
    """The evaluation of a model that is not trained yet, whose classifier may not be trained yet either."""

    required = True  # whether the user asked for the classifier, so that the run is refused if it could not be saved

    @cached_property
    def classifier(self) -> Extractor | None:  # type: ignore[override]
        """An untrained network in the place of the classifier, which is shipped, cached, or trained after the run."""
        return classifier_beforehand(self.data, self.required)

    @property
    def warnings(self) -> list[str]:
        """What will cost time, if any metric has asked for the feature network."""
        extractor = self.__dict__.get("extractor")
        if extractor is None or (extractor is self.classifier and not is_at_hand(self.data)):
            return []  # a classifier that cannot be saved is left out
        try:
            refuse_unwritable(FOLDER)
            return []
        except Unwritable as why:
            return [f"{why}. Until then, features of real images are computed in every run and not remembered."]
