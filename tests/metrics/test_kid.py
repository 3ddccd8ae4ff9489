import numpy as np
import pytest
import torch
from helpers import FakeExtractor, FakeTrained, gen, labelled, scored
from torch_fidelity.metric_kid import kernel_mmd
from torchmetrics.image.kid import KernelInceptionDistance

from vae_lab.metrics import kid as module
from vae_lab.metrics.common.resampling import resamples
from vae_lab.metrics.kid import KID, kid

F = 6


def normals(n: int, seed: int, shift: float = 0.0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, F, generator=gen(seed), dtype=torch.float64).to(dtype) + shift


class PassThrough(torch.nn.Module):
    """Features in the place of images."""

    num_features = F

    def forward(self, x):
        return x


def by_torchmetrics(a: torch.Tensor, b: torch.Tensor) -> float:
    distance = KernelInceptionDistance(PassThrough(), subsets=1, subset_size=len(a))
    distance.update(b, real=True)
    distance.update(a, real=False)
    return distance.compute()[0].item()


def by_torch_fidelity(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(kernel_mmd(a.numpy(), b.numpy()))


def by_definition(a: torch.Tensor, b: torch.Tensor) -> float:
    """Pair by pair."""

    def k(x, y):
        return (float(x @ y) / F + 1) ** 3

    own = [np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (a, b)]
    return own[0] + own[1] - 2 * np.mean([k(x, y) for x in a for y in b])


@pytest.mark.filterwarnings("ignore:Metric `Kernel")
@pytest.mark.parametrize("reference", [by_torchmetrics, by_torch_fidelity])
def test_it_equals_the_value_of_other_software_for_one_subset_of_all_images(reference):
    a, b = normals(300, 1, 0.5, torch.float64), normals(300, 2, dtype=torch.float64)
    assert kid(a, b)[0].item() == pytest.approx(reference(a, b), rel=1e-6)


def test_it_is_the_formula_for_sets_of_different_size():
    a, b = normals(12, 1, 0.5, torch.float64), normals(9, 2, dtype=torch.float64)
    assert kid(a, b)[0].item() == pytest.approx(by_definition(a, b))


def test_blocks_do_not_change_it(monkeypatch):
    a, b = normals(50, 1, 0.5, torch.float64), normals(40, 2, dtype=torch.float64)
    counts = resamples(50, 4, 0)
    whole = kid(a, b, counts)
    monkeypatch.setattr(module, "BLOCK", 7)
    torch.testing.assert_close(kid(a, b, counts), whole)


def test_single_precision_features_lose_nothing_that_matters():
    a, b = normals(400, 1, 3.1), normals(400, 2, 3)
    assert kid(a, b)[0].item() == pytest.approx(kid(a.double(), b.double())[0].item(), rel=1e-3)


def test_it_is_unbiased_however_few_the_images():
    found = torch.stack([kid(normals(5, seed), normals(5, 5000 + seed))[0] for seed in range(1000)])
    assert abs(found.mean().item()) < 3 * found.std().item() / 1000**0.5
    assert (found < 0).double().mean() > 0.2


def test_a_resample_is_the_set_with_images_repeated_but_never_paired_with_themselves():
    a, b = normals(8, 1, 0.5, torch.float64), normals(9, 2, dtype=torch.float64)
    (counts,) = resamples(8, 1, 3)
    assert counts.max() > 1
    kernel = (a @ a.T / F + 1) ** 3
    drawn = [i for i, count in enumerate(counts.long().tolist()) for _ in range(count)]
    own = np.mean([kernel[i, j].item() for i in drawn for j in drawn if i != j])
    rest = by_definition(a, b) - np.mean([kernel[i, j].item() for i in range(8) for j in range(8) if i != j])
    crossed = ((a @ b.T / F + 1) ** 3).mean(1)
    rest += 2 * crossed.mean().item() - 2 * crossed[drawn].mean().item()
    assert kid(a, b, counts.unsqueeze(0))[1].item() == pytest.approx(own + rest)


def test_resamples_are_unbiased_and_spread_as_fresh_draws_do():
    b = normals(300, 99)
    fresh = torch.stack([kid(normals(200, seed, 0.5), b)[0] for seed in range(100)])
    spreads, offsets = [], []
    for seed in range(10):
        values = kid(normals(200, seed, 0.5), b, resamples(200, 100, seed))
        spreads.append(values[1:].std().item())
        offsets.append((values[1:].mean() - values[0]).item())
    assert np.mean(spreads) == pytest.approx(fresh.std().item(), rel=0.2)
    assert abs(np.mean(offsets)) < 0.1 * fresh.std().item()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad):
    a = normals(20, 1)
    broken = a.clone()
    broken[7, 3] = bad
    for pair in ((a, broken), (broken, a)):
        with pytest.raises(ValueError, match="not finite"):
            kid(*pair)


def test_samples_and_training_images_are_held_against_test_images():
    features = {"samples": normals(60, 1, 1), "pool": normals(60, 2), "test": normals(60, 3)}
    scores = KID(50, bootstrap=20)(scored(60, **features))
    for name, source in (("kid", "samples"), ("kid_floor", "pool")):
        assert scores.values[name] == pytest.approx(
            kid(features[source][:50], features["test"][:50])[0].item(), rel=1e-6
        )
        low, high = scores.intervals[name]
        assert low < scores.values[name] < high
    assert set(scores.meanings) == set(scores.values)
    assert scores.protocol["kid"]["images"] == 50
    assert scores.protocol["kid"]["kernel"] == "(x·y/d + 1)³, all pairs"


def test_an_unbiased_estimate_may_lie_below_0():
    same = normals(60, 1)
    scores = KID(bootstrap=20)(scored(60, samples=same, pool=same, test=same))
    assert scores.values["kid"] < 0
    assert scores.intervals["kid"][0] < scores.values["kid"]


def test_the_suffix_of_the_features_stands_in_every_name():
    features = {source: normals(60, 1) for source in ("samples", "pool", "test")}
    scores = KID(bootstrap=2)(scored(60, FakeExtractor(suffix="_inception"), **features))
    assert set(scores.values) == {"kid_inception", "kid_inception_floor"}


def test_without_pairs_there_is_a_note():
    one = KID()(FakeTrained(labelled(1), classifier=FakeExtractor()))
    assert (one.values, one.notes) == ({}, ["No kid: it compares pairs of images and needs at least 2, not 1."])
