"""The images that ``encode``, ``reconstruct`` and others take for a run: of files, an array or its own dataset."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import torch
from torch import Tensor

from vae_lab.config.make import make
from vae_lab.config.paths import exists, expanded
from vae_lab.config.settings_of_use import DetectConfig, ImagesConfig
from vae_lab.config.trust import trusting
from vae_lab.data.corruption import drawn_binary
from vae_lab.data.images_for_model import ImagesForModel, Reading, images_for_model
from vae_lab.errors import UserError
from vae_lab.evaluation.scoring import Counted
from vae_lab.examples import values_from
from vae_lab.noise import SeededNoise
from vae_lab.runs.run import Run

SPLITS = ("train", "val", "test")
AT_ONCE = 500  # images that are read at a time
UserBatch = tuple[Tensor, Tensor | None, list[str]]  # images [n, C, H, W], their y, their names


@dataclass
class UserImages:
    """N images as a run's model receives them."""

    name: str  # of the file, the folder or the split
    names: list[str]  # of the images
    notes: list[str]  # sentences about how they were read
    y: Tensor | None  # labels [N] or attributes [N, A], for a conditional run
    blocks: Callable[[], Iterator[Tensor]]  # the images [n, C, H, W], a block at a time

    def counted(self) -> Counted[UserBatch]:
        """Return the batches with their number, for the time left."""
        return Counted(self.batches(), -(-len(self.names) // AT_ONCE))

    def batches(self) -> Iterator[UserBatch]:
        """Yield the images of each block, their y and their names."""
        start = 0
        for x in self.blocks():
            rows = slice(start, start + len(x))
            yield x, None if self.y is None else self.y[rows], self.names[rows]
            start += len(x)


def refuse_other_kinds(run: Run, command: str) -> None:
    """Refuse a run whose examples are not images.

    Raises:
        UserError: names what it holds instead.
    """
    kind = values_from(run.environment.get("values")).kind
    if kind != "images":
        raise UserError(
            f"run={run.path}: vae-lab {command} is for images, and this run holds {kind}; "
            f'in Python, vae_lab.load_run("{run.path}").encode(x) takes them'
        )


def images_of(settings: ImagesConfig, run: Run, path: str, called: str = "images") -> UserImages:
    """Return the images of a path, or those of a split of the run's dataset, ``images=test``.

    Images of a conditional run have the label or the attributes that were typed, those of the dataset, or that of
    the class whose name their folder has.

    Raises:
        UserError: they cannot be read or brought to the run's shape, or y does not suit them.
    """
    if path in SPLITS and not exists(path):
        return _of_split(run, path, settings)
    given = given_for(settings, run, path, called)
    y = settings.y if settings.y is not None or not run.model.conditional else _class_folders(given, run)
    binarize, seed = run.config["dataset"].get("binarize"), run.config["seed"]

    def blocks() -> Iterator[Tensor]:
        for index in torch.arange(len(given)).split(AT_ONCE):
            x = given.read(index.tolist())
            yield (drawn_binary(x, SeededNoise("cpu", seed, "given images", int(index[0]))) if binarize else x)

    drawn = ["The pixels are drawn black or white, as in the training of this run."] if binarize else []
    return UserImages(
        expanded(path).stem or "images", given.names, [*given.notes, *drawn], run.y_of(y, len(given)), blocks
    )


def given_for(settings: ImagesConfig | DetectConfig, run: Run, path: str, called: str = "images") -> ImagesForModel:
    """Return the images of a path in the shape of a run's images, read as its dataset reads its own.

    Raises:
        UserError: they cannot be read or brought to the shape.
    """
    reading = Reading(settings.range, settings.background, settings.array, settings.axes)
    with trusting(run.trust):
        source = make(run.config["dataset"]["source"])
    return images_for_model(path, tuple(run.environment["x_shape"]), source, reading, called)


def _class_folders(given: ImagesForModel, run: Run) -> list[str] | None:
    """The class of each image by the name of its folder; None unless all folders are called like classes."""
    classes = run.environment["classes"]
    return given.folders if given.folders and classes and set(given.folders) <= set(classes) else None


def _of_split(run: Run, split: str, settings: ImagesConfig) -> UserImages:
    for key in ("range", "background", "array", "axes"):
        if getattr(settings, key) is not None:
            raise UserError(f"{key}=: images={split} is the dataset of the run; leave it out")
    if settings.data_dir:
        run.data_dir = settings.data_dir
    part = getattr(run.data, split)
    typed = settings.y if settings.y is not None or not run.model.conditional else cast(Tensor, part.y)
    names = [str(i) for i in range(len(part))]
    return UserImages(
        split, names, [], run.y_of(typed, len(part)), lambda: (b.x for b in run.data.batches(split, size=AT_ONCE))
    )


def first_of(images: UserImages, n: int) -> tuple[Tensor, Tensor | None, list[str]]:
    """Return the first n images, or all if there are fewer, with their y and their names."""
    parts: list[Tensor] = []
    for x in images.blocks():
        parts.append(x)
        if sum(map(len, parts)) >= n:
            break
    x = torch.cat(parts)[:n]
    return x, None if images.y is None else images.y[: len(x)], images.names[: len(x)]


def one_image(settings: ImagesConfig, run: Run, typed: str | int, called: str) -> tuple[Tensor, Tensor | None, str]:
    """Return a single image [1, C, H, W] with its y and its name: that of a file, or the test image of a number.

    Raises:
        UserError: there is no such image, or there are several.
    """
    if isinstance(typed, int) and not exists(str(typed)):
        tests = _of_split(run, "test", settings)
        if not 0 <= typed < len(tests.names):
            raise UserError(f"{called}={typed}: the test images are numbered from 0 to {len(tests.names) - 1}")
        x, y, _ = next(islice(tests.batches(), typed // AT_ONCE, None))
        row = slice(typed % AT_ONCE, typed % AT_ONCE + 1)
        return x[row], None if y is None else y[row], f"test image {typed}"
    given = images_of(settings, run, str(typed), called)
    if len(given.names) != 1:
        raise UserError(f"{called}={typed}: {len(given.names):,} images; type {called}=<one image file>")
    return next(given.blocks()), given.y, expanded(str(typed)).name
