"""Drawn faces: 64×64 RGB images, computed from ten factors; nothing to download.

smile, yaw, skin, hair colour, hair style, glasses, opening of the eyes, their distance, background and direction of the
light decide every pixel (:mod:`vae_lab.data.drawn_faces`). Training and test images have factors drawn at random, all
independent of each other unless ``correlation`` ties two of them, as attributes of photographs are. The first images
are the same whatever their number is, and no training image is a test image. The scores of disentanglement use a grid
with every combination of a few values per factor.

Precedents: Chernoff (1973), "The use of faces to represent points in k-dimensional space graphically"; Google's
Cartoon Set; dSprites and 3D Shapes for the grid.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import torch
from annotated_types import Ge, Le, Len
from torch import Tensor

from vae_lab.data import drawn_faces
from vae_lab.data.cache import cache_dir
from vae_lab.data.drawn_faces.drawing import SIZE, draw
from vae_lab.data.drawn_faces.face import NAMES, STYLES
from vae_lab.data.mapped_bytes import key_of_code, made_array
from vae_lab.errors import UserError
from vae_lab.examples import Examples, Factors

Known = Literal["attributes", "factors", "style"]
Split = Literal["train", "test"]
Name = Literal[
    "smile", "yaw", "skin", "hair_colour", "hair_style", "glasses", "eye_opening", "eye_distance", "background", "light"
]
assert get_args(Name) == NAMES

GRID = (3, 3, 3, 4, 6, 2, 2, 2, 4, 3)  # values of each factor: 62,208 faces
SIGNED = ("smile", "yaw", "eye_distance", "light")  # in [−1, 1]; the others in [0, 1]
NEUTRAL = 0.2  # no smile is nearer to 0, so that a face clearly smiles or not
_SEEDS = {"train": (0, 1), "test": (2, 3)}  # of the factors, and of which faces have tied ones
_AT_ONCE = 256  # faces between two steps of the progress bar


class Faces:
    """The faces, their factors and their attributes.

    Args:
        images: number of training images, of which ``val_share`` are held out.
        test_images: number of test images.
        correlation: correlation between the two factors of ``correlated``, −1 to 1; see :func:`drawn_factors`.
        correlated: names of two factors.
        labels: 'attributes': words that hold or not (1 or 0), as in CelebA; 'factors': the factors as numbers, the
            style one-hot; 'style': the hair style as a class label.

    Raises:
        UserError: the correlation is to be between a factor and itself.
    """

    def __init__(
        self,
        images: Annotated[int, Ge(10)] = 20_000,
        test_images: Annotated[int, Ge(10)] = 2_000,
        correlation: Annotated[float, Ge(-1), Le(1)] = 0.0,
        correlated: Annotated[Sequence[Name], Len(2, 2)] = ("glasses", "hair_style"),
        labels: Known = "attributes",
    ) -> None:
        if correlated[0] == correlated[1]:
            raise UserError(f"dataset.source.correlated=[{','.join(correlated)}]: type two different factors")
        self.images, self.test_images, self.labels = images, test_images, labels
        self.correlation, self.correlated = correlation, correlated

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples; ``root`` is not used.

        Raises:
            UserError: the cache, where the images are kept once they are drawn, cannot be written to.
        """
        grid = FaceGrid(GRID)
        of_grid = labelled(grid.factors(torch.arange(len(grid))), self.labels)[0]
        known = Factors(NAMES, grid.sizes, grid, f"a grid of {len(grid):,} drawn faces", of_grid)
        return self._examples(self.images, "train", known), self._examples(self.test_images, "test", known)

    def _examples(self, n: int, split: Split, known: Factors) -> Examples:
        factors = drawn_factors(n, self.correlation, self.correlated, split)
        targets, names, classes = labelled(factors, self.labels)
        tied = f"{self.correlation:g} of {' and '.join(self.correlated)}" if self.correlation else "none"
        return Examples(_kept(factors), targets, classes, factors=known, attributes=names,
                        preparation={"correlation": tied})  # fmt: skip


