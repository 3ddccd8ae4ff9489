from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained

from vae_lab.functional import kl_normal
from vae_lab.metrics.latent_use import LatentUse, collapse_notes
from vae_lab.types import Normal

SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0])  # variance 4/3 about their mean 0


def scores(scales, log_var: float = 0.0, offset: float = 0.0, variational: bool = True, **options):
    mu = SIGNS.unsqueeze(1) * torch.tensor(scales) + offset
    q = Normal(mu, torch.full_like(mu, log_var))
    return LatentUse(**options)(FakeTrained(posterior=q, objective=SimpleNamespace(variational=variational))), q


def test_the_variance_of_the_mean_is_that_over_images():
    found, _ = scores([0.0, 1.0, 3.0])
    assert found.arrays["mean_variance_per_dim"] == pytest.approx([0, 4 / 3, 12])


def test_units_above_the_threshold_are_active():
    just_below, just_above = (0.0099 * 3 / 4) ** 0.5, (0.0101 * 3 / 4) ** 0.5
    assert scores([1.0, just_above, just_below, 0.0])[0].values == {"active_units": 2}
    assert scores([1.0, just_above, just_below, 0.0], threshold=0.5)[0].values == {"active_units": 1}


def test_a_constant_offset_makes_no_unit_active():
    found, _ = scores([0.0, 0.0], offset=5.0)
    assert found.values == {"active_units": 0}


def test_kl_per_dimension_is_the_mean_over_images():
    found, q = scores([0.0, 1.0, 3.0], log_var=-2.0)
    assert found.arrays["kl_per_dim"] == pytest.approx(kl_normal(q.mu, q.log_var).mean(0).tolist())
    assert found.arrays["kl_per_dim"][1] == pytest.approx(0.5 * (1 + 2.718281828**-2 - 1 + 2))


def test_a_posterior_at_the_prior_is_called_collapsed():
    found, _ = scores([0.0, 0.0])
    assert "The posterior collapsed (see kl and active_units)" in found.notes[0]
    assert "beta" in found.notes[0]


def test_a_kl_without_an_active_unit_is_collapsed_too():
    assert scores([0.0, 0.0], offset=3.0)[0].notes


def test_little_kl_is_collapsed_even_with_an_active_unit():
    found, _ = scores([0.2, 0.0])
    assert found.values == {"active_units": 1}
    assert "collapsed" in found.notes[0]
    assert scores([0.2, 0.0], collapsed_kl=0.01)[0].notes == []


def test_a_used_latent_space_has_no_note():
    assert scores([1.0, 1.0])[0].notes == []


def test_an_autoencoder_has_units_and_no_kl():
    found, _ = scores([1.0, 0.0], variational=False)
    assert found.values == {"active_units": 1}
    assert "kl_per_dim" not in found.arrays
    assert found.notes == []


class _OneKL(FakeTrained):
    """A posterior or a prior that has one KL for all dimensions together."""

    def kl(self, split="test", n=None):
        return torch.full((len(self.posterior.mu), 1), 0.02)


def test_a_sampled_kl_is_the_models_own_and_not_by_dimension():
    mu = SIGNS.unsqueeze(1) * torch.tensor([3.0, 0.0])  # far from N(0, I), and on this prior
    found = LatentUse()(_OneKL(posterior=Normal(mu, torch.zeros_like(mu))))
    assert "kl_per_dim" not in found.arrays
    assert found.values == {"active_units": 1}
    assert "one KL for all dimensions" in found.notes[0]
    assert "The posterior collapsed (see kl and active_units)" in found.notes[1]


def test_the_advice_on_a_collapse_is_one_sentence_for_all_runs_of_a_sweep():
    fixed, learned = collapse_notes(fits_sigma=False), collapse_notes(fits_sigma=True)
    assert fixed[:1] == learned
    assert learned[0].endswith("Try a lower beta (beta=0.5), a warm-up (beta_schedule=linear) or more epochs.")
    assert "likelihood=sigma" in fixed[1]
    one, many = (scores([0.0] * units)[0].notes for units in (1, 16))
    assert one == many
