"""Frames of a figure over the epochs of training, kept in the run folder until the run is drawn.

A figure takes part if it has an attribute ``every``, the number of epochs between two frames, and a method
``frame(trained, epoch)``, which returns a picture. Frames are files, so that a resumed run continues its animation.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from vae_lab.config.node import Node
from vae_lab.evaluation.parts import figures_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Data
from vae_lab.figures.animation import Animation
from vae_lab.system.files import write_atomically
from vae_lab.training.job import Job

_MILLISECONDS, _PAUSE, _SECONDS = 400, 1500, 12  # a frame; the last one longer; the whole at most


def drawn_over_epochs(config: Node) -> dict[str, Any]:
    """The figures of a config that keep frames during training, by name."""
    return {name: figure for name, figure in figures_of(config).items() if getattr(figure, "every", 0)}


def try_frames(config: Node, trial: Evaluation) -> None:
    """Make a frame of each such figure before training, and throw it away.

    Raises:
        UserError: the figure does not suit the model.
    """
    with torch.inference_mode():
        for figure in drawn_over_epochs(config).values():
            figure.frame(trial, 0)


def frame_writer(config: Node, data: Data, run_dir: Path, title: str) -> Callable[[Job, int], None] | None:
    """A function that writes the frames of a job after an epoch; None if no figure asks for frames.

    Args:
        config: the resolved config of the run.
        data: its dataset.
        run_dir: its folder.
        title: its key settings.
    """
    figures = drawn_over_epochs(config)
    if not figures:
        return None

    def write(job: Job, epoch: int) -> None:
        due = {name: figure for name, figure in figures.items() if epoch % figure.every == 0}
        if not due:
            return
        evaluation = Evaluation(job, data, config["seed"], next(job.parameters()).device, title)
        for name, figure in due.items():
            with torch.inference_mode():
                frame = figure.frame(evaluation, epoch)
            path = _folder(run_dir, name) / f"epoch-{epoch:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path, "wb") as file:
                frame.save(file, "PNG")

    return write


def animation_of(figure: Any, name: str, run_dir: Path) -> Animation | None:
    """The frames that training has kept of a figure; None if there are fewer than two."""
    paths = sorted(_folder(run_dir, name).glob("epoch-*.png"))
    if not getattr(figure, "every", 0) or len(paths) < 2:
        return None
    return Animation(_read(paths), min(_MILLISECONDS, 1000 * _SECONDS // len(paths)), pause=_PAUSE, kind=figure.kind)


def _folder(run_dir: Path, name: str) -> Path:
    return run_dir / "figures" / "frames" / name


def _read(paths: Sequence[Path]) -> list[Image.Image]:
    frames = []
    for path in paths:
        with Image.open(path) as frame:
            frames.append(frame.convert("RGB"))
    return frames
