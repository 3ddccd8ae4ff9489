"""Computes a run's metrics and figures, saves them in its folder and sends them to its loggers."""

from pathlib import Path

from vae_lab.config.node import Node
from vae_lab.evaluation.drawing import draw
from vae_lab.evaluation.fitting import fitted, sampler_name
from vae_lab.evaluation.parts import figures_named, figures_of, metrics_named, metrics_of, of_samplers, style_of
from vae_lab.evaluation.sampled import Sampled
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.loggers import Logger, log_scores
from vae_lab.scores import Scores
from vae_lab.system.files import write_csv


def score(evaluation: Scoring, config: Node, run_dir: Path, loggers: list[Logger], step: int) -> Scores:
    """Run the config's metrics and figures; tables and figures are saved in the run folder."""
    metrics, figures = metrics_of(config), figures_of(config)
    scores = evaluation.run(metrics, metrics_named(config))
    _save_scores(scores, run_dir, loggers, step)
    draw(evaluation, figures, style_of(config), run_dir, loggers, step, named=figures_named(config))
    return scores


def score_sampler(evaluation: Evaluation, config: Node, run_dir: Path, loggers: list[Logger], step: int) -> Scores:
    """Run the metrics and figures of images on the images of the config's sampler, which is fitted first if necessary.

    Results are saved under the sampler's name: ``fid_gmm``, ``figures/samples_gmm.png``. Those of the prior stay.
    """
    name = sampler_name(config)
    if name is None:
        return evaluation.scores
    sampled = Sampled(evaluation, *fitted(evaluation, config["sampler"], name, run_dir), name)
    of_prior = sampled.prior is not None
    metrics, figures = of_samplers(metrics_of(config), of_prior), of_samplers(figures_of(config), of_prior)
    sampled.run(metrics, metrics_named(config))
    draw(sampled, figures, style_of(config), run_dir, loggers, step, f"_{name}", figures_named(config))
    scores = sampled.hand_over()
    _save_scores(scores, run_dir, loggers, step)
    return scores


def _save_scores(scores: Scores, run_dir: Path, loggers: list[Logger], step: int) -> None:
    for name, columns in scores.tables.items():
        write_csv(run_dir / f"{name}.csv", columns)
    for logger in loggers:
        log_scores(logger, scores, step)
