from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import FakeExtractor, FakeTrained, gen, labelled, scored
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from vae_lab.metrics import fid
from vae_lab.metrics.common.resampling import interval, resamples
from vae_lab.metrics.fid import FID, Reference, fid_infinity, frechet, resampled, split_floor

F = 6
SOURCES = ("samples", "reconstructions", "pool", "test")


def normals(n: int, seed: int, f: int = F) -> torch.Tensor:
    mixing = torch.randn(f, f, generator=gen(seed + 100), dtype=torch.float64)
    return torch.randn(n, f, generator=gen(seed), dtype=torch.float64) @ mixing + seed


def by_scipy(a: torch.Tensor, b: torch.Tensor) -> float:
    (mu1, cov1), (mu2, cov2) = ((x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    return float(((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * sqrtm(cov1 @ cov2).real))


class PassThrough(torch.nn.Module):
    """Features in the place of images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x):
        return x


def by_torchmetrics(a: torch.Tensor, b: torch.Tensor) -> float:
    distance = FrechetInceptionDistance(PassThrough(a.shape[1])).set_dtype(torch.float64)
    distance.update(b, real=True)
    distance.update(a, real=False)
    return distance.compute().item()


@pytest.mark.parametrize("reference", [by_scipy, by_torchmetrics])
@pytest.mark.parametrize(("n", "f"), [(500, 6), (400, 64)])
def test_it_is_the_number_that_other_software_gives(reference, n, f):
    a, b = normals(n, 1, f), normals(n + 50, 2, f)
    assert frechet(a, b) == pytest.approx(reference(a, b), rel=1e-4)


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


@pytest.mark.parametrize(("dtype", "rel"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_a_resample_is_the_set_with_images_repeated(dtype, rel):
    a, reference = normals(80, 1), Reference(normals(90, 2))
    (counts,) = resamples(80, 1, 0)
    repeated = a.repeat_interleave(counts.long(), dim=0)
    (found,) = reference.distances(a.to(dtype), [counts]).tolist()
    assert found == pytest.approx(reference.distance(repeated), rel=rel)
    for found, expected in zip(resampled(a.mean(0), a - a.mean(0), counts), (repeated.mean(0), repeated.T.cov())):
        torch.testing.assert_close(found, expected)


def test_intervals_hold_the_mean_of_fresh_draws_as_often_as_they_say():
    reference = Reference(torch.randn(200, 3, generator=gen()))

    def drawn(seed: int) -> torch.Tensor:
        return 0.5 + torch.randn(200, 3, generator=gen(seed))

    fresh = torch.tensor([reference.distance(drawn(1000 + seed)) for seed in range(300)])
    held_mean, held_fresh, draws = 0, 0.0, 60
    for seed in range(draws):
        x = drawn(seed)
        spread = reference.distances(x, resamples(200, 60, seed))
        low, high = interval(reference.distance(x), spread)
        held_mean += low <= fresh.mean() <= high
        held_fresh += ((low <= fresh) & (fresh <= high)).double().mean().item()
    assert 0.87 <= held_mean / draws <= 1
    assert held_fresh / draws == pytest.approx(0.83, abs=0.08)  # two draws differ by √2 σ: P(|N(0, 1)| < 1.96 / √2)


def test_at_infinity_the_bias_of_few_images_is_gone():
    reference = Reference(torch.randn(100_000, 8, generator=gen(99)))
    draws = [torch.randn(400, 8, generator=gen(seed)) for seed in range(20)]
    at_400 = np.mean([reference.distance(x) for x in draws])
    at_infinity = np.mean([fid_infinity(x, reference, 0) for x in draws])
    assert at_400 > 0.05
    assert abs(at_infinity) < at_400 / 5  # what remains is bent: terms of 1/n² in parts of few images


def test_at_infinity_it_spreads_as_the_fid_of_all_images_does():
    """Which is why both have intervals of one width: every size of the line sees all images."""
    reference = Reference(torch.randn(200, 3, generator=gen(99)))
    draws = [1 + torch.randn(200, 3, generator=gen(seed)) for seed in range(40)]
    spread = np.std([reference.distance(x) for x in draws])
    assert np.std([fid_infinity(x, reference, 0) for x in draws]) == pytest.approx(spread, rel=0.1)


def test_at_infinity_it_depends_on_the_seed_alone():
    x, reference = normals(300, 1), Reference(normals(300, 2))
    torch.manual_seed(1)
    first = fid_infinity(x, reference, 0)
    torch.manual_seed(2)
    assert fid_infinity(x, reference, 0) == first
    assert fid_infinity(x, reference, 1) != first


def test_two_sizes_of_twice_the_features_make_a_line():
    reference = Reference(normals(90, 2))
    assert np.isfinite(fid_infinity(normals(4 * F, 1), reference, 0))
    with pytest.raises(ValueError, match=f"a line needs {4 * F}"):
        fid_infinity(normals(4 * F - 1, 1), reference, 0)


def test_halves_tell_how_much_of_the_floor_is_sampling_error():
    """Two sets of n images of one source are as far apart as the halves say, and a shift is not in them."""
    test, *others = (torch.randn(400, F, generator=gen(seed)) for seed in range(21))
    apart = np.mean([frechet(other, test) for other in others])
    assert split_floor(test, 0) == pytest.approx(apart, rel=0.2)
    fake = scored(400, samples=test, reconstructions=test, pool=test + 2, test=test)
    values = FID(400, bootstrap=2)(fake).values
    assert values["fid_floor"] == pytest.approx(4 * F, rel=1e-4)
    assert values["fid_split_floor"] == split_floor(test, fake.seed) < 1


@pytest.mark.parametrize("n", [400, 401])
def test_the_halves_are_disjoint_and_half_of_their_distance_counts(n):
    x = torch.arange(n * 2, dtype=torch.float64).reshape(n, 2) % 7
    seen = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fid, "frechet", lambda a, b: seen.append((a, b)) or 8.0)
        assert split_floor(x, 0) == pytest.approx(4, rel=0.01)
    assert len(seen) == fid.SPLITS
    assert all(len(a) == len(b) == n // 2 for a, b in seen)


def trained(n: int = 60, extractor: FakeExtractor | None = None) -> FakeTrained:
    return scored(n, extractor, **{source: normals(100, i) for i, source in enumerate(SOURCES, 1)})


def test_samples_reconstructions_and_training_images_are_held_against_test_images():
    fake = trained()
    scores = FID(50, bootstrap=5)(fake)
    reference = fake.features("test", 50)
    for name, source in {"fid": "samples", "fid_reconstructions": "reconstructions", "fid_floor": "pool"}.items():
        assert scores.values[name] == frechet(fake.features(source, 50), reference)
    for name, source in {"fid_infinity": "samples", "fid_infinity_floor": "pool"}.items():
        assert scores.values[name] == fid_infinity(fake.features(source, 50), Reference(reference), fake.seed)
    assert scores.values["fid_split_floor"] == split_floor(reference, fake.seed)
    assert len(scores.values) == 6


def test_each_value_has_a_meaning_an_interval_and_a_protocol():
    scores = FID(50, bootstrap=20)(trained())
    assert set(scores.meanings) == set(scores.intervals) | {"fid_split_floor"} == set(scores.values)
    for name, (low, high) in scores.intervals.items():
        assert low < scores.values[name] < high
    protocol = scores.protocol["fid"]
    assert (protocol["images"], protocol["extractor_sha256"], protocol["seed"]) == (50, "abc", 0)
    assert "20 resamples" in protocol["bootstrap"]
    assert "1 to 10" in protocol["infinity"]
    assert FID(50, bootstrap=20)(trained()) == scores


def test_intervals_come_from_resamples_of_the_generated_images():
    fake = trained()
    scores, reference = FID(50, bootstrap=20)(fake), Reference(fake.features("test", 50))
    for name, source in (("fid", "samples"), ("fid_floor", "pool"), ("fid_reconstructions", "reconstructions")):
        x = fake.features(source, 50)
        spread = reference.distances(x, resamples(50, 20, fake.seed))
        assert scores.intervals[name] == pytest.approx(interval(scores.values[name], spread))


def test_the_suffix_of_the_features_stands_in_every_name():
    scores = FID(50, bootstrap=2)(trained(extractor=FakeExtractor(suffix="_inception")))
    assert set(scores.values) == {
        "fid_inception", "fid_inception_floor", "fid_infinity_inception", "fid_infinity_inception_floor",
        "fid_inception_split_floor", "fid_reconstructions_inception",
    }  # fmt: skip
    assert set(scores.protocol) == {"fid_inception"}


def test_given_images_have_no_reconstructions():
    fake = trained()
    given = SimpleNamespace(**{name: getattr(fake, name) for name in (
        "data", "extractor", "features", "progress", "seed", "sampler", "available", "known")})  # fmt: skip
    scores = FID(50, bootstrap=2)(given)
    assert set(scores.values) == {"fid", "fid_floor", "fid_infinity", "fid_infinity_floor", "fid_split_floor"}
    assert scores.notes == []


@pytest.mark.parametrize(
    ("n_test", "n_train", "available", "n"),
    [(60, 60, None, 60), (40, 60, None, 40), (60, 30, None, 30), (60, 60, 20, 20)],
)
def test_as_many_images_are_compared_as_there_are(n_test, n_train, available, n):
    fake = trained(n_test)
    fake.data.pool, fake.available = labelled(n_train), available
    assert FID(10_000, bootstrap=2)(fake).protocol["fid"]["images"] == n


@pytest.mark.parametrize("width", [60, 61])
def test_too_few_images_for_a_covariance_give_a_note_instead_of_a_number(width):
    scores = FID()(trained(extractor=FakeExtractor(width)))
    assert scores.values == {}
    assert scores.notes == [f"No FID: 60 images are too few for a covariance of {width} features."]


def test_one_image_more_than_features_is_enough():
    assert "fid" in FID(bootstrap=2)(trained(extractor=FakeExtractor(59))).values


@pytest.mark.parametrize(
    ("n", "notes"),
    [
        (4 * F - 1, [f"No fid_infinity: {4 * F - 1} images are too few to extrapolate; {4 * F} are needed."]),
        (4 * F, []),
    ],
)
def test_too_few_images_for_a_line_give_a_note_instead_of_a_number(n, notes):
    scores = FID(n, bootstrap=2)(trained())
    assert ("fid_infinity" in scores.values) is ("infinity" in scores.protocol["fid"]) is (not notes)
    assert ("fid_split_floor" in scores.values) is ("fid_split_floor" in scores.protocol["fid"]["floor"]) is (not notes)
    assert scores.notes == notes
    assert "fid" in scores.values


def test_an_objective_without_a_prior_is_noted():
    fake = trained()
    assert FID(bootstrap=2)(fake).notes == []
    fake.objective = SimpleNamespace(variational=False, matches_prior=False)
    (note,) = FID(bootstrap=2)(fake).notes
    assert "no prior" in note
