"""A dataset read from arrays in a ``.npy``, ``.npz``, ``.mat`` or HDF5 file: images, and labels or factors beside them.

docs/datasets.md has an example of each kind. Images are kept as bytes: floats and 16-bit values are scaled to 0–255 and
rounded.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from vae_lab.data.array_bytes import image_bytes
from vae_lab.data.array_factors import FactorGrid, factor_grid
from vae_lab.data.array_file import arrays_of
from vae_lab.data.array_images import ArrayImages
from vae_lab.data.array_labels import ClassNames
from vae_lab.data.array_layout import Sizes
from vae_lab.data.array_place import PREFIX, Place, found
from vae_lab.data.held_out import held_out, refuse_share
from vae_lab.data.value_range import Range, ValueRange, value_range
from vae_lab.errors import UserError
from vae_lab.examples import Examples, Factors

_KERAS = ("x_train", "y_train", "x_test", "y_test")  # the names of Keras' mnist.npz and its kind


class Arrays:
    """The images of an array, with class labels or factors of variation from other arrays.

    Args:
        path: the file, absolute or relative to the working directory or to ``data_dir``.
        array: the name of the array of images in a file of several.
        axes: the axes of that array, see :mod:`vae_lab.data.array_layout`; None if its shape makes them clear.
        height, width: size in pixels of images that are flattened.
        range: the values that mean black and white, [−1, 1] for example, or white alone; None if the values make them
            clear.
        labels: an array of the same file, or a file, with one label per image.
        classes: names of the classes; None: the labels themselves.
        factors: an array of the same file, or a file, with one row of factor values per image.
        factor_names: the names of its columns.
        test_path, test_array, test_labels: the same for test images, if they are given. The arrays x_train, y_train,
            x_test and y_test of one file are found without options.
        test_share: fraction of the images that is held out for testing by a fixed shuffle, if none are given.
        memory_gb: images that take more than this many GiB are mapped into memory.

    Raises:
        UserError: an option has a value that is not allowed.
    """

    def __init__(
        self,
        path: str,
        array: str | None = None,
        axes: list[str] | None = None,
        height: PositiveInt | None = None,
        width: PositiveInt | None = None,
        range: Range | None = None,
        labels: str | None = None,
        classes: list[str] | None = None,
        factors: str | None = None,
        factor_names: list[str] | None = None,
        test_path: str | None = None,
        test_array: str | None = None,
        test_labels: str | None = None,
        test_share: float = 0.1,
        memory_gb: PositiveFloat = 4.0,
    ) -> None:
        refuse_share(f"{PREFIX}test_share", test_share)
        if factor_names and not factors:
            raise UserError(f"{PREFIX}factor_names= needs {PREFIX}factors=")
        if (test_path or test_array) and factors:
            raise UserError(
                f"{PREFIX}factors= needs all images in one array; leave {PREFIX}test_path= and test_array out"
            )
        self.path, self.array, self.labels = path, array, labels
        self.test_path, self.test_array, self.test_labels = test_path, test_array, test_labels
        self.axes, self.sizes, self.range = axes, Sizes(height, width), range
        self.classes, self.factors, self.factor_names = classes, factors, factor_names
        self.test_share, self.memory = test_share, int(memory_gb * 2**30)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: a file is missing or damaged, or it is unclear how to read it.
        """
        place, test_place = self._places(root)
        images = place.images(self.axes, self.sizes, self._used(test_place))
        values = value_range(images, images.start, f"{PREFIX}range=", self.range)
        grid = self._grid(place, images.count)
        order = None if grid is None else grid.order
        classes, targets = self._labelled(place, images.count)
        if order is not None and targets is not None:
            targets = targets[torch.from_numpy(order)]
        pixels = image_bytes(images, values, order, self.memory)
        label = f"images of {place.file.name}"
        factors = None if grid is None else Factors(grid.names, grid.sizes, pixels, label, targets)
        notes = () if images.dtype.kind == "b" or images.dtype == np.uint8 else (_rounded(images, values),)
        train = Examples(pixels, targets, classes.names if classes else (), factors=factors, notes=notes)
        if test_place is None:
            return _split(train, self.test_share)
        return train, self._test(test_place, train, values, classes)

    def _places(self, root: Path) -> tuple[Place, Place | None]:
        """Return where the training images are, and where the test images are if they are given."""
        file = found(self.path, root, "path")
        arrays = arrays_of(file, f"{PREFIX}path={self.path}")
        names = (self.array, self.labels, self.test_array, self.test_labels)
        if names == (None,) * 4 and self.test_path is None and {"x_train", "x_test"} <= set(arrays):
            names = tuple(name if name in arrays else None for name in _KERAS)  # type: ignore[assignment]
        array, labels, test_array, test_labels = names
        place = Place(self.path, "path", file, arrays, root, array, labels)
        if self.test_path is None and test_array is None:
            if test_labels:
                raise UserError(f"{PREFIX}test_labels= needs {PREFIX}test_array= or {PREFIX}test_path=")
            return place, None
        test = replace(place, array=test_array, labels=test_labels, option="test_")
        if self.test_path is not None:
            file = found(self.test_path, root, "test_path")
            arrays = arrays_of(file, f"{PREFIX}test_path={self.test_path}")
            same_name = array if array in arrays else None
            test = replace(
                test,
                path=self.test_path,
                path_option="test_path",
                file=file,
                arrays=arrays,
                array=test_array or same_name,
            )
        if bool(labels) != bool(test_labels):
            raise UserError(
                f"{PREFIX}{'test_labels' if labels else 'labels'}= is needed, since the other labels are given"
            )
        return place, test

    def _used(self, test: Place | None) -> set[str | None]:
        """Return the arrays of the file that are not training images."""
        return {self.labels, self.factors, *((test.array, test.labels) if test else ())}

    def _grid(self, place: Place, count: int) -> FactorGrid | None:
        if self.factors is None:
            return None
        start = f"{PREFIX}factors={self.factors}"
        return factor_grid(place.beside(self.factors, start), self.factor_names, count, start)

    def _labelled(self, place: Place, count: int) -> tuple[ClassNames | None, Tensor | None]:
        """Return the classes and the label of each image."""
        if place.labels is None:
            if self.classes:
                raise UserError(f"{PREFIX}classes= needs {PREFIX}labels=")
            return None, None
        start = f"{PREFIX}labels={place.labels}"
        labels = place.beside(place.labels, start)
        classes = ClassNames(labels, self.classes, start)
        return classes, classes.of(labels, count, start)

    def _test(self, place: Place, train: Examples, values: ValueRange, classes: ClassNames | None) -> Examples:
        """Return the test examples; their values and labels mean what those of the training examples mean."""
        images = place.images(self.axes, self.sizes, {place.labels})
        if images.shape != train.x_shape:
            shapes = ["×".join(map(str, shape)) for shape in (images.shape, train.x_shape)]
            raise UserError(f"{images.start}: test images of {shapes[0]}, and the training images are {shapes[1]}")
        same = value_range(images, images.start, f"{PREFIX}range=", [values.black, values.white])
        targets = None
        if classes is not None and place.labels is not None:
            start = f"{PREFIX}test_labels={place.labels}"
            targets = classes.of(place.beside(place.labels, start), images.count, start)
        return Examples(image_bytes(images, same, None, self.memory), targets, train.classes)


def _rounded(images: ArrayImages, values: ValueRange) -> str:
    """Return a sentence about values that are not bytes."""
    return f"{images.file.name} has {images.dtype} {values.told}, rounded to 256 grey levels."


def _split(examples: Examples, test_share: float) -> tuple[Examples, Examples]:
    """Return training and test examples by a fixed shuffle."""
    if len(examples) < 3:
        raise UserError(
            f"dataset=arrays: {len(examples)} images; at least 3 are needed for training, validation and test"
        )
    train, test = held_out(len(examples), test_share, "dataset.source.test_share")
    return examples.part(train), examples.part(test)  # the test images stay shuffled, since figures show the first ones