def drawn_factors(n: int, correlation: float, correlated: Sequence[Name], split: Split = "train") -> Tensor:
    """Return the factors of the first n training or test faces, float [n, 10], always the same ones.

    Each factor is a quantile of its distribution: uniform for the continuous ones, but for a gap between smiling and
    not smiling (−0.2 to 0.2); half of the faces with glasses; all styles equally frequent. With probability |ρ|, the
    second of the correlated factors has the quantile of the first (for ρ < 0: one minus it). Both distributions stay as
    they are, and the rank correlation of two continuous factors is ρ; so is the correlation between glasses and long
    hair, each of which half of the faces have.
    """
    of_factors, of_ties = (torch.Generator().manual_seed(seed) for seed in _SEEDS[split])
    quantiles = torch.rand(n, len(NAMES), generator=of_factors)
    tied = torch.rand(n, generator=of_ties) < abs(correlation)
    a, b = (NAMES.index(name) for name in correlated)
    same = quantiles[:, a] if correlation > 0 else 1 - quantiles[:, a]
    quantiles[:, b] = torch.where(tied, same.clamp_max(1 - 1e-6), quantiles[:, b])
    return from_quantiles(quantiles)


def from_quantiles(quantiles: Tensor) -> Tensor:
    """Return the factors at these quantiles of their distributions: [..., 10] in [0, 1) to the same shape."""
    columns = dict(zip(NAMES, quantiles.unbind(-1)))
    columns.update({name: 2 * columns[name] - 1 for name in SIGNED})
    smiles = torch.where(columns["smile"] < 0, -1.0, 1.0)
    columns["smile"] = smiles * (NEUTRAL + (1 - NEUTRAL) * columns["smile"].abs())
    columns["hair_style"] = (columns["hair_style"] * len(STYLES)).floor()
    columns["glasses"] = (columns["glasses"] >= 0.5).float()
    return torch.stack([columns[name] for name in NAMES], -1)


def labelled(factors: Tensor, labels: Known) -> tuple[Tensor, tuple[str, ...], tuple[str, ...]]:
    """Return labels or attributes of faces with these factors, the names of attributes, and the names of classes."""
    by_name = dict(zip(NAMES, factors.unbind(1)))
    style = by_name.pop("hair_style").long()
    if labels == "style":
        return style, (), STYLES
    if labels == "factors":
        one_hot = torch.eye(len(STYLES))[style]
        words = tuple(style.replace(" ", "_") for style in STYLES)
        return torch.cat([torch.stack(list(by_name.values()), 1), one_hot], 1), (*by_name, *words), ()
    attributes = {
        "smiling": by_name["smile"] > 0,
        "glasses": by_name["glasses"] > 0.5,
        "long_hair": style >= STYLES.index("bun"),
        "curly_hair": style == STYLES.index("curls"),
        "fair_hair": by_name["hair_colour"] > 0.6,
        "dark_skin": by_name["skin"] > 0.5,
        "looking_right": by_name["yaw"] > 0,
        "wide_eyes": by_name["eye_opening"] > 0.5,
        "lit_from_right": by_name["light"] > 0,
    }
    return torch.stack([held.float() for held in attributes.values()], 1), tuple(attributes), ()


class FaceGrid:
    """Faces at all combinations of a few values per factor, drawn when used; a :class:`vae_lab.examples.Stored`.

    Value i of n is the quantile (i + ½)/n of the factor's distribution in training.

    Args:
        sizes: number of values of each factor.
        device: where the images are returned.
    """

    def __init__(self, sizes: tuple[int, ...] = GRID, device: torch.device | None = None) -> None:
        self.sizes, self.device = sizes, device or torch.device("cpu")
        self.shape = torch.Size([math.prod(sizes), 3, SIZE, SIZE])
        self.nbytes = 0

    def __len__(self) -> int:
        return self.shape[0]

    def factors(self, index: Tensor) -> Tensor:
        """Return the factors of the faces at positions: long [...] to float [..., 10]."""
        values = torch.unravel_index(index.cpu(), self.sizes)
        return from_quantiles(torch.stack([(v + 0.5) / n for v, n in zip(values, self.sizes)], -1))

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the faces at positions, long [...], as uint8 [..., 3, 64, 64]."""
        return draw(self.factors(index.reshape(-1))).reshape(*index.shape, *self.shape[1:]).to(self.device)

    def to(self, device: torch.device) -> "FaceGrid":
        """Return the same faces on another device."""
        return FaceGrid(self.sizes, device)


def _kept(factors: Tensor) -> Tensor:
    """Return the faces, uint8 [n, 3, 64, 64], mapped from a file of the cache, for which they are drawn once."""
    from rich.progress import track

    def fill(array: np.ndarray) -> None:
        starts = range(0, len(factors), _AT_ONCE)
        for start in track(starts, "drawing faces", transient=True):
            array[start : start + _AT_ONCE] = draw(factors[start : start + _AT_ONCE]).numpy()

    key = key_of_code(factors.numpy().tobytes(), Path(next(iter(drawn_faces.__path__))))
    return made_array(cache_dir("images") / f"{key}.npy", (len(factors), 3, SIZE, SIZE), fill)
