from itertools import product

import pytest
import torch
from helpers import FakeExtractor, FakeTrained, gen, scored

from vae_lab.metrics import prdc as module
from vae_lab.metrics.prdc import PRDC, neighbourhoods, reach

NAMES = ("precision", "recall", "density", "coverage")


def normals(n: int, seed: int, scale: float = 1.0, shift: float = 0.0, f: int = 4) -> torch.Tensor:
    return scale * torch.randn(n, f, generator=gen(seed)) + shift


def of(real: torch.Tensor, generated: torch.Tensor, k: int = 5) -> dict[str, float]:
    return {name: per_image.mean().item() for name, per_image in neighbourhoods(real, generated, k).__dict__.items()}


def by_definition(real: torch.Tensor, generated: torch.Tensor, k: int) -> dict[str, float]:
    """Ball by ball."""

    def radius(points, i):
        return sorted((points[i] - other).norm().item() for j, other in enumerate(points) if j != i)[k - 1]

    real_balls = [radius(real, i) for i in range(len(real))]
    fake_balls = [radius(generated, i) for i in range(len(generated))]
    apart = {
        (i, j): (real[i] - generated[j]).norm().item() for i, j in product(range(len(real)), range(len(generated)))
    }
    inside = {pair: distance < real_balls[pair[0]] for pair, distance in apart.items()}
    n, m = len(real), len(generated)
    return {
        "precision": sum(any(inside[i, j] for i in range(n)) for j in range(m)) / m,
        "recall": sum(any(apart[i, j] < fake_balls[j] for j in range(m)) for i in range(n)) / n,
        "density": sum(inside.values()) / (k * m),
        "coverage": sum(any(inside[i, j] for j in range(m)) for i in range(n)) / n,
    }


@pytest.mark.parametrize(("n", "m", "k"), [(20, 20, 3), (25, 15, 1), (15, 30, 5)])
def test_they_are_the_definitions(n, m, k):
    real, generated = normals(n, 1), normals(m, 2, 0.9, 0.3)
    assert of(real, generated, k) == pytest.approx(by_definition(real, generated, k))


def test_blocks_do_not_change_them(monkeypatch):
    real, generated = normals(50, 1), normals(40, 2, 0.9, 0.3)
    whole = of(real, generated)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert of(real, generated) == whole


def test_the_reach_is_the_distance_to_the_kth_other_image():
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert reach(line, 1).tolist() == [1, 1, 2, 4]
    assert reach(line, 3).tolist() == [7, 6, 4, 7]


def test_the_same_images_are_precise_and_cover_everything():
    found = of(normals(300, 1), normals(300, 1))
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert found["density"] == pytest.approx(1)  # each ball holds the k − 1 nearest others and its own centre


def test_fresh_draws_have_a_density_of_about_1():
    found = of(normals(500, 1), normals(500, 2))
    assert found["density"] == pytest.approx(1, abs=0.1)
    assert found["coverage"] == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al. 2020, equation 11 for n = m


def test_images_far_from_all_real_ones_have_nothing():
    assert of(normals(100, 1), normals(100, 2, shift=100.0)) == dict.fromkeys(NAMES, 0)


def test_copies_of_one_image_are_precise_without_variety():
    real = normals(300, 1)
    found = of(real, real[:1] + 1e-3 * normals(300, 2))
    assert found["precision"] == 1
    assert found["recall"] < 0.02
    assert found["coverage"] < 0.1


def test_images_that_are_too_varied_lose_precision_and_keep_recall():
    found = of(normals(300, 1), normals(300, 2, scale=3.0))
    assert found["recall"] > 0.95
    assert found["precision"] < 0.6
    assert found["density"] < 0.4


def test_one_half_of_two_clusters_is_half_of_recall_and_coverage():
    real = torch.cat([normals(200, 1), normals(200, 2, shift=100.0)])
    found = of(real, normals(400, 3))
    assert found["precision"] > 0.95
    assert found["recall"] == pytest.approx(0.5, abs=0.03)
    assert found["coverage"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad):
    a = normals(20, 1)
    broken = a.clone()
    broken[7, 3] = bad
    for pair in ((a, broken), (broken, a)):
        with pytest.raises(ValueError, match="not finite"):
            neighbourhoods(*pair, 3)


def made(n: int = 60, extractor: FakeExtractor | None = None, far: float = 0.0) -> FakeTrained:
    sources = {"samples": normals(n, 1, 2), "pool": normals(n, 2), "test": normals(n, 3)}
    return scored(n, extractor, **{source: features + far for source, features in sources.items()})


def test_samples_and_training_images_are_held_against_test_images():
    fake = made()
    scores = PRDC(50, bootstrap=20)(fake)
    test = fake.features("test", 50)
    for suffix, source in (("", "samples"), ("_floor", "pool")):
        expected = of(test, fake.features(source, 50))
        assert {name: scores.values[f"{name}{suffix}"] for name in NAMES} == pytest.approx(expected)
    assert set(scores.values) == set(scores.meanings) == set(scores.intervals)
    protocol = scores.protocol["prdc"]
    assert (protocol["images"], protocol["neighbours"]) == (50, 5)
    assert "balls held fixed" in protocol["bootstrap"]


def test_shares_have_intervals_within_0_and_1():
    scores = PRDC(bootstrap=50)(made())
    for name, (low, high) in scores.intervals.items():
        assert 0 <= low <= scores.values[name] + 1e-9
        assert scores.values[name] - 1e-9 <= high
        assert high <= 1 or "density" in name


def test_features_far_from_0_give_the_same():
    assert PRDC(bootstrap=2)(made(far=1000.0)).values == pytest.approx(PRDC(bootstrap=2)(made()).values)


def test_the_suffix_of_the_features_stands_in_every_name():
    scores = PRDC(bootstrap=2)(made(extractor=FakeExtractor(suffix="_inception")))
    assert set(scores.values) == {f"{name}_inception{floor}" for name in NAMES for floor in ("", "_floor")}


@pytest.mark.parametrize(("n", "found"), [(5, False), (6, True)])
def test_an_image_needs_its_neighbours(n, found):
    scores = PRDC(bootstrap=2)(made(n))
    assert bool(scores.values) is found
    assert bool(scores.notes) is not found
    assert found or scores.notes == ["No precision or recall: 5 images are too few for 5 neighbours."]
