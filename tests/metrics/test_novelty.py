import numpy as np
import pytest
import torch
from helpers import FakeExtractor, gen, scored

from vae_lab.metrics import novelty as module
from vae_lab.metrics.novelty import Novelty, closer, nearest

N = 400


def normals(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 6, generator=gen(seed)) + shift


def found(samples: torch.Tensor, extractor: FakeExtractor | None = None, n: int = N, train=None, test=None, **more):
    given = {
        "samples": samples,
        "train": normals(n, 1) if train is None else train,
        "test": normals(n, 2) if test is None else test,
    }
    return Novelty(**{"bootstrap": 50, **more})(scored(n, extractor, **given))


def test_copies_are_all_nearer_than_test_images():
    scores = found(normals(N, 1)[torch.randperm(N, generator=gen())])
    assert scores.values == {"novelty_closer": 1, "near_copies": 1}


@pytest.mark.parametrize("n", [60, 150])
def test_fresh_draws_are_as_new_as_test_images_however_few_there_are(n):
    """The 1 % of near copies cannot be had of fewer than 99 test images: the nearest of n is passed by 1/(n + 1)."""
    scores = [
        found(normals(n, 3 * s), n=n, train=normals(n, 3 * s + 1), test=normals(n, 3 * s + 2), bootstrap=1).values
        for s in range(1, 150)
    ]
    assert np.mean([values["novelty_closer"] for values in scores]) == pytest.approx(0.5, abs=0.015)
    assert np.mean([values["near_copies"] for values in scores]) == pytest.approx(max(0.01, 1 / (n + 1)), abs=0.0035)


def test_images_unlike_anything_are_0():
    assert found(normals(N, 3, 50.0)).values == {"novelty_closer": 0, "near_copies": 0}


def test_half_copies_show_in_the_share_of_near_copies():
    samples = torch.cat([normals(N // 2, 3), normals(N, 1)[N // 2 :]])
    assert found(samples).values["near_copies"] == pytest.approx(0.505, abs=0.015)


def test_test_images_that_are_copies_themselves_count_half():
    scores = found(normals(N, 1), test=normals(N, 1))
    assert scores.values["novelty_closer"] == 0.5
    assert all(np.isfinite(row).all() for row in scores.arrays.values())


def test_each_distance_is_compared_with_all_of_the_test_images():
    assert closer(torch.tensor([0.0, 2.0, 2.5, 9.0]), torch.tensor([3.0, 1.0, 2.0, 4.0])).tolist() == [1, 0.625, 0.5, 0]


def test_the_nearest_is_the_nearest():
    images, train = normals(50, 1), normals(70, 2)
    apart = (images.unsqueeze(1) - train.unsqueeze(0)).norm(dim=2)
    distance, place = nearest(images, train)
    torch.testing.assert_close(distance, apart.min(1).values)
    assert torch.equal(place, apart.argmin(1))


def test_blocks_do_not_change_the_nearest(monkeypatch):
    images, train = normals(50, 1), normals(70, 2)
    whole = nearest(images, train)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert all(torch.equal(a, b) for a, b in zip(nearest(images, train), whole))


def test_a_copy_far_from_0_is_at_distance_0():
    train = normals(500, 1, 300.0)
    distance, place = nearest(train.flip(0), train)
    assert distance.max() == 0
    assert torch.equal(place, torch.arange(500).flip(0))


def test_features_that_are_not_finite_are_refused():
    broken = normals(20, 1)
    broken[7, 3] = float("nan")
    for pair in ((broken, normals(20, 2)), (normals(20, 2), broken)):
        with pytest.raises(ValueError, match="not finite"):
            nearest(*pair)


def test_the_closest_pairs_come_first_with_their_distance():
    samples = normals(N, 3)
    samples[17], samples[5] = normals(N, 1)[33], normals(N, 1)[44] + 1e-3
    scores = found(samples, shown=3)
    pairs = scores.arrays["nearest_training_images"]
    assert [pair[:2] for pair in pairs[:2]] == [[17, 33], [5, 44]]
    assert pairs[0][2] == 0
    unit = nearest(normals(N, 2), normals(N, 1))[0].median().item()
    assert pairs[1][2] == pytest.approx(1e-3 * 6**0.5 / unit, rel=1e-2)
    assert [pair[2] for pair in pairs] == sorted(pair[2] for pair in pairs)
    assert len(pairs) == 3


def test_both_kinds_of_distance_are_given_in_units_of_the_median():
    scores = found(normals(N, 3))
    generated, test = (scores.arrays[f"nearest_distances_{kind}"] for kind in ("generated", "test"))
    assert len(generated) == len(test) == 101
    assert test[50] == pytest.approx(1, rel=0.01)
    assert generated == sorted(generated)
    assert generated[0] == pytest.approx(scores.arrays["nearest_training_images"][0][2])


def test_values_have_a_meaning_an_interval_and_a_protocol():
    scores = found(normals(N, 3), train_images=300)
    assert set(scores.values) == set(scores.meanings) == set(scores.intervals)
    for name, (low, high) in scores.intervals.items():
        assert 0 <= low <= scores.values[name] <= high <= 1
    protocol = scores.protocol["novelty"]
    assert (protocol["images"], protocol["train_images"]) == (N, 300)
    assert "½" in protocol["floor"]


def test_the_suffix_of_the_features_stands_in_every_name():
    scores = found(normals(N, 3), FakeExtractor(suffix="_inception"))
    assert set(scores.values) == {"novelty_closer_inception", "near_copies_inception"}
    assert set(scores.protocol) == {"novelty_inception"}
    kinds = ("training_images", "distances_generated", "distances_test")
    assert set(scores.arrays) == {f"nearest_{kind}_inception" for kind in kinds}
