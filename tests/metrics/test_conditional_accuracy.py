from types import SimpleNamespace

import pytest
import torch
from helpers import FakeExtractor, FakeTrained, labelled
from scipy import stats

from vae_lab.metrics.conditional_accuracy import ConditionalAccuracy

CONDITIONAL = SimpleNamespace(conditional=True)
LOGITS = torch.nn.functional.one_hot(torch.arange(12) % 3, 3).float()


class Reads(FakeExtractor):
    """A classifier that reads an image's first pixel, times 10, as its label."""

    def __call__(self, x):
        label = (10 * x.flatten(1)[:, 0]).round().long()
        return x.flatten(1), torch.nn.functional.one_hot(label, 3).float()


class Draws(FakeTrained):
    """Images that show the label asked for, but for those whose place the test names."""

    wrong = ()
    sampler = "means of draws, odd, labels drawn as in training"

    def sample(self, n, purpose="samples", size=1000, y=None):
        assert len(y) == n
        shown = y.clone()
        for place in self.wrong:
            shown[place] = (y[place] + 1) % 3
        yield from (shown / 10).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).split(size)


def made(**more) -> Draws:
    given = {"test": (torch.zeros(12, 2), LOGITS)}
    more = {"classifier": Reads(), "given_features": given, "model": CONDITIONAL, **more}
    return Draws(labelled(12), **more)


def test_a_model_that_shows_the_requested_class_reaches_1():
    scores = ConditionalAccuracy(3001)(made())
    assert scores.values == {"conditional_accuracy": 1, "conditional_accuracy_floor": 1}
    assert scores.arrays["conditional_accuracy_per_class"] == [1, 1, 1]
    assert scores.intervals["conditional_accuracy"][0] > 0.998


def test_a_model_that_shows_another_class_reaches_0():
    assert ConditionalAccuracy(30)(made(wrong=range(30))).values["conditional_accuracy"] == 0


def test_shares_are_of_each_class_and_the_interval_is_wilsons():
    scores = ConditionalAccuracy(30)(made(wrong=(0, 3, 1)))  # two of class 0, one of class 1
    assert scores.values["conditional_accuracy"] == pytest.approx(0.9)
    assert scores.arrays["conditional_accuracy_per_class"] == pytest.approx([0.8, 0.9, 1.0])
    expected = stats.binomtest(27, 30).proportion_ci(method="wilson")
    assert scores.intervals["conditional_accuracy"] == pytest.approx((expected.low, expected.high))


def test_the_floor_is_the_classifiers_accuracy_on_test_images():
    given = {"test": (torch.zeros(12, 2), LOGITS.roll(1, 0))}
    given["test"][1][0] = LOGITS[0]
    found = ConditionalAccuracy(3)(made(given_features=given)).values
    assert found["conditional_accuracy_floor"] == pytest.approx(1 / 12)


def test_the_protocol_states_how_labels_were_chosen():
    protocol = ConditionalAccuracy(6)(made()).protocol["conditional_accuracy"]
    assert protocol["sampler"] == "means of draws, odd, each of the 3 classes in turn"
    assert protocol["images"] == 6
    assert protocol["extractor_sha256"] == "abc"
