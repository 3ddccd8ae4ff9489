"""``vae-lab interpolate``: writes the decoded codes on the line from one image to another, with a picture."""

import torch
from rich.console import Console
from torch import Tensor

from vae_lab.commands.images_of_user import one_image, refuse_other_kinds
from vae_lab.commands.output_files import OutputFiles, write_npy
from vae_lab.config.devices import device_for
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import InterpolateConfig
from vae_lab.figures.named_images import image_line
from vae_lab.figures.saving import png_of_figure
from vae_lab.inference import code_sizes
from vae_lab.report.terminal import print_plainly
from vae_lab.report.titles import title_of
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished


def interpolate(config: Node, console: Console) -> None:
    """Write the images on a line, float32 [steps, C, H, W] in [0, 1], and a picture with A and B at its ends.

    Args:
        config: the resolved config of the command.
        console: shows the names of the files.

    Raises:
        UserError: the run is not finished, an image cannot be read, or a file already exists.
    """
    settings = check(InterpolateConfig, config)
    run = load_finished(settings.run)
    refuse_other_kinds(run, "interpolate")
    (a, y_a, name_a), (b, y_b, name_b) = (_end(settings, run, called) for called in ("a", "b"))
    suffix = "" if settings.line == "linear" else f"-{settings.line}"
    files = OutputFiles.of(run, settings.to, "interpolated", f"{name_a}-{name_b}{suffix}")
    run.job.to(device_for(settings.accelerator))
    y = None if y_a is None or y_b is None else torch.cat([y_a, y_b])
    line = run.interpolate(a[0], b[0], settings.steps, y, settings.line == "spherical")
    way = {"linear": "straight line", "spherical": "great circle"}[settings.line]
    codes = "the vectors of their codes" if code_sizes(run.model) else "their codes"
    title = f"From {name_a} (A) to {name_b} (B) along a {way} between {codes}"
    files.write(
        lambda path: write_npy(path, tuple(line.shape), [line]),
        lambda: png_of_figure(image_line(a[0], line, b[0], (name_a, name_b), title, title_of(run.config))),
    )
    print_plainly(console, str(files))


def _end(settings: InterpolateConfig, run: Run, called: str) -> tuple[Tensor, Tensor | None, str]:
    """An end of the line; of two typed labels, ``y=[3,8]``, each end has its own."""
    y = settings.y
    if isinstance(y, list) and len(y) == 2 and not run.environment["attributes"]:
        y = y[called == "b"]
    return one_image(settings.model_copy(update={"y": y}), run, getattr(settings, called), called)
