"""MVTec AD (Bergmann et al. 2019): photographs of objects without and with defects, and masks of the defects.

The layout, which datasets of other objects have, too::

    <category>/train/good/*.png
    <category>/test/good/*.png
    <category>/test/<defect>/000.png
    <category>/ground_truth/<defect>/000_mask.png    white where the defect is

The training images are all good, and have no labels. The labels of the test images are 0 for ``good`` and 1, 2, … for
the defects, in alphabetical order. Their masks, of the size of the images, are reached from the dataset::

    data.test.labels                  long [N]; data.test.classes are ("good", "broken_large", …)
    data.test.masks_at(index)         long [n] to uint8 [n, 1, H, W], 255 where a defect is; 0 everywhere for good ones
    data.test.masks is None           where the folder has no ground_truth
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from vae_lab.config.paths import expanded
from vae_lab.data.by_hand import ByHand
from vae_lab.data.image_bytes import Background
from vae_lab.data.image_files import image_files, shown
from vae_lab.data.image_opening import for_each, opened
from vae_lab.data.listed_images import Decoding
from vae_lab.data.mapped_bytes import held_bytes, key_of
from vae_lab.data.value_range import Range
from vae_lab.errors import UserError
from vae_lab.examples import Examples

GOOD = "good"
_MVTEC = ByHand(
    "dataset=mvtec",
    ("mvtec_anomaly_detection", "mvtec", ""),
    "a category such as bottle.tar.xz",
    "the page “MVTec Anomaly Detection Dataset (MVTec AD)” of mvtec.com",
)


class MVTec:
    """One category of MVTec AD, or a folder of the same layout.

    Args:
        category: the name of the category below ``data_dir``, such as ``bottle``, or the path of its folder.
        height, width: size in pixels. Images and masks are scaled until they just cover it; the rest is cut off.
        channels: 1 (grey) or 3 (RGB).
        crop: side of the square in the centre that is cut out first, in pixels; None: nothing is cut out.
        background: 'white' or 'black', over which transparent images are laid; None: they are refused.
        range: the pixel values that mean black and white, or white alone if 0 means black; None: 0 and 255, or 0 and
            65,535 in images of 16 bits.
        memory_gb: images that take more than this many GiB are mapped from a file in the cache.
    """

    def __init__(
        self,
        category: str,
        height: PositiveInt = 64,
        width: PositiveInt = 64,
        channels: Literal[1, 3] = 3,
        crop: PositiveInt | None = None,
        background: Background | None = None,
        range: Range | None = None,
        memory_gb: PositiveFloat = 1.0,
    ) -> None:
        self.category = category
        self.decoding = Decoding(channels, height, width, crop, memory_gb=memory_gb, background=background, range=range)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training examples, without labels, and the test examples, with labels and masks.

        Raises:
            UserError: there is no such folder, it has another layout, or an image or a mask is missing or damaged.
        """
        folder = self._folder(root)
        train = image_files(folder / "train" / GOOD, "dataset=mvtec").images
        classes = (GOOD, *_defects(folder / "test"))
        test = [
            (file, kind) for kind in classes for file in image_files(folder / "test" / kind, "dataset=mvtec").images
        ]
        files = [*train, *(file for file, _ in test)]
        pixels = self.decoding.read(files)
        about = {"category": folder.name, **self.decoding.about}
        labels = torch.tensor([classes.index(kind) for _, kind in test])
        return (
            Examples(pixels[: len(train)], None, preparation=about),
            Examples(pixels[len(train) :], labels, classes, masks=self._masks(folder, test), normal=(0,),
                     preparation=about, notes=_notes(folder)),
        )  # fmt: skip

    def _folder(self, root: Path) -> Path:
        typed = expanded(self.category)
        folder = typed if typed.is_dir() else _MVTEC.folder(root, [self.category], _categories(root))
        if not (folder / "train" / GOOD).is_dir() or not (folder / "test").is_dir():
            inside = sorted(path.name for path in folder.glob("*") if (path / "train" / GOOD).is_dir())
            instead = f"; type dataset.source.category={folder / inside[0]}" if inside else ""
            raise UserError(
                f"dataset=mvtec: {shown(folder)} needs the folders train/{GOOD}, test/{GOOD} and test/<defect>{instead}"
            )
        if not (folder / "test" / GOOD).is_dir():
            raise UserError(
                f"dataset=mvtec: {shown(folder)} has no folder test/{GOOD}, with whose images those with defects are "
                f"compared; make it, and move some images of train/{GOOD} there"
            )
        return folder

    def _masks(self, folder: Path, test: list[tuple[Path, str]]) -> Tensor | None:
        """Return the masks of the test images: uint8 [N, 1, H, W]; None if the folder has no masks."""
        if not (folder / "ground_truth").is_dir():
            return None
        masks = [None if kind == GOOD else _mask_of(folder, file, kind) for file, kind in test]
        given = [(i, mask) for i, mask in enumerate(masks) if mask is not None]

        def fill(out: np.ndarray) -> None:
            def decode(k: int) -> None:
                i, mask = given[k]
                out[i] = self._mask(mask, test[i][0])

            for_each([mask for _, mask in given], decode)

        shape = (len(test), 1, self.decoding.height, self.decoding.width)
        named = ("masks", replace(self.decoding, memory_gb=0), [i for i, _ in given])
        return held_bytes(shape, self.decoding.memory, lambda: key_of(named, [mask for _, mask in given]), fill)

    def _mask(self, file: Path, image: Path) -> np.ndarray:
        """Return a mask in the size of the images: bytes [1, H, W] of 0 and 255.

        A pixel belongs to the defect if it covers at least half of it. Of a defect so small that this holds nowhere,
        the pixels stay that it covers most, since every defective image needs a mask.
        """
        mask = opened(file).image.convert("L").point([0] + [255] * 255)
        size = opened(image).image.size
        if mask.size != size:
            sizes = f"{mask.width}×{mask.height}, and its image is {size[0]}×{size[1]}"
            raise UserError(f"dataset=mvtec: {shown(file)} is {sizes}; make them one size")
        if mask.getbbox() is None:
            raise UserError(
                f"dataset=mvtec: {shown(file)} is black everywhere, so that {shown(image)} has no defect; repair the "
                f"mask, or move the image to test/{GOOD}"
            )
        wanted = (self.decoding.width, self.decoding.height)
        mask = ImageOps.fit(self.decoding.cropped(mask, file), wanted, Image.Resampling.BOX)
        covered = np.asarray(mask, np.uint8)[None]
        return np.where(covered >= max(1, min(128, covered.max())), np.uint8(255), np.uint8(0))


def _categories(root: Path) -> list[str]:
    """Return the names of the folders of categories where they are looked for, sorted."""
    return sorted({path.parent.parent.name for place in _MVTEC.places(root) for path in place.glob(f"*/train/{GOOD}")})


def _defects(folder: Path) -> list[str]:
    """Return the names of the folders of defects, sorted."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != GOOD and path.name[0] != ".")


def _mask_of(folder: Path, image: Path, kind: str) -> Path:
    mask = folder / "ground_truth" / kind / f"{image.stem}_mask.png"
    if not mask.is_file():
        raise UserError(f"dataset=mvtec: {shown(image)} has no mask; put it into {shown(mask)}")
    return mask


def _notes(folder: Path) -> tuple[str, ...]:
    if (folder / "ground_truth").is_dir():
        return ()
    return (f"{shown(folder)} has no folder ground_truth, so that there are no scores of pixels.",)
