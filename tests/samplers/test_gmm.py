import math

import numpy as np
import pytest
import torch
from helpers import gen

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.samplers.gmm import GMM, factorised

WEIGHTS = torch.tensor([0.5, 0.3, 0.2])
MEANS = torch.tensor([[-4.0, 0.0], [3.0, 3.0], [4.0, -40.0]])
FACTORS = torch.tensor([[[1.0, 0.0], [0.8, 0.5]], [[0.5, 0.0], [-0.3, 1.0]], [[2.0, 0.0], [1.0, 3.0]]])
NOISE = SeededNoise("cpu", 0)


def silent(steps, _):
    return steps


def mixture(n: int = 6000) -> torch.Tensor:
    """Draws of three correlated Gaussians, in float32 as codes are."""
    which = torch.multinomial(WEIGHTS, n, replacement=True, generator=gen())
    eps = torch.randn(n, 2, 1, generator=gen(1))
    return MEANS[which] + (FACTORS[which] @ eps).squeeze(-1)


def fitted(codes: torch.Tensor, *args, seed: int = 0, **numbers) -> GMM:
    sampler = GMM(*args, **numbers)
    sampler.fit(codes, SeededNoise("cpu", seed), silent)
    return sampler


def test_a_known_mixture_is_recovered():
    sampler = fitted(mixture(), 3)
    means = sampler.restore(sampler.means)
    order = [(means - mean).norm(dim=1).argmin().item() for mean in MEANS]
    assert sorted(order) == [0, 1, 2]
    torch.testing.assert_close(means[order], MEANS, atol=0.3, rtol=0)
    torch.testing.assert_close(sampler.weights[order].float(), WEIGHTS, atol=0.03, rtol=0)
    factors = sampler.scale.unsqueeze(1) * sampler.factors[order]
    torch.testing.assert_close((factors @ factors.mT).float(), FACTORS @ FACTORS.mT, atol=0.6, rtol=0.1)


def test_samples_have_the_mean_and_covariance_of_the_codes():
    codes = mixture()
    drawn = fitted(codes, 3).sample(20_000, NOISE)
    assert drawn.shape == (20_000, 2)
    assert drawn.dtype == torch.float32
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.4, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), atol=0.5, rtol=0.05)


def test_bic_chooses_the_number_of_components_there_are():
    sampler = fitted(mixture(), [1, 2, 3, 5, 8])
    assert len(sampler.weights) == sampler.about["components"] == 3
    assert list(sampler.about["bic"]) == ["1", "2", "3", "5", "8"]
    assert min(sampler.about["bic"], key=sampler.about["bic"].get) == "3"
    assert sampler.label == "a mixture of 3 Gaussians"


def test_bic_is_that_of_the_density():
    codes = mixture()
    sampler = fitted(codes, 3)
    x = ((codes - sampler.shift) / sampler.scale).float()
    numbers = 3 * (2 + 3) + 2
    expected = numbers * math.log(len(codes)) - 2 * sampler.density()(x).double().sum().item()
    assert sampler.about["bic"]["3"] == pytest.approx(expected, rel=1e-4)


def test_the_density_is_the_mixtures():
    codes = mixture(500)
    sampler = fitted(codes, 2)
    x = ((codes - sampler.shift) / sampler.scale)[:20]
    parts = torch.distributions.MultivariateNormal(sampler.means, scale_tril=sampler.factors)
    known = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(sampler.weights), parts)
    torch.testing.assert_close(sampler.density()(x.float()), known.log_prob(x).float(), atol=1e-4, rtol=1e-4)


def test_log_p_is_of_codes_in_their_own_scale():
    codes = 1000 * torch.randn(5000, 3, generator=gen())
    entropy = 3 * (0.5 * math.log(2 * math.pi * math.e) + math.log(1000))
    assert fitted(codes, 1).about["log_p"] == pytest.approx(-entropy, abs=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_nearly_singular_codes_are_sampled_as_they_lie(scale):
    """The codes lie on a line in three dimensions with a deviation of 1e-5; the fourth dimension is constant."""
    along = torch.randn(4000, 1, generator=gen(), dtype=torch.float64)
    beside = 1e-5 * torch.randn(4000, 3, generator=gen(1), dtype=torch.float64)
    codes = torch.cat([along * torch.tensor([1.0, 2.0, -1.0]) + beside, torch.full((4000, 1), 7.0)], 1).float() * scale
    sampler = fitted(codes, 4)
    assert (torch.linalg.eigvalsh(sampler.factors @ sampler.factors.mT) > 0).all()
    drawn = sampler.sample(4000, NOISE) / scale
    assert drawn.isfinite().all()
    assert (drawn[:, 1] - 2 * drawn[:, 0]).abs().max() < 0.05
    torch.testing.assert_close(drawn[:, 3], torch.full((4000,), 7.0), atol=1e-3, rtol=0)
    assert drawn[:, 0].std().item() == pytest.approx(1.0, abs=0.1)


def test_codes_that_are_all_the_same_are_sampled_as_they_are():
    codes = torch.tensor([[1.0, -2.0]]).expand(100, 2)
    drawn = fitted(codes, 3).sample(50, NOISE)
    torch.testing.assert_close(drawn, codes[:50], atol=1e-4, rtol=0)


def test_a_singular_covariance_is_refused_in_one_line():
    codes = torch.randn(500, 1, generator=gen()).expand(500, 3)
    with pytest.raises(UserError, match=r"sampler=gmm: a component's covariance is singular; type sampler.reg_covar="):
        fitted(codes, 2, reg_covar=0.0)


def test_an_indefinite_covariance_is_never_factorised():
    with pytest.raises(UserError, match="singular"):
        factorised(torch.tensor([[[1.0, 2.0], [2.0, 1.0]]]))


def test_there_are_never_more_components_than_codes_can_fill():
    sampler = fitted(torch.randn(14, 16, generator=gen()), 10)
    assert len(sampler.weights) == sampler.about["components"] == 1
    assert len(fitted(torch.randn(14, 2, generator=gen()), 10).weights) == 4


def test_more_starts_are_at_least_as_likely():
    codes = mixture(500)
    assert fitted(codes, 5, starts=4).about["log_p"] >= fitted(codes, 5).about["log_p"]


def test_em_is_cut_at_its_steps_and_continues_where_it_was():
    codes = mixture(500)
    short, long = fitted(codes, 5, steps=7, tol=1e-9), fitted(codes, 5, steps=60, tol=1e-9)
    assert (short.about["em_steps"], short.about["converged"]) == (7, False)
    assert long.about["em_steps"] > 7
    assert long.about["log_p"] > short.about["log_p"]


def test_em_in_pieces_is_em():
    from sklearn.mixture import GaussianMixture

    codes = mixture(800)
    sampler = fitted(codes, 3)
    x = ((codes - sampler.shift) / sampler.scale).numpy()
    whole = GaussianMixture(3, random_state=int(SeededNoise("cpu", 0).uniform(1).item() * 2**24)).fit(x)
    np.testing.assert_allclose(np.sort(whole.weights_), sampler.weights.sort().values, atol=0.01)
    assert whole.n_iter_ == sampler.about["em_steps"]
