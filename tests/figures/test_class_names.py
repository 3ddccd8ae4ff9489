"""The names of classes come from folders, which may be called anything. A figure shows them as they are."""

import io
from dataclasses import replace

import pytest
from helpers import FakeTrained, labelled

from vae_lab.figures.class_samples import ClassSamples
from vae_lab.figures.label_shares import LabelShares
from vae_lab.figures.latent_space import LatentSpace
from vae_lab.scores import Scores

NAMES = ("$\\frac{$", "[red]", "a_b^c")
SHARES = {"labels_real": [0.2, 0.3, 0.5], "labels_generated": [0.0, 0.25, 0.75]}


@pytest.mark.parametrize("draw", [ClassSamples(), LabelShares(), LatentSpace()], ids=lambda draw: type(draw).__name__)
def test_names_of_classes_are_not_typeset(draw):
    trained = FakeTrained(
        replace(labelled(12), classes=NAMES), scores=Scores({"test/label_distance": 0.25}, {}, SHARES)
    )
    draw(trained).savefig(io.BytesIO(), format="png")  # raises ValueError if matplotlib takes a name for a formula
