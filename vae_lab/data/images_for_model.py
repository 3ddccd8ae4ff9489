"""Images given by the user for a trained model: of any size, mode and range, in the shape of the model's dataset.

Images that have the shape already are taken as they are. Others become what they would be in the dataset itself: its
source may have an attribute ``decoding`` (:class:`~vae_lab.data.listed_images.Decoding`), which cuts a square out of
them, for example; without one they are scaled until they just cover the shape, and the centre is cut out, as
``dataset=image_folder`` does it. An attribute ``reader`` (:class:`~vae_lab.data.image_bytes.ImageReader`) says what
lies behind transparent pixels and which values mean black and white, unless the user does.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vae_lab.config.paths import exists, expanded
from vae_lab.data.array_file import ARRAY
from vae_lab.data.array_images import Wording, array_images
from vae_lab.data.array_layout import Sizes
from vae_lab.data.image_bytes import Background, ImageReader, pixels_of
from vae_lab.data.image_files import digest_of, image_files, shown, suffixes
from vae_lab.data.image_opening import for_each, without_warnings
from vae_lab.data.listed_images import Decoding
from vae_lab.data.value_range import Range, value_range
from vae_lab.errors import UserError
from vae_lab.types import Shape


@dataclass(frozen=True)
class Reading:
    """What the user says about the files.

    Args:
        range: the values that mean black and white, or white alone if 0 means black.
        background: what transparent images are laid over.
        array: the name of the array in a file of several.
        axes: its axes, if its shape does not make them clear.
    """

    range: Range | None = None
    background: Background | None = None
    array: str | None = None
    axes: Sequence[str] | None = None


@dataclass
class ImagesForModel:
    """N images in the shape that a model takes; they are read when they are used."""

    names: list[str]  # of the files, relative to the folder; of an array, the positions
    folders: list[str]  # the name of the folder in which each file lies; empty for an array
    notes: list[str]  # sentences about how the images were read
    about: dict[str, str]  # what they are and how their values were read, for the protocol
    read: Callable[[Sequence[int]], Tensor] = field(repr=False)  # positions [n] to [n, C, H, W] in [0, 1]
    digest: Callable[[], str] = field(repr=False)  # SHA-256 of the files

    def __len__(self) -> int:
        return len(self.names)

    @property
    def named_by(self) -> str:
        """What the names are: those of files, or the numbers of the images of an array."""
        return "file" if self.folders else "index"


def refuse_missing(path: str, called: str = "images") -> None:
    """Refuse a path that is not there, before anything else is read.

    Raises:
        UserError: names what to type instead.
    """
    if not exists(expanded(path)):
        choice = f"{called}=<folder of images>, an image file, or {ARRAY}"
        raise UserError(f"{called}={path}: no such file or folder; type {choice}")


def images_for_model(
    path: str, x_shape: Shape, source: object = None, reading: Reading | None = None, called: str = "images"
) -> ImagesForModel:
    """Return the images of a file, of a folder and the folders in it, or of an array.

    All image files are read once at first, so that one that cannot be used is found before any work is done.

    Args:
        path: an image file, a folder of them, or a ``.npy``, ``.npz``, ``.mat`` or HDF5 file.
        x_shape: C, H, W of the model's images.
        source: the source of the dataset that the model was trained on.
        reading: what the user says about the files.
        called: the option that names the path, for messages.

    Raises:
        UserError: there is no image, one cannot be read or brought to the shape, or it is unclear how to read it.
    """
    place, start, reading = expanded(path), f"{called}={path}", reading or Reading()
    to_shape = _Shaping(x_shape, getattr(source, "decoding", None))
    refuse_missing(path, called)
    if place.is_dir() or place.suffix.lower() in suffixes():
        if reading.array or reading.axes:
            raise UserError(f"{start}: image files have no arrays; leave array= and axes= out")
        return _of_files(place, start, to_shape, _reader(source, reading))
    if reading.background:
        raise UserError(f"background={reading.background}: an array has no transparency; leave it out")
    return _of_array(place, start, to_shape, reading)


def _reader(source: object, reading: Reading) -> ImageReader:
    """Return a reader with the options of the user and, where they say nothing, with those of the dataset."""
    decoding = getattr(source, "decoding", None)
    of_source = getattr(source, "reader", decoding.reader if isinstance(decoding, Decoding) else None)
    own = of_source if isinstance(of_source, ImageReader) else ImageReader("")
    ends = list(own.ends) if own.ends else None
    return ImageReader("", reading.background or own.background, ends if reading.range is None else reading.range)


def _of_files(place: Path, start: str, to_shape: "_Shaping", reader: ImageReader) -> ImagesForModel:
    if place.is_dir():
        found = image_files(place, start)
        files, notes, top = found.images, found.notes, place
    else:
        files, notes, top = [place], [], place.parent

    def decoded(i: int) -> np.ndarray:
        return to_shape(reader.read(files[i]), shown(files[i]))

    def read(index: Sequence[int]) -> Tensor:
        with without_warnings(), ThreadPoolExecutor() as pool:
            return torch.from_numpy(np.stack(list(pool.map(decoded, index)))).float() / 255

    def check(i: int) -> None:
        decoded(i)

    for_each(files, check)
    black, white = reader.ends or (0, 255)
    kind = f"{len(files):,} image file{'s' if len(files) > 1 else ''}"
    return ImagesForModel(
        names=[shown(file.relative_to(top)) for file in files],
        folders=[file.parent.name for file in files],
        notes=[*notes, *reader.notes(top), *to_shape.notes(len(files))],
        about={"kind": kind, "values": f"read as {black:g}–{white:g}"},
        read=read,
        digest=lambda: digest_of(files),
    )


def _of_array(place: Path, start: str, to_shape: "_Shaping", reading: Reading) -> ImagesForModel:
    depth, height, width = to_shape.x_shape
    images = array_images(place, reading.array, reading.axes, Sizes(height, width, depth), Wording(start))
    values = value_range(images, start, "range=", reading.range)

    def read(index: Sequence[int]) -> Tensor:
        unit = values.unit(images.read(index))
        if images.shape == to_shape.x_shape:
            return torch.from_numpy(unit)
        levels = np.rint(unit * 255).astype(np.uint8)  # as dataset=arrays keeps them
        return torch.from_numpy(np.stack([to_shape(_picture(one, start), start) for one in levels])).float() / 255

    read([0])  # refuses what cannot be brought to the shape
    about = {**images.about, "values": values.told}
    return ImagesForModel([str(i) for i in range(images.count)], [], to_shape.notes(1), about, read, images.digest)


def _picture(levels: np.ndarray, start: str) -> Image.Image:
    """Return bytes [C, H, W] as a grey or an RGB image."""
    if len(levels) not in (1, 3):
        raise UserError(f"{start}: images of {len(levels)} channels cannot be scaled; only grey and RGB ones can")
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))


class _Shaping:
    """Brings images to the shape of a model's images, as bytes [C, H, W], and counts those that had another one.

    Args:
        x_shape: C, H, W of the model's images.
        decoding: how the dataset decodes its files; None: in no way of its own.
    """

    def __init__(self, x_shape: Shape, decoding: object) -> None:
        self.x_shape = x_shape
        self.decoding = decoding if isinstance(decoding, Decoding) else None
        self._others: dict[str, str] = {}  # the name of each image of another shape, or of an array, and the shape

    def __call__(self, image: Image.Image, name: str) -> np.ndarray:
        """Return an image in mode ``L`` or ``RGB`` as bytes [C, H, W].

        Raises:
            UserError: it cannot be brought to the shape.
        """
        depth, height, width = self.x_shape
        if depth not in (1, 3):
            raise UserError(f"{name}: this run has images of {depth} channels, which only an array can hold")
        shape = (len(image.getbands()), image.height, image.width)
        if shape != self.x_shape:
            self._others[name] = _kind(shape)
        if self.decoding is not None and shape[1:] != (height, width):
            return self.decoding.pixels(image, name)
        return pixels_of(image, depth, height, width)

    def notes(self, count: int) -> list[str]:
        """Return a sentence about those of ``count`` images that had another shape; an array counts as one image."""
        if not self._others:
            return []
        name, shape = min(self._others.items())
        several = (
            f"{len(self._others):,} of {count:,} images {'was' if len(self._others) == 1 else 'were'}"
            if count > 1
            else f"{name} was"
        )
        example = f"{name} is {shape}" if count > 1 else f"from {shape}"
        return [f"{several} brought to {_kind(self.x_shape)} like the images of this run ({example})."]


def _kind(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]} {'grey' if shape[0] == 1 else 'RGB'}"
