"""``vae-lab reconstruct``: writes the reconstructions of images, and a picture with the images and their errors."""

from collections.abc import Iterator, Sequence

import torch
from rich.console import Console
from torch import Tensor

from vae_lab.commands.images_of_user import first_of, images_of, refuse_other_kinds
from vae_lab.commands.output_files import OutputFiles, write_npy
from vae_lab.config.devices import device_for
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import ReconstructConfig
from vae_lab.figures.named_images import MOST, named_images, short
from vae_lab.figures.saving import png_of_figure
from vae_lab.figures.style import significant
from vae_lab.report.following import tracker
from vae_lab.report.terminal import print_notes, print_plainly
from vae_lab.report.titles import title_of
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished


def reconstruct(config: Node, console: Console) -> None:
    """Write the reconstructions of images, float32 [N, C, H, W] in [0, 1], and a picture.

    Args:
        config: the resolved config of the command.
        console: shows notes, progress, the mean error and the names of the files.

    Raises:
        UserError: the run is not finished, the images cannot be read, or a file already exists.
    """
    settings = check(ReconstructConfig, config)
    run = load_finished(settings.run)
    refuse_other_kinds(run, "reconstruct")
    images = images_of(settings, run, settings.images)
    files = OutputFiles.of(run, settings.to, "reconstructed", images.name)
    run.job.to(device_for(settings.accelerator))
    print_notes(console, images.notes)
    count, follow, squares = len(images.names), tracker(console), []

    def blocks() -> Iterator[Tensor]:
        for x, y, _ in follow(images.counted(), f"reconstructing {count:,} images"):
            x_hat = run.reconstruct(x, y)
            squares.append(errors(x, x_hat))
            yield x_hat

    x, y, names = first_of(images, MOST)
    files.write(
        lambda path: write_npy(path, (count, *run.model.x_shape), blocks()),
        lambda: pairs(run, x, run.reconstruct(x, y), names, count),
    )
    print_plainly(console, f"mean squared error per value: {torch.cat(squares).mean():.4g}")
    print_plainly(console, str(files))


def errors(x: Tensor, x_hat: Tensor) -> Tensor:
    """The mean squared error of each image, over its pixels and channels: [N]."""
    return (x - x_hat).square().flatten(1).mean(1)


def pairs(run: Run, x: Tensor, x_hat: Tensor, names: Sequence[str], count: int, more: Sequence[str] = ()) -> bytes:
    """Return a PNG of images above their reconstructions, with names and errors.

    Args:
        run: the run.
        x, x_hat: the images and the reconstructions, [n, C, H, W].
        names: of the images.
        count: the number of all images.
        more: a further line of text for each image.
    """
    texts = [f"{short(name)}\nMSE {significant(error, 2)}" for name, error in zip(names, errors(x, x_hat).tolist())]
    if more:
        texts = [f"{text}\n{line}" for text, line in zip(texts, more)]
    which = f"The first {len(x)} of {count:,} images" if len(x) < count else "Images"
    shown = "Image above its reconstruction" if count == 1 else f"{which} above their reconstructions"
    unit = "MSE is the mean over pixels" + (", KL is in nats" if more else "")
    return png_of_figure(named_images([x, x_hat], texts, f"{shown}; {unit}", title_of(run.config)))
