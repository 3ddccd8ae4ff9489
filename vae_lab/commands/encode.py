"""``vae-lab encode``: writes the codes of images as a table, and a picture of the images and their reconstructions."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from vae_lab.commands.images_of_user import first_of, images_of, refuse_other_kinds
from vae_lab.commands.output_files import OutputFiles
from vae_lab.commands.reconstruct import pairs
from vae_lab.config.devices import device_for
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import EncodeConfig
from vae_lab.figures.named_images import MOST
from vae_lab.inference import code_sizes
from vae_lab.latents.code_files import SUFFIXES, Table, write_table
from vae_lab.latents.levels import LevelCodes
from vae_lab.report.following import tracker
from vae_lab.report.terminal import print_notes, print_plainly
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished


def encode(config: Node, console: Console) -> None:
    """Write the codes of images with their names, log σ² and KL (:mod:`vae_lab.latents.code_files`), and a picture.

    Args:
        config: the resolved config of the command.
        console: shows notes, progress and the names of the files.

    Raises:
        UserError: the run is not finished, the images cannot be read, or a file already exists.
    """
    settings = check(EncodeConfig, config)
    run = load_finished(settings.run)
    refuse_other_kinds(run, "encode")
    images = images_of(settings, run, settings.images)
    files = OutputFiles.of(run, settings.to, "encoded", images.name, SUFFIXES)
    run.job.to(device_for(settings.accelerator))
    print_notes(console, images.notes)
    follow = tracker(console)

    def blocks() -> Iterator[Table]:
        for x, y, names in follow(images.counted(), f"encoding {len(images.names):,} images"):
            yield table_of(run, names, y, run.posterior(x, y))

    x, y, names = first_of(images, MOST)
    files.write(
        lambda path: write_table(path, files.file.suffix.lower(), blocks()),
        lambda: pairs(run, x, run.reconstruct(x, y), names, len(images.names), _kl(run, x, y)),
    )
    print_plainly(console, str(files))


def table_of(run: Run, names: Sequence[str], y: Tensor | None, levels: Sequence[LevelCodes]) -> Table:
    """The columns of a block of images."""
    table: dict[str, np.ndarray] = {"file": np.array(names)}
    if y is not None:
        classes = run.environment["classes"]
        table["y"] = y.numpy() if y.ndim == 2 else np.array([classes[label] for label in y.tolist()])
    if all(level.kl is not None for level in levels):
        table["kl_total"] = _total(levels).numpy()
    kind = "code" if code_sizes(run.model) else "mean"
    for level in levels:
        table[f"{level.name}{kind}"] = level.codes.numpy()
        if level.log_var is not None:
            table[f"{level.name}log_var"] = level.log_var.numpy()
        if level.kl is not None and level.kl.shape == level.codes.shape:
            table[f"{level.name}kl"] = level.kl.numpy()
    return table


def _total(levels: Sequence[LevelCodes]) -> Tensor:
    return torch.stack([level.kl.sum(1) for level in levels if level.kl is not None]).sum(0)


def _kl(run: Run, x: Tensor, y: Tensor | None) -> list[str]:
    """A line for the caption of each image."""
    levels = run.posterior(x, y)
    if any(level.kl is None for level in levels):
        return []
    return [f"KL {kl:.1f}" for kl in _total(levels).tolist()]
