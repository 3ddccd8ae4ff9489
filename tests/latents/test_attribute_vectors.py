import numpy as np
import pytest
import torch
from scipy import optimize
from worlds import DIRECTIONS, NAMES, codes_of, correlated

from vae_lab.errors import UserError
from vae_lab.latents.attribute_vectors import (
    attributes_of,
    best_threshold,
    mean_difference,
    svm_vector,
    synthetic_vector,
)


def test_the_raw_vector_leaks_by_the_difference_of_frequencies_and_the_corrected_one_does_not():
    present = correlated(2000, 0.5)
    codes = codes_of(present, noise=0.0)
    for found in attributes_of(codes, present, NAMES):
        own = present[:, found.index]
        differences = present[own].double().mean(0) - present[~own].double().mean(0)  # 1 for itself
        torch.testing.assert_close(found.raw.vector, differences.float() @ DIRECTIONS, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.corrected.vector, DIRECTIONS[found.index], atol=1e-4, rtol=0)
        assert set(found.balanced) == set(NAMES) - {found.name}
        assert found.left_out == {}
    raw = mean_difference(codes, present[:, 0])
    assert raw[1].item() == pytest.approx(0.5 * 2.0, abs=0.1)  # half a hat at a correlation of ½


def test_noise_averages_out():
    present = correlated(20_000, 0.5)
    found = attributes_of(codes_of(present), present, NAMES)[0]
    torch.testing.assert_close(found.corrected.vector, DIRECTIONS[0], atol=0.03, rtol=0)


def test_held_out_accuracy_is_that_of_two_gaussians():
    """Codes on both sides of the threshold at d/2σ = 1.5 are right with probability Φ(1.5)."""
    present = correlated(40_000, 0.0)
    codes = codes_of(present, noise=1.0)
    found = attributes_of(codes[:20_000], present[:20_000], NAMES)[0].corrected
    right = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(1.5)).item()
    assert found.accuracy(codes[20_000:], present[20_000:, 0]) == pytest.approx(right, abs=0.01)
    assert found.train_accuracy == pytest.approx(right, abs=0.01)
    assert found.threshold == pytest.approx(3.0 * (1.0 + 1.5), abs=0.3)  # half way from 1 to 4, times |v|


def test_the_threshold_is_the_best_of_all():
    draws = torch.Generator().manual_seed(0)
    scores, present = torch.randn(60, generator=draws).round(decimals=1), torch.rand(60, generator=draws) < 0.3
    threshold, accuracy = best_threshold(scores, present)
    tried = [((scores > t) == present).double().mean().item() for t in torch.linspace(-5, 5, 2001)]
    assert accuracy == pytest.approx(max(tried))
    assert ((scores > threshold) == present).double().mean().item() == pytest.approx(accuracy)


@pytest.mark.parametrize("present", [True, False])
def test_a_threshold_beyond_all_scores_is_possible(present):
    threshold, accuracy = best_threshold(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([present, present, not present]))
    assert accuracy == pytest.approx(2 / 3)
    assert threshold == (0.5 if present else 1.5)


def independent_svm(codes: torch.Tensor, present: torch.Tensor, costs: np.ndarray) -> np.ndarray:
    """The unit normal of the squared hinge loss by a general optimiser."""
    z = codes.double().numpy() - codes.double().numpy().mean(0)
    z, y = z / np.sqrt((z**2).mean()), np.where(present.numpy(), 1.0, -1.0)
    padded = np.c_[z, np.ones(len(z))]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        slack = np.maximum(0, 1 - y * (padded @ w))
        return 0.5 * w @ w + (costs * slack**2).sum(), w - 2 * padded.T @ (costs * y * slack)

    w = optimize.minimize(loss, np.zeros(padded.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-8}).x[:-1]
    return w / np.linalg.norm(w)


def test_the_svm_normal_is_that_of_a_general_optimiser():
    present = correlated(300, 0.5)
    present[:60, 0] = False  # the sides differ in size
    codes, own = codes_of(present, noise=1.0), present[:, 0]
    vector = svm_vector(codes, own)
    costs = np.where(own.numpy(), 150 / own.sum().item(), 150 / (~own).sum().item())
    right = independent_svm(codes, own, costs) * mean_difference(codes, own).norm().item()
    np.testing.assert_allclose(vector.numpy(), right, rtol=1e-3, atol=1e-3)


def test_the_svm_does_not_depend_on_the_unit_of_codes_and_leaks_less_than_the_means():
    present = correlated(2000, 0.5)
    codes, own = codes_of(present, noise=0.5), present[:, 0]
    vector = svm_vector(codes, own)
    torch.testing.assert_close(svm_vector(1000 * codes, own), 1000 * vector, rtol=1e-3, atol=1)
    raw = mean_difference(codes, own)
    assert vector.norm().item() == pytest.approx(raw.norm().item(), rel=1e-5)
    assert abs(vector[1] / vector[0]) < 0.5 * abs(raw[1] / raw[0])


def test_a_synthetic_vector_is_the_mean_change():
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(synthetic_vector(codes + torch.tensor([1.0, 0, 2]), codes), torch.tensor([1.0, 0, 2]))


def test_attributes_that_never_vary_have_no_vector():
    present = correlated(100, 0.0)
    present[:, 1] = True
    found = attributes_of(codes_of(present), present, NAMES)
    assert [one.name for one in found] == ["glasses", "smile"]
    assert found[0].left_out == {"hat": 0}


def test_named_attributes_are_balanced_or_refused():
    present = correlated(400, 0.5)
    found = attributes_of(codes_of(present), present, NAMES, balance=["hat"], chosen=["glasses"])
    assert [(one.name, one.balanced) for one in found] == [("glasses", ("hat",))]
    with pytest.raises(UserError, match=r"balance=\[hat\]: there are 0 training examples .*; leave one of these"):
        attributes_of(codes_of(present), correlated(40, 1.0), NAMES, balance=["hat"], chosen=["glasses"])
    with pytest.raises(UserError, match=r"'glases' .did you mean 'glasses'.*glasses, hat, smile"):
        attributes_of(codes_of(present), present, NAMES, balance=["glases"])
    many = [f"a{i}" for i in range(13)]
    with pytest.raises(UserError, match=r"at most 12 attributes can be balanced.*13 are named"):
        attributes_of(torch.zeros(4, 1), torch.zeros(4, 13).bool(), many, balance=many)


def test_a_single_attribute_has_nothing_to_balance():
    present = correlated(100, 0.0)[:, :1]
    assert attributes_of(codes_of(correlated(100, 0.0)), present, NAMES[:1])[0].corrected is None
