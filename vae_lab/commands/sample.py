"""``vae-lab sample``: generates examples with a finished run, and writes them as an array and as images or text."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from rich.console import Console
from torch import Tensor

from vae_lab.config.devices import device_for
from vae_lab.config.names import slug
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.schema import check
from vae_lab.config.settings import SampleConfig
from vae_lab.errors import UserError
from vae_lab.evaluation.conditions import Word, y_text
from vae_lab.evaluation.fitting import at_hand, sampler_name
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.trained import PRIOR, Evaluation, source_of
from vae_lab.examples import Tokens, values_from
from vae_lab.report.following import tracker
from vae_lab.report.titles import title_of
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_finished
from vae_lab.system.files import write_atomically
from vae_lab.system.unfinished import unfinished
from vae_lab.types import CodePrior, Sampler

GRID = 1024  # largest number of images in a grid


def sample(config: Node, console: Console, sampler_typed: bool = True) -> None:
    """Write ``<out>/n<n>-seed<seed>.npy`` and a readable version: a ``.png`` grid of images, or a ``.txt`` of tokens.

    For images, the array is float32 [n, C, H, W] in [0, 1]. With ``y=7`` the names end in ``-y7``; of L labels, example
    i has label i modulo L. With a sampler, the names end in the name of the sampler; with a temperature, in ``-t0.7``.

    Args:
        config: the resolved config of the command.
        console: shows the names of the files.
        sampler_typed: whether the user typed settings of the sampler; if not, an earlier fit is used whatever its
            settings.

    Raises:
        UserError: the run is not finished, or a file already exists.
    """
    settings = check(SampleConfig, config)
    run = load_finished(settings.run)
    files = _Files(settings, run, sampler_name(config))
    files.refuse_present()
    if settings.y is not None:
        run.conditions(settings.y)  # refuses a wrong y before a sampler is fitted
    title, source, sampler = _source(settings, run, config, console, sampler_typed)
    examples = run.sample(settings.n, settings.seed, settings.y, sampler or "prior", settings.temperature)
    files.write(examples, lambda file: _grid_png(examples, run, settings.y, title, source, file))
    console.print(files.written(len(examples)), markup=False, highlight=False, soft_wrap=True)


def _source(
    settings: SampleConfig, run: Run, config: Node, console: Console, sampler_typed: bool
) -> tuple[str, str, Sampler | CodePrior | None]:
    """The title and the source of the examples, for the grid, and the fitted sampler (None: the prior)."""
    name, title, device = sampler_name(config), title_of(run.config), device_for(settings.accelerator)
    run.job.to(device)
    scale = "" if settings.temperature == 1 else f", temperature {_numbers(settings.temperature)}"
    evaluation = Evaluation(run.job, run.data, run.config["seed"], device, progress=tracker(console))
    evaluation.history = run.history
    if not name:
        put_own_prior(evaluation, run.config, run.path)
        return title, (PRIOR if evaluation.prior is None else source_of(evaluation.prior)) + scale, evaluation.prior
    sampler, _ = at_hand(evaluation, name, run.path, settings.sampler if sampler_typed else None)
    return f"{title}, sampler={name}", source_of(sampler) + scale, sampler


def _numbers(temperature: float | list[float]) -> str:
    """``0.7``, or ``0.7,1`` of several levels."""
    return f"{temperature:g}" if isinstance(temperature, float) else ",".join(f"{one:g}" for one in temperature)


class _Files:
    """The files to write: the array, its readable version, and single images if the user typed a folder for them."""

    def __init__(self, settings: SampleConfig, run: Run, sampler: str | None) -> None:
        self.values = values_from(run.environment.get("values"))
        self.folder = expanded(settings.out) if settings.out else run.path / "samples"
        condition = "" if settings.y is None else f"y{slug(y_text(settings.y))}"
        scale = "" if settings.temperature == 1 else f"t{_numbers(settings.temperature)}"
        stem = "-".join(part for part in (f"n{settings.n}-seed{settings.seed}", condition, scale, sampler) if part)
        suffix = {"images": ".png", "tokens": ".txt"}.get(self.values.kind)
        self.array = self.folder / f"{stem}.npy"
        self.view = self.folder / f"{stem}{suffix}" if suffix else None
        self.singles = expanded(settings.dir) if settings.dir else None
        if self.singles is not None and self.values.kind != "images":
            raise UserError(
                f"dir={settings.dir} is for images, and this run generates {self.values.kind}; leave dir= out"
            )

    def refuse_present(self) -> None:
        """Refuse to overwrite files. If only some of them are there, the command was killed, and all are written again.

        Raises:
            UserError: names the file or the folder that already exists.
        """
        if (
            self.singles is not None
            and self.singles.exists()
            and (self.singles.is_file() or any(self.singles.iterdir()))
        ):
            raise self._is_present(self.singles, "dir")  # it is written last, so that it is complete or not ours
        if self.array.exists() and (self.view is None or self.view.exists()) and self.singles is None:
            raise self._is_present(self.array, "out")

    @staticmethod
    def _is_present(path: Path, option: str) -> UserError:
        return UserError(f"{path} already exists and is not overwritten; type {option}=<another folder> or seed=…")

    def write(self, examples: Tensor, draw: Callable[[IO[bytes]], None]) -> None:
        """Write all files.

        Args:
            examples: [n, *x_shape].
            draw: writes the grid of images to an open file.

        Raises:
            UserError: a folder cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with write_atomically(self.array, "wb") as file:
                np.save(file, examples.numpy())
            if self.view is not None:
                with write_atomically(self.view, "wb") as file:
                    if isinstance(self.values, Tokens):
                        file.write("".join(f"{line}\n" for line in self.values.text(examples)).encode())
                    else:
                        draw(file)
        except OSError as why:
            raise _unwritable(self.folder, "out", why) from why
        if self.singles is not None:
            try:
                _write_singles(examples, self.singles)
            except OSError as why:
                raise _unwritable(self.singles, "dir", why) from why

    def written(self, n: int) -> str:
        """The names of the n examples' files, for the terminal."""
        names = "\n".join(str(path) for path in (self.array, self.view) if path is not None)
        return names + (f" and {n:,} PNGs in {self.singles}" if self.singles else "")


def _unwritable(folder: Path, option: str, why: OSError) -> UserError:
    return UserError(f"{folder} cannot be written ({why.strerror}); type {option}=<a writable folder>")


def _grid_png(images: Tensor, run: Run, y: Word | list[Word] | None, title: str, source: str, file: IO[bytes]) -> None:
    from vae_lab.figures.samples import sample_figure

    shown = images[:GRID]
    columns = max(1, round(len(shown) ** 0.5))
    if run.model.conditional:
        source = f"{source}, {'y drawn as in training' if y is None else f'y={y_text(y)}'}"
        if isinstance(y, list) and not run.environment["attributes"]:
            columns = max(1, round(columns / len(y))) * len(y)  # every column shows one label
    sample_figure(shown, columns, title, source).savefig(file, format="png")


def _write_singles(images: Tensor, folder: Path) -> None:
    """Write each image as a PNG. The folder gets its name when all are there."""
    from torchvision.transforms.v2.functional import to_pil_image

    digits = len(str(len(images) - 1))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(folder, folder=True) as temporary:
        for i, image in enumerate(images):
            to_pil_image(image).save(temporary / f"{i:0{digits}d}.png")  # a grey image is saved as grey
        if folder.exists():
            folder.rmdir()  # it is empty
        temporary.replace(folder)
