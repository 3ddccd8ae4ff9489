"""``vae-lab score``: scores given images, from any source, and writes the results to a separate run folder."""

import shlex
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import ScoreConfig
from vae_lab.data.dataset import Dataset
from vae_lab.data.given_images import GivenImages
from vae_lab.errors import UserError
from vae_lab.evaluation.outputs import score as run_scores
from vae_lab.evaluation.parts import figures_of, metrics_of
from vae_lab.evaluation.scoring import FeaturesFor, Scoring, silent
from vae_lab.features.classifier import classifier_features
from vae_lab.metrics.common.image_scores import ImageMetric, images_compared
from vae_lab.noise import generator
from vae_lab.report.following import tracker
from vae_lab.report.loggers import LogContext, close
from vae_lab.report.terminal import print_scores
from vae_lab.runs import writing
from vae_lab.runs.build import make_data
from vae_lab.runs.environment import describe_environment
from vae_lab.runs.state import in_use, saved_config
from vae_lab.scores import Scores
from vae_lab.types import Progress, Shape


class ScoredImages(Scoring):
    """Scoring with given images in the place of samples, taken without replacement in an order that the seed fixes.

    Args:
        given: the images to score.
        data, seed, device, title, progress, features: see :class:`Scoring`.
    """

    def __init__(
        self,
        given: GivenImages,
        data: Dataset,
        seed: int,
        device: torch.device,
        title: str = "",
        progress: Progress = silent,
        features: FeaturesFor = classifier_features,
    ) -> None:
        super().__init__(data, seed, device, title, progress, features)
        self.given, self.available = given, len(given)
        self.sampler = f"given images, {given.path.name}"
        self._order = torch.randperm(len(given), generator=generator("cpu", self.seed, "given images"))

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """Yield n of the given images; a larger n yields the same images first."""
        for index in self._order[:n].split(size):
            yield self.given.at(index).to(self.device)


def score_images(config: Node, run_dir: Path, console: Console, sweep: str | None = None) -> Scores:
    """Compute metrics and figures of given images, and send them to the logger.

    ``config.yaml``, ``environment.json`` and ``results.json`` are written after everything else, so that the folder of
    a command that failed does not count as a run.

    Args:
        config: the resolved config of the command.
        run_dir: the folder to write to; it is created if it does not exist.
        console: shows progress and scores.
        sweep: the sweep that the command is a job of.

    Raises:
        UserError: the folder is in use, or the images or the config are not valid; nothing has been written then.
    """
    # Without the lock, two commands at the same time would mix their results in one folder.
    with in_use(run_dir):
        return _score_images(config, run_dir, console, sweep)


def _score_images(config: Node, run_dir: Path, console: Console, sweep: str | None) -> Scores:
    started = time.perf_counter()
    settings = check(ScoreConfig, config)
    metrics = metrics_of(config)
    _refuse_what_needs_a_model({"metrics": metrics, "figures": figures_of(config)})
    device = device_for(settings.accelerator)
    data = make_data(config)
    if data.values.kind != "images":
        raise UserError(f"dataset={data.name} holds {data.values.kind}, and vae-lab score compares images")
    given = _given(settings, data.x_shape)
    if not _is_begun(run_dir):
        writing.claim(run_dir)
    title = f"{given.path.name} against {data.name}, seed {settings.seed}"
    scoring = ScoredImages(given, data, settings.seed, device, title, tracker(console), make(settings.features))
    _refuse_too_few(scoring, metrics, config)
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{given.about['kind']}, {given.about['values']}", highlight=False, soft_wrap=True)
    scoring.scores.notes.extend(given.notes)
    environment = {
        **describe_environment(config, device, shlex.join(["vae-lab", "score", *sys.argv[1:]])),
        "x_shape": list(data.x_shape),
        "run_id": uuid.uuid4().hex[:8],
        "sweep": sweep,
    }
    scoring.scores.protocol["images"] = {**given.about, "count": len(given)}
    loggers, failed = [], True
    try:
        context = LogContext(run_dir, config, environment)
        loggers = [make(config["logger"], context)] if config["logger"] else []
        scores = run_scores(scoring, config, run_dir, loggers, 0)
        failed = False
    finally:
        close(loggers, failed)
    writing.write_config(run_dir, config)
    writing.write_environment(run_dir, {**environment, "wall_seconds": round(time.perf_counter() - started, 2)})
    writing.write_results(run_dir, scores)
    print_scores(console, scores, title, run_dir)
    return scores


def _given(settings: ScoreConfig, x_shape: Shape) -> GivenImages:
    reading = (settings.range, settings.channels, settings.array, settings.axes, settings.background)
    return GivenImages(settings.images, x_shape, *reading)


def _is_begun(run_dir: Path) -> bool:
    """Whether a folder holds scores of given images that a killed command has not finished; they are written anew."""
    config = None if (run_dir / "results.json").exists() else saved_config(run_dir)
    return config is not None and "images" in config


def _refuse_what_needs_a_model(requested: Mapping[str, Mapping[str, object]]) -> None:
    for group, parts in requested.items():
        for name, part in parts.items():
            if not getattr(part, "of_images", False):
                raise UserError(
                    f"{group}: {name} needs a trained model, and only images are given; type {group}=images"
                )
    if not requested["metrics"]:
        raise UserError("metrics=none leaves nothing to score; type metrics=images")


def _refuse_too_few(scoring: ScoredImages, metrics: Mapping[str, ImageMetric], config: Node) -> None:
    if scoring.extractor is None:
        raise UserError(
            f"dataset={config['dataset']['name']} has no labels to train a feature classifier on; "
            "type features=inception"
        )
    for name, metric in metrics.items():
        least, n = metric.least(scoring.extractor), images_compared(scoring, metric.samples)
        if n < least:
            few = (
                f"images={config['images']}: {len(scoring.given)} images are given"
                if n == len(scoring.given)
                else f"dataset={config['dataset']['name']}: there are {n} images to compare with"
            )
            why = f", one more than its {least - 1} features" if name == "fid" else ""
            raise UserError(f"{few}, {name} needs {least}{why}; to leave it out, type metrics=images ~metrics.{name}")
