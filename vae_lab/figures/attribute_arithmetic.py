"""Attributes added to images step by step: z + s·v with the vector v of an attribute and strength s.

Each attribute has a row with the raw difference of means and one with the vector that is corrected for what goes with
the attribute in the data (:mod:`vae_lab.latents.attribute_vectors`). The accuracy beside a row is how often the dot
product of the vector with the code of a test image tells whether the image has the attribute.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from matplotlib.figure import Figure
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from vae_lab.data.presence import Presence
from vae_lab.errors import UserError, counted
from vae_lab.figures.animation import Animation, Kind
from vae_lab.figures.attribute_rows import STRENGTHS, Row, draw_rows, moving_rows, with_reconstruction
from vae_lab.figures.image_grids import pick
from vae_lab.latents.attribute_vectors import Attribute, Method, attributes_of, refuse_unknown
from vae_lab.scores import Trained


class AttributeArithmetic:
    """Two rows of images for each attribute: raw and corrected.

    Args:
        attributes: names of the attributes; None: those that the vectors separate best, compared with always guessing
            the more frequent value.
        most: largest number of attributes shown if none are named.
        strengths: of the vectors; at 0, which is added if it is left out, an image is its reconstruction, and 1 is the
            way from the mean without the attribute to the mean with it.
        image: position of the test image to which the attributes are added; None: for each attribute another one that
            lacks it, as far as there are enough of them.
        method, balance, train_images: see :class:`vae_lab.metrics.attributes.AttributeScores`.
        animation: the file of the moving version, with the corrected vectors.
    """

    needs = ("images", "continuous", "attributes")
    requires = "an attribute that some training and test images have and some lack"

    def __init__(
        self,
        attributes: Sequence[str] | None = None,
        most: PositiveInt = 4,
        strengths: Annotated[Sequence[float], MinLen(1)] = STRENGTHS,
        image: NonNegativeInt | None = None,
        method: Method = "means",
        balance: Sequence[str] | None = None,
        train_images: PositiveInt = 20_000,
        animation: Kind = "gif",
    ) -> None:
        self.attributes, self.most, self.image = attributes, most, image
        self.strengths = with_reconstruction(strengths)
        self.method, self.balance, self.train_images, self.kind = method, balance, train_images, animation

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no attribute varies."""
        found = self._found(trained)
        if not found:
            return None
        rows = [row for one, place in found for row in self._rows(trained, one, place)]
        shown = (
            "" if len(found) == len(trained.data.attributes) else f" ({len(found)} of {len(trained.data.attributes)})"
        )
        kind = "differences of means" if self.method == "means" else "normals of support vector machines"
        title = f"Attributes added to codes{shown}, by {kind}, with accuracy on held-out images{_not_balanced(found)}"
        return draw_rows(trained, rows, self.strengths, title)

    def animation(self, trained: Trained) -> Animation | None:
        """Every attribute in its own tile."""
        rows = [self._rows(trained, one, place)[-1] for one, place in self._found(trained)]
        return moving_rows(trained, rows, self.strengths, self.kind)

    def _found(self, trained: Trained) -> list[tuple[Attribute, int]]:
        """The attributes that are shown, each with the position of its test image."""
        refuse_unknown(self.attributes or (), trained.data.attributes)
        if self.image is not None and self.image >= len(trained.data.test):
            raise UserError(f"there is no test image {self.image}: the test set has {len(trained.data.test)}")
        presence, n = _presence(trained), min(self.train_images, len(trained.data.train))
        found = attributes_of(
            trained.codes("train", n)[0].mu,
            presence(trained.attribute_values("train", n)),
            trained.data.attributes,
            self.method,
            self.balance,
            self.attributes,
        )
        present = presence(trained.attribute_values("test"))
        lacking = {one.name: (~present[:, one.index]).nonzero().flatten().tolist() for one in found}
        found = [one for one in found if 0 < len(lacking[one.name]) < len(present)]
        if self.attributes is None:
            found = sorted(found, key=lambda one: -self._gain(trained, one, present))[: self.most]
        if self.image is not None:
            return [(one, self.image) for one in found]
        return list(zip(found, _different([lacking[one.name] for one in found])))

    def _gain(self, trained: Trained, one: Attribute, present: Tensor) -> float:
        """By how much the accuracy on test codes is above that of the more frequent value."""
        own = present[:, one.index]
        share = float(own.double().mean())
        return one.best.accuracy(trained.codes("test")[0].mu, own) - max(share, 1 - share)

    def _rows(self, trained: Trained, one: Attribute, place: int) -> list[Row]:
        """The row of the raw vector and that of the corrected one, where there is one."""
        codes, values = trained.codes("test")[0].mu, trained.attribute_values("test")
        own = _presence(trained)(values)[:, one.index]
        image = pick((batch.x for batch in trained.data.batches("test")), [place])[0]
        y = values[[place]] if trained.model.conditional else None
        vectors = {"raw": one.raw, "corrected": one.corrected}
        return [
            Row(one.name, kind, vector.accuracy(codes, own), image, codes[place], y, vector.vector)
            for kind, vector in vectors.items()
            if vector is not None
        ]


def _different(choices: Sequence[list[int]]) -> list[int]:
    """The first of each list that no earlier list has given, or if all of them are taken, the first."""
    taken: list[int] = []
    for places in choices:
        taken.append(next((place for place in places if place not in taken), places[0]))
    return taken


def _not_balanced(found: Sequence[tuple[Attribute, int]]) -> str:
    """What the corrected vectors are not corrected for, for the title: ``; long_hair not balanced: 0 examples``."""
    fewest, of = dict[str, int](), dict[str, list[str]]()
    for one, _ in found:
        for other, count in one.left_out.items():
            fewest[other] = min(count, fewest.get(other, count))
            of.setdefault(other, []).append(one.name)
    told = ""
    for other, count in fewest.items():
        which = "" if len(of[other]) == len(found) else f" for {', '.join(of[other])}"
        told += f"; {other} not balanced{which}: {counted(count, 'example')}"
    alone = [one.name for one, _ in found if one.corrected is None]
    return told + (f"; nothing is balanced for {', '.join(alone)}" if alone else "")


def _presence(trained: Trained) -> Presence:
    values = trained.data.pool.y
    assert isinstance(values, torch.Tensor)
    return Presence.of(values)
