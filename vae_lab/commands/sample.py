"""``vae-lab sample``: images that a finished run generates, as a grid, an array and single files."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.hydra_errors import slug
from vae_lab.config.schema import SampleConfig, check
from vae_lab.errors import UserError
from vae_lab.evaluation.conditions import told_y
from vae_lab.evaluation.fitting import at_hand, name_of
from vae_lab.evaluation.sampled import source_of
from vae_lab.evaluation.trained import PRIOR, Evaluation
from vae_lab.report.terminal import tracker
from vae_lab.report.titles import title_of
from vae_lab.runs import run_folder
from vae_lab.system.files import write_atomically

GRID = 1024  # images that a grid shows at most


def sample(config: dict[str, Any], console: Console, sampler_typed: bool = True) -> None:
    """Write ``<out>/n<n>-seed<seed>.npy`` (float32 [n, C, H, W] in [0, 1]) and a ``.png`` grid of the same name.

    With ``y=7`` the names end in ``-y7`` (of several labels image i is of label i modulo their number), with a
    sampler in its name.

    Args:
        config: resolved.
        console: gets the names of the files.
        sampler_typed: whether numbers of the sampler were asked for; else what was fitted before is taken as it is.

    Raises:
        UserError: not a finished run, or a file is there already.
    """
    settings = check(SampleConfig, config)
    run = run_folder.load_finished(settings.run)
    device = device_for(settings.accelerator)
    folder = Path(settings.out).expanduser() if settings.out else run.path / "samples"
    name = name_of(config)
    told = "" if settings.y is None else f"y{slug(told_y(settings.y))}"
    stem = "-".join(part for part in (f"n{settings.n}-seed{settings.seed}", told, name) if part)
    array, grid = (folder / f"{stem}.{kind}" for kind in ("npy", "png"))
    singles = Path(settings.dir).expanduser() if settings.dir else None
    for path, option in ((array, "out"), (grid, "out"), (singles, "dir")):
        if path is not None and path.exists() and (path.is_file() or any(path.iterdir())):
            raise UserError(f"{path} is there already and is not overwritten; type {option}=<another folder> or seed=…")
    title, sampler, source = title_of(run.config), None, PRIOR
    run.job.to(device)
    if name:
        evaluation = Evaluation(run.job, run.data, run.config["seed"], device, progress=tracker(console))
        sampler, _ = at_hand(evaluation, name, run.path, settings.sampler if sampler_typed else None)
        title, source = f"{title}, sampler={name}", source_of(sampler)
    images = run.sample(settings.n, settings.seed, settings.y, sampler or "prior")
    for made in (folder, singles):
        try:
            if made is not None:
                made.mkdir(parents=True, exist_ok=True)
        except OSError as why:
            option = "dir" if made == singles else "out"
            raise UserError(f"{made} cannot be written ({why.strerror}); type {option}=<a folder that can>") from why
    try:
        with write_atomically(array, "wb") as file:
            np.save(file, images.numpy())
        with write_atomically(grid, "wb") as file:
            _grid_png(images, run, settings.y, title, source, file)
        if singles is not None:
            _write_singles(images, singles)
    except OSError as why:
        raise UserError(f"{folder} cannot be written ({why.strerror}); type out=<a folder that can>") from why
    more = f" and {len(images):,} PNGs in {singles}" if singles else ""
    console.print(f"{array}\n{grid}{more}", markup=False, highlight=False, soft_wrap=True)


def _grid_png(images: torch.Tensor, run: run_folder.Run, y: Any, title: str, source: str, file: Any) -> None:
    from vae_lab.figures.samples import sample_figure

    shown = images[:GRID]
    columns = max(1, round(len(shown) ** 0.5))
    if run.model.conditional:
        source = f"{source}, {'y drawn as in training' if y is None else f'y={told_y(y)}'}"
        if isinstance(y, list) and not run.environment["attributes"]:
            columns = max(1, round(columns / len(y))) * len(y)  # a column is of one label
    sample_figure(shown, columns, title, source).savefig(file, format="png")


def _write_singles(images: torch.Tensor, folder: Path) -> None:
    from torchvision.transforms.v2.functional import to_pil_image

    digits = len(str(len(images) - 1))
    for i, image in enumerate(images):
        to_pil_image(image).save(folder / f"{i:0{digits}d}.png")  # grey stays grey
