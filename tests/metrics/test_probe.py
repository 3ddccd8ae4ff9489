import math

import numpy as np
import pytest
import torch
from helpers import FakeTrained, gen, labelled

from vae_lab.metrics.common.resampling import wilson
from vae_lab.metrics.probe import Probe, over_draws
from vae_lab.types import Normal


def fake(centres, spread: float, n: int = 300, seed: int = 0) -> FakeTrained:
    """Codes around a centre per class, other draws for train than for test."""
    centres = torch.tensor(centres)
    made = FakeTrained(labelled(n, classes=len(centres)), seed=seed)
    labels = made.data.test.labels

    def codes(split="test", n=None):
        mu = centres[labels] + spread * torch.randn(
            (len(labels), centres.shape[1]), generator=gen({"train": 1, "test": 2}[split])
        )
        return Normal(mu[:n], torch.zeros_like(mu[:n])), labels[:n]

    made.codes = codes
    return made


LINE = [[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]


def test_classes_apart_are_read_off_without_error():
    found = Probe()(fake(LINE, 0.5)).values
    assert found == dict.fromkeys(["probe_accuracy", "probe_accuracy_few", "knn_accuracy", "knn_accuracy_few"], 1.0)


def test_codes_without_labels_in_them_are_at_chance():
    found = Probe()(fake([[0.0, 0.0]] * 3, 1.0, n=3000))
    for name in ("probe_accuracy", "probe_accuracy_few", "knn_accuracy", "knn_accuracy_few"):
        assert found.values[name] == pytest.approx(1 / 3, abs=0.05)
    low, high = found.intervals["probe_accuracy"]
    assert low < 1 / 3 < high


def test_two_gaussians_have_the_accuracy_of_the_best_line():
    """Centres two standard deviations apart: Φ(1) = 0.841 of the codes lie on the right side of the middle."""
    found = Probe(train_images=4000)(fake([[-1.0], [1.0]], 1.0, n=4000)).values
    assert found["probe_accuracy"] == pytest.approx(0.8413, abs=0.02)


def test_the_probe_is_linear_and_the_neighbours_are_not():
    """Opposite corners of a square are one class: no line parts them."""
    corners = fake([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0], [9.0, 9.0]], 0.5)
    given = corners.codes
    corners.codes = lambda *a: (given(*a)[0], torch.tensor([0, 1, 1, 0])[given(*a)[1]])
    found = Probe()(corners).values
    assert found["probe_accuracy"] < 0.8
    assert found["knn_accuracy"] == 1


def test_the_probe_does_not_depend_on_the_scale_of_a_dimension():
    plain, scaled = fake(LINE, 6.0), fake(LINE, 6.0)
    given = scaled.codes
    scaled.codes = lambda *a: (Normal(given(*a)[0].mu * torch.tensor([1000.0, 0.001]), torch.zeros(1)), given(*a)[1])
    names = ("probe_accuracy", "probe_accuracy_few")
    a, b = Probe()(plain).values, Probe()(scaled).values
    assert a["probe_accuracy"] < 1
    assert [a[name] for name in names] == pytest.approx([b[name] for name in names], abs=0.005)


def test_few_labels_are_as_many_of_each_class():
    places = Probe(labels_per_class=4, draws=3)._few_indices(np.array([0] * 50 + [1] * 5 + [2] * 9), seed=0)
    assert len(places) == 3
    for chosen in places:
        assert len(set(chosen)) == 12
        assert np.histogram(chosen, [0, 50, 55, 64])[0].tolist() == [4, 4, 4]
    assert {*places[0]} != {*places[1]}


def test_few_labels_are_scored_by_their_draws():
    found = Probe(draws=4)(fake(LINE, 6.0))
    draws = found.arrays["knn_accuracy_few_draws"]
    assert len(draws) == 4
    assert found.values["knn_accuracy_few"] == pytest.approx(np.mean(draws))
    assert found.intervals["knn_accuracy_few"] == pytest.approx(over_draws(draws))
    assert found.values["knn_accuracy_few"] < found.values["knn_accuracy"]


def test_two_evaluations_are_equal_and_another_seed_draws_others():
    first, again, other = (Probe()(fake(LINE, 6.0, seed=seed)) for seed in (0, 0, 1))
    assert first.values == again.values
    assert first.arrays != other.arrays


def test_intervals_are_wilsons_and_students():
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 100)[1] == 1
    half = 12.7062 * math.sqrt(2) * 0.1 / math.sqrt(2)
    assert over_draws([0.4, 0.6]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-4)


def test_every_number_has_a_meaning():
    found = Probe()(fake(LINE, 1.0))
    assert set(found.meanings) == set(found.values)


def test_no_more_codes_are_learnt_from_than_asked_for():
    assert Probe(train_images=60)(fake(LINE, 1.0)).protocol["probe"]["train_images"] == 60


def test_images_that_cannot_be_scored_are_reported():
    rare = Probe(train_images=6, neighbours=50)(fake(LINE, 1.0))
    assert set(rare.values) == {"probe_accuracy", "knn_accuracy"}
    assert "2 labels, fewer than 10" in rare.notes[0]
    one = fake([[0.0]], 1.0)
    assert "one class" in Probe()(one).notes[0]
