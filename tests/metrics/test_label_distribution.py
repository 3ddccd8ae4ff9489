from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, labelled

from vae_lab.metrics.label_distribution import LabelDistribution


def scores(shown: list[int], confidence: float = 50.0, samples: int = 10_000):
    """Samples that a classifier reads as these labels, beside 12 test images with 4 of each of 3 classes."""
    logits = confidence * torch.nn.functional.one_hot(torch.tensor(shown), 3).float()
    fake = FakeTrained(labelled(12), classifier=SimpleNamespace(sha256="abc"))
    fake.given_features = {"samples": (torch.zeros(len(shown), 2), logits)}
    return LabelDistribution(samples)(fake)


@pytest.mark.parametrize(
    ("shown", "distance"),
    [([0, 1, 2] * 4, 0), ([0] * 12, 2 / 3), ([0] * 6 + [1] * 6, 1 / 3), ([0] * 6 + [1] * 4 + [2] * 2, 1 / 6)],
)
def test_the_distance_is_the_total_variation(shown, distance):
    assert scores(shown).values["label_distance"] == pytest.approx(distance, abs=1e-6)


def test_both_distributions_are_given():
    found = scores([0] * 9 + [2] * 3)
    assert found.arrays["labels_generated"] == pytest.approx([0.75, 0, 0.25])
    assert found.arrays["labels_real"] == pytest.approx([1 / 3] * 3)


def test_confidence_is_the_mean_of_the_largest_probability():
    assert scores([0, 1, 2] * 4).values["label_confidence"] == pytest.approx(1)
    assert scores([0, 1, 2] * 4, confidence=0.0).values["label_confidence"] == pytest.approx(1 / 3)


def test_no_more_samples_are_drawn_than_there_are_test_images_or_asked_for():
    assert scores([0] * 12).protocol["label_distribution"]["images"] == 12
    assert scores([0] * 6 + [1] * 6, samples=6).arrays["labels_generated"] == [1, 0, 0]


def test_without_labels_there_is_a_note():
    found = LabelDistribution()(FakeTrained())
    assert found.values == {}
    assert "no labels" in found.notes[0]
