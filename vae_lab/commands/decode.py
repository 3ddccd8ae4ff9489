"""``vae-lab decode``: writes the images of codes as an array and as a picture."""

from collections.abc import Iterator

import torch
from rich.console import Console
from torch import Tensor

from vae_lab.commands.images_of_user import AT_ONCE, refuse_other_kinds
from vae_lab.commands.output_files import OutputFiles, write_npy
from vae_lab.config.devices import device_for
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.schema import check
from vae_lab.config.settings_of_use import DecodeConfig
from vae_lab.errors import UserError
from vae_lab.figures.named_images import MOST, named_images, short
from vae_lab.figures.saving import png_of_figure
from vae_lab.inference import code_sizes
from vae_lab.latents.code_files import SUFFIXES, Table, read_codes
from vae_lab.latents.levels import divided
from vae_lab.report.following import tracker
from vae_lab.report.terminal import print_plainly
from vae_lab.report.titles import title_of
from vae_lab.runs.model_input import Given
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished


def decode(config: Node, console: Console) -> None:
    """Write the images of codes, float32 [N, C, H, W] in [0, 1], and a picture.

    Args:
        config: the resolved config of the command.
        console: shows progress and the names of the files.

    Raises:
        UserError: the run is not finished, the file holds no codes of this run, or a file already exists.
    """
    settings = check(DecodeConfig, config)
    run, place, start = load_finished(settings.run), expanded(settings.codes), f"codes={settings.codes}"
    refuse_other_kinds(run, "decode")
    if not place.is_file():
        raise UserError(f"{start}: no such file; type codes=<file {', '.join(SUFFIXES)}>")
    matrix, others = read_codes(place, start)
    files = OutputFiles.of(run, settings.to, "decoded", place.stem)
    run.job.to(device_for(settings.accelerator))
    discrete = code_sizes(run.model) and matrix.dtype.kind in "iu"
    codes = torch.from_numpy(matrix.astype("int64" if discrete else "float32"))
    try:
        divided(run.model, codes)  # before y, which of another run's table is another one, too
    except UserError as why:
        raise UserError(f"{start}: {why}") from why
    typed: Given | None = settings.y
    y = run.y_of(typed if typed is not None or not run.model.conditional else _y_of_file(others, run), len(codes))
    count, follow = len(codes), tracker(console)

    def decoded(rows: slice) -> Tensor:
        return run.decode(codes[rows], None if y is None else y[rows])

    def blocks() -> Iterator[Tensor]:
        starts = range(0, count, AT_ONCE)
        yield from (decoded(slice(i, i + AT_ONCE)) for i in follow(starts, f"decoding {count:,} codes"))

    names = [str(name) for name in others.get("file", range(count))][:MOST]
    which = f"The first {len(names)} of {count:,} decoded codes" if len(names) < count else "Decoded codes"
    title, texts = f"{which} of {place.name}", [short(name) for name in names]
    files.write(
        lambda path: write_npy(path, (count, *run.model.x_shape), blocks()),
        lambda: png_of_figure(named_images([decoded(slice(MOST))], texts, title, title_of(run.config))),
    )
    print_plainly(console, str(files))


def _y_of_file(others: Table, run: Run) -> Given | None:
    """The y of each row, if the file has a column of it."""
    y = others.get("y")
    if y is None:
        return None
    return torch.from_numpy(y.astype("float32")) if run.environment["attributes"] else [str(label) for label in y]
