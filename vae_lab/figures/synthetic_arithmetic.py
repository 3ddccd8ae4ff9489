"""Vectors without labels: a change is made to images, and the mean change of their codes is undone step by step.

With a blurred copy b(x) of each training image, v = mean code(x) − mean code(b(x)) is the direction of sharpness, and
z + s·v is sharper for s > 0 (White 2016, arXiv 1609.04468, section 3). The accuracy beside a row is how often the dot
product of v with a code tells test images from their changed copies.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MinLen
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from vae_lab.figures.animation import Animation, Kind
from vae_lab.figures.attribute_rows import STRENGTHS, Row, draw_rows, moving_rows, with_reconstruction
from vae_lab.figures.moving_codes import means_of
from vae_lab.latents.attribute_vectors import AttributeVector, synthetic_vector
from vae_lab.scores import Trained

Name = Literal["sharper", "brighter"]


def blurred(x: Tensor) -> Tensor:
    """Images [N, C, H, W] blurred by a Gaussian whose σ is 1/32 of the shorter side."""
    sigma = min(x.shape[2:]) / 32
    return gaussian_blur(x, 2 * round(3 * sigma) + 1, [sigma])


def darkened(x: Tensor) -> Tensor:
    """Images with 60 % of their brightness."""
    return 0.6 * x


CHANGES: dict[Name, Callable[[Tensor], Tensor]] = {"sharper": blurred, "brighter": darkened}


class SyntheticArithmetic:
    """A row of images for each change.

    Args:
        directions: what the vectors undo: 'sharper' a blur, 'brighter' a loss of brightness.
        strengths: of the vectors; at 0, which is added if it is left out, an image is its reconstruction, and −1 is the
            change itself.
        images: number of training images, and largest number of test images, that are changed.
        animation: the file of the moving version.
    """

    needs = ("images", "continuous")

    def __init__(
        self,
        directions: Annotated[Sequence[Name], MinLen(1)] = ("sharper", "brighter"),
        strengths: Annotated[Sequence[float], MinLen(1)] = STRENGTHS,
        images: Annotated[PositiveInt, Ge(2)] = 2000,
        animation: Kind = "gif",
    ) -> None:
        self.directions, self.images, self.kind = directions, images, animation
        self.strengths = with_reconstruction(strengths)

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        title = "Directions that undo a change of images, with accuracy on held-out images"
        return draw_rows(trained, self._rows(trained), self.strengths, title)

    def animation(self, trained: Trained) -> Animation | None:
        """Every direction in its own tile."""
        return moving_rows(trained, self._rows(trained), self.strengths, self.kind) if self.kind != "none" else None

    def _rows(self, trained: Trained) -> list[Row]:
        batch = next(trained.data.batches("test", size=len(self.directions)))
        y = batch.y if trained.model.conditional else None
        z, rows = means_of(trained, batch.x, y), []
        for i, name in enumerate(self.directions):
            codes, changed = self._codes(trained, "train", CHANGES[name])
            both = torch.cat([codes, changed])
            vector = AttributeVector.of(synthetic_vector(codes, changed), both, _halves(codes, changed))
            codes, changed = self._codes(trained, "test", CHANGES[name])
            accuracy = vector.accuracy(torch.cat([codes, changed]), _halves(codes, changed))
            at = i % len(z)
            rows.append(
                Row(name, "", accuracy, batch.x[at].cpu(), z[at], None if y is None else y[[at]], vector.vector)
            )
        return rows

    def _codes(self, trained: Trained, split: str, change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """The codes of images and of the same images after a change, [n, D] each."""
        n, noise = min(self.images, len(getattr(trained.data, split))), trained.noise("changed images")
        pairs = []
        for batch in trained.data.batches(split, n):
            y = batch.y if trained.model.conditional else None
            other = trained.data.as_received(change(batch.x), noise)
            pairs.append((means_of(trained, batch.x, y), means_of(trained, other, y)))
        codes, changed = (torch.cat(part) for part in zip(*pairs))
        return codes, changed


def _halves(codes: Tensor, changed: Tensor) -> Tensor:
    """Which of both sets of codes, one after the other, are those of unchanged images: bool [2 n]."""
    return torch.arange(len(codes) + len(changed)) < len(codes)
