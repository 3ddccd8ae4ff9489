"""Computes a run's metrics and figures, saves them in its folder and sends them to its loggers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vae_lab.config.node import Node
from vae_lab.evaluation.fitting import fitted, sampler_name
from vae_lab.evaluation.needs import usable
from vae_lab.evaluation.parts import figures_of, images_only, metrics_of
from vae_lab.evaluation.sampled import Sampled
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.loggers import Logger, log_figure, log_scores
from vae_lab.scores import Scores
from vae_lab.system.files import replaced, write_csv


def score(evaluation: Scoring, config: Node, run_dir: Path, loggers: list[Logger], step: int) -> Scores:
    """Run the config's metrics and figures; tables and figures are saved in the run folder."""
    metrics, figures = metrics_of(config), figures_of(config)
    scores = evaluation.run(metrics)
    _save_scores(scores, run_dir, loggers, step)
    _draw(evaluation, figures, run_dir, loggers, step)
    return scores


def score_sampler(evaluation: Evaluation, config: Node, run_dir: Path, loggers: list[Logger], step: int) -> Scores:
    """Run the metrics and figures of images on the images of the config's sampler, which is fitted first if necessary.

    Results are saved under the sampler's name: ``fid_gmm``, ``figures/samples_gmm.png``. Those of the prior stay.
    """
    name = sampler_name(config)
    if name is None:
        return evaluation.scores
    metrics, figures = images_only(metrics_of(config)), images_only(figures_of(config))
    sampled = Sampled(evaluation, *fitted(evaluation, config["sampler"], name, run_dir), name)
    sampled.run(metrics)
    _draw(sampled, figures, run_dir, loggers, step, f"_{name}")
    scores = sampled.hand_over()
    _save_scores(scores, run_dir, loggers, step)
    return scores


def _save_scores(scores: Scores, run_dir: Path, loggers: list[Logger], step: int) -> None:
    for name, columns in scores.tables.items():
        write_csv(run_dir / f"{name}.csv", columns)
    for logger in loggers:
        log_scores(logger, scores, step)


def _draw(scoring: Scoring, plots: Node, run_dir: Path, loggers: list[Logger], step: int, suffix: str = "") -> None:
    """Draw every figure that applies into the run folder, and note those that do not; ``suffix`` ends their names."""
    drawable, notes = usable(plots, scoring, "figure ")
    scoring.scores.notes.extend(note for note in notes if note not in scoring.scores.notes)
    for name, plot in drawable.items():
        figure = _drawn(name, plot, scoring)
        if figure is None:
            continue
        path = run_dir / "figures" / f"{name}{suffix}.png"
        path.parent.mkdir(exist_ok=True)
        with replaced(path) as unfinished:
            figure.savefig(unfinished, format="png")
        for logger in loggers:
            log_figure(logger, path.stem, path, step)


def _drawn(name: str, plot: Callable[[Scoring], Any], scoring: Scoring) -> Any:
    """Draw a figure; None, with a note, if it needs earlier results and the file that holds them is damaged."""
    try:
        with torch.inference_mode():
            return plot(scoring)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as why:
        if scoring.scores.saved_in is None:
            raise
        reason = f"{type(why).__name__}: {' '.join(str(why).split())[:80]}"
        note = f"No figure {name}: it cannot be drawn from {scoring.scores.saved_in} ({reason})."
        scoring.scores.notes.append(note)
        return None
