import pytest
import torch
from helpers import FakeExtractor, FakeTrained, labelled

from vae_lab.metrics.label_distribution import LabelDistribution


def logits_of(shown: list[int], confidence: float = 50.0) -> torch.Tensor:
    return confidence * torch.nn.functional.one_hot(torch.tensor(shown), 3).float()


def scores(shown: list[int], confidence: float = 50.0, samples: int = 10_000, pool: list[int] | None = None, **more):
    """Samples that a classifier reads as these labels, beside 12 test images with 4 of each of 3 classes."""
    fake = FakeTrained(labelled(12), classifier=FakeExtractor(), **more)
    given = {"samples": logits_of(shown, confidence), "pool": logits_of(pool or [0, 1, 2] * 4)}
    fake.given_features = {source: (torch.zeros(12, 2), logits) for source, logits in given.items()}
    return LabelDistribution(samples)(fake)


@pytest.mark.parametrize(
    ("shown", "distance"),
    [([0, 1, 2] * 4, 0), ([0] * 12, 2 / 3), ([0] * 6 + [1] * 6, 1 / 3), ([0] * 6 + [1] * 4 + [2] * 2, 1 / 6)],
)
def test_the_distance_is_the_total_variation(shown, distance):
    assert scores(shown).values["label_distance"] == pytest.approx(distance, abs=1e-6)


def test_the_floor_is_that_of_training_images():
    found = scores([0] * 12, pool=[0] * 6 + [1] * 6)
    assert found.values["label_distance"] == pytest.approx(2 / 3)
    assert found.values["label_distance_floor"] == pytest.approx(1 / 3)
    assert found.arrays["labels_generated"] == [1, 0, 0]


def test_both_distributions_are_given():
    found = scores([0] * 9 + [2] * 3)
    assert found.arrays["labels_generated"] == pytest.approx([0.75, 0, 0.25])
    assert found.arrays["labels_real"] == pytest.approx([1 / 3] * 3)


def test_confidence_is_the_mean_of_the_largest_probability():
    assert scores([0, 1, 2] * 4).values["label_confidence"] == pytest.approx(1)
    assert scores([0, 1, 2] * 4, confidence=0.0).values["label_confidence"] == pytest.approx(1 / 3)


def test_the_classifier_reads_the_labels_whatever_the_features_are():
    found = scores([0] * 12, extractor=FakeExtractor(2048, "_inception", "other"))
    assert set(found.values) == {"label_distance", "label_distance_floor", "label_confidence", "label_confidence_floor"}
    assert found.protocol["label_distribution"]["extractor_sha256"] == "abc"


def test_intervals_hold_the_value_and_stay_within_0_and_1():
    for shown in ([0] * 12, [0] * 6 + [1] * 4 + [2] * 2):
        found = scores(shown)
        for name, (low, high) in found.intervals.items():
            assert 0 <= low <= found.values[name] + 1e-9
            assert found.values[name] - 1e-9 <= high <= 1
    assert found.intervals["label_distance"][1] > found.intervals["label_distance"][0]
    assert set(found.intervals) == set(found.meanings) == set(found.values)


def test_shares_of_all_test_images_are_the_reference():
    assert scores([0] * 6 + [1] * 6, samples=6).protocol["label_distribution"]["reference"] == (
        "labels of all 12 test images of fake"
    )


def test_no_more_samples_are_drawn_than_there_are_test_images_or_asked_for():
    assert scores([0] * 12).protocol["label_distribution"]["images"] == 12
    assert scores([0] * 6 + [1] * 6, samples=6).arrays["labels_generated"] == [1, 0, 0]
