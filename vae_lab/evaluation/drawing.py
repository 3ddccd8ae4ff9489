"""Draws figures of a run or of given images into the folder, in the style of the config, and sends them to loggers."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from vae_lab.errors import UserError
from vae_lab.evaluation.epoch_frames import animation_of
from vae_lab.evaluation.needs import note_without_results, usable, without_results
from vae_lab.evaluation.sampled import Sampled
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.animation import Animation, encoded, remove_animations, save_animation
from vae_lab.figures.saving import png_of_figure, save_figure
from vae_lab.figures.style import Style, drawn_in
from vae_lab.report.loggers import Logger, log_figure, log_video
from vae_lab.scores import Scores
from vae_lab.system.files import write_atomically

Plots = Mapping[str, Callable[[Any], Any]]


@dataclass
class Drawn:
    """The files that were written, and for every figure that was not drawn a sentence with the reason."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def draw(
    scoring: Scoring,
    plots: Plots,
    style: Style,
    run_dir: Path,
    loggers: Sequence[Logger] = (),
    step: int = 0,
    suffix: str = "",
    named: bool = False,
) -> Drawn:
    """Draw every figure that applies into ``figures/``; a figure that is there is replaced when the new one is whole.

    Beside a figure that has a moving version stands its animation; an earlier one in another format is removed.

    Args:
        scoring: what is drawn.
        plots: the figures by name.
        style: how they are drawn and saved.
        run_dir: the folder of the run.
        loggers: receive each figure as PNG, whatever the style's formats are, and each animation as GIF.
        step: the optimizer steps under which the loggers file them.
        suffix: ends the names of the files.
        named: whether the user has chosen these figures; those that cannot be drawn are then noted in the scores.
    """
    drawable, notes = usable(plots, scoring, "figure ", named)
    scoring.add(Scores({}, notes=notes))
    result, lacking = Drawn(notes=notes), dict[str, list[str]]()
    # A protocol has the name of its metric, and the end of the names of scores in Inception's features.
    computed = {entry.partition("_inception")[0] for entry in scoring.scores.protocol}
    for name, plot in drawable.items():
        with drawn_in(style):
            figure, reason = _drawn(name, plot, plot, scoring)
        if figure is None:
            if names := without_results(plot, computed):
                lacking[name] = names
            else:
                result.notes.append(f"No figure {name}{suffix}: {reason}.")
            continue
        files = save_figure(figure, run_dir / "figures", name + suffix, style)
        result.files += files
        if loggers:
            _log(figure, files, style, loggers, step)
        moving = _moving(name, plot, scoring, run_dir)
        if hasattr(plot, "frame") or hasattr(plot, "animation"):
            remove_animations(run_dir / "figures", name + suffix, moving.kind if moving else None)
        if moving:
            result.files.append(save_animation(moving, run_dir / "figures", name + suffix))
            for logger in loggers:
                log_video(logger, name + suffix, encoded(moving, "gif"), step)
    result.notes += note_without_results(lacking, _evaluate(scoring, run_dir))
    if named:  # notes about this command; they are not saved, since a later one may have the results
        scoring.fresh.notes.extend(note for note in result.notes if note not in scoring.fresh.notes)
    return result


def _log(figure: Any, files: list[Path], style: Style, loggers: Sequence[Logger], step: int) -> None:
    """Send a figure to the loggers as PNG."""
    png = next((path for path in files if path.suffix == ".png"), None)
    with TemporaryDirectory() as folder:
        if png is None:
            png = Path(folder) / f"{files[0].stem}.png"
            with write_atomically(png, "wb") as file:
                file.write(png_of_figure(figure, style))
        for logger in loggers:
            log_figure(logger, png.stem, png, step)


def _moving(name: str, plot: Any, scoring: Scoring, run_dir: Path) -> Animation | None:
    """The moving version of a figure: of frames that training has kept, or of its method ``animation``."""
    if hasattr(plot, "frame"):
        return animation_of(plot, name, run_dir)
    return _drawn(name, plot, plot.animation, scoring)[0] if hasattr(plot, "animation") else None


def _drawn(name: str, plot: Any, call: Callable[[Any], Any], scoring: Scoring) -> tuple[Any, str]:
    """Draw a figure; None with the reason if it does not apply, if its settings do not fit the run, or if the file of
    the results it needs is damaged.

    The last is noted in the scores, too.
    """
    try:
        with torch.inference_mode():
            return call(scoring), f"it requires {getattr(plot, 'requires', 'results that this run does not have')}"
    except UserError as why:  # the other figures are drawn, and a run that has trained for hours ends as it should
        return None, str(why)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as why:
        if scoring.scores.saved_in is None:
            raise
        reason = f"{type(why).__name__}: {' '.join(str(why).split())[:80]}"
        reason = f"it cannot be drawn from {scoring.scores.saved_in} ({reason})"
        scoring.add(Scores({}, notes=[f"No figure {name}: {reason}."]))
        return None, reason


def _evaluate(scoring: Scoring, run_dir: Path) -> str:
    """The command that computes more metrics of a run; empty for given images."""
    sampler = f" sampler={scoring.name}" if isinstance(scoring, Sampled) else ""
    of_run = isinstance(scoring, (Evaluation, Sampled))
    return f"vae-lab evaluate run={shlex.quote(str(run_dir))}{sampler}" if of_run else ""
