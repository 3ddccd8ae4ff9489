from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import FakeTrained, gen, labelled
from scipy.linalg import sqrtm

from vae_lab.metrics.fid import FID, frechet

F = 6


def normals(n: int, seed: int, f: int = F) -> torch.Tensor:
    mixing = torch.randn(f, f, generator=gen(seed + 100), dtype=torch.float64)
    return torch.randn(n, f, generator=gen(seed), dtype=torch.float64) @ mixing + seed


def by_scipy(a: torch.Tensor, b: torch.Tensor) -> float:
    (mu1, cov1), (mu2, cov2) = ((x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    return float(((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * sqrtm(cov1 @ cov2).real))


@pytest.mark.parametrize(("n", "f"), [(500, 6), (400, 64)])
def test_it_is_the_formula_with_scipys_matrix_root(n, f):
    a, b = normals(n, 1, f), normals(n + 50, 2, f)
    assert frechet(a, b) == pytest.approx(by_scipy(a, b), rel=1e-4)


def test_equal_sets_are_at_distance_0():
    a = normals(500, 1)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_a_shift_costs_its_squared_length():
    a, shift = normals(500, 1), torch.tensor([3.0, 0, 0, 4, 0, 0], dtype=torch.float64)
    assert frechet(a + shift, a) == pytest.approx(25, rel=1e-6)


def test_a_scaling_by_s_costs_s_minus_1_squared_times_the_variance():
    a = normals(500, 1)
    a = a - a.mean(0)
    assert frechet(3 * a, a) == pytest.approx(4 * a.var(0).sum().item(), rel=1e-6)


def test_it_is_symmetric():
    a, b = normals(300, 1), normals(300, 2)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-8)


def test_single_precision_features_far_from_0_lose_nothing_more():
    a = normals(2000, 1)
    assert frechet((a + 1000).float(), (a + 1001).float()) == pytest.approx(F, rel=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad):
    a = normals(50, 1)
    broken = a.clone()
    broken[7, 3] = bad
    for pair in ((a, broken), (broken, a)):
        with pytest.raises(ValueError, match="not finite"):
            frechet(*pair)


def trained(n_test: int = 60, n_train: int = 60, width: int = F) -> FakeTrained:
    given = {name: (normals(100, i), torch.zeros(100, 3))
             for i, name in enumerate(("samples", "reconstructions", "pool", "test"), 1)}  # fmt: skip
    classifier = SimpleNamespace(num_features=width, name="fake", sha256="abc", test_accuracy=0.9)
    fake = FakeTrained(labelled(n_test), classifier=classifier, given_features=given)
    fake.data.pool = labelled(n_train)
    return fake


def test_samples_reconstructions_and_training_images_are_held_against_test_images():
    fake = trained()
    scores = FID(50)(fake)
    pairs = {"fid": "samples", "fid_reconstructions": "reconstructions", "fid_floor": "pool"}
    reference = fake.features("test", 50)[0]
    assert scores.values == {k: frechet(fake.features(source, 50)[0], reference) for k, source in pairs.items()}
    assert scores.protocol["fid"]["images"] == 50
    assert scores.protocol["fid"]["classifier_sha256"] == "abc"


@pytest.mark.parametrize(("n_test", "n_train", "n"), [(60, 60, 60), (40, 60, 40), (60, 30, 30)])
def test_as_many_images_are_compared_as_there_are(n_test, n_train, n):
    assert FID(10_000)(trained(n_test, n_train)).protocol["fid"]["images"] == n


@pytest.mark.parametrize("width", [60, 61])
def test_too_few_images_for_a_covariance_give_a_note_instead_of_a_number(width):
    scores = FID()(trained(width=width))
    assert scores.values == {}
    assert scores.notes == [f"No FID: 60 images are too few for a covariance of {width} features."]


def test_one_image_more_than_features_is_enough():
    assert "fid" in FID()(trained(width=59)).values


def test_without_labels_there_is_a_note_instead_of_a_number():
    scores = FID()(FakeTrained())
    assert scores.values == {}
    assert "no labels" in scores.notes[0]


def test_an_objective_without_a_prior_is_noted():
    from helpers import FakeTrained

    features = {name: (normals(40, 1), torch.zeros(40, 3)) for name in ("samples", "reconstructions", "pool", "test")}
    known = SimpleNamespace(num_features=F, name="fake", sha256="0" * 64, test_accuracy=1.0)
    trained = FakeTrained(labelled(40), classifier=known, given_features=features)
    assert FID()(trained).notes == []
    trained.objective = SimpleNamespace(variational=False)
    (note,) = FID()(trained).notes
    assert "no prior" in note
