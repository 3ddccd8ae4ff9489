"""Tests of the anomaly scores on models whose right values are known."""

import math
from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, gen, labelled, small_model
from torch import nn

from vae_lab.functional import log_mean_exp
from vae_lab.likelihoods import Gaussian
from vae_lab.metrics.anomaly_scores.importance import ImportanceNLL
from vae_lab.metrics.anomaly_scores.input_complexity import InputComplexity, png_nats
from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.metrics.anomaly_scores.latent_path import LatentPath, path_of
from vae_lab.metrics.anomaly_scores.likelihood_regret import LikelihoodRegret
from vae_lab.metrics.anomaly_scores.terms import KL, NegativeELBO, Recon
from vae_lab.metrics.anomaly_scores.typicality import Typicality
from vae_lab.metrics.anomaly_scores.waic import WAIC
from vae_lab.noise import NoNoise, SeededNoise
from vae_lab.types import Latents, Normal


def judged(trained: FakeTrained, n: int = 12) -> Judged:
    return Judged.of_split(trained, "test", n, "test images")


def trained(**given) -> FakeTrained:
    made = FakeTrained(labelled(12), model=small_model().eval(), **given)
    made.reconstruct = lambda x, y=None: made.model.likelihood.mean(
        made.model.decode(made.model.infer(x, y, 1, NoNoise(made.noise("x"))).z, y)
    )[0]
    return made


def test_terms_add_up_to_the_negative_elbo():
    made, some = trained(), judged(trained())
    offset = made.model.likelihood.recon_offset(64)
    total = Recon()(made, some) + KL()(made, some) + offset
    torch.testing.assert_close(NegativeELBO()(made, some), total)


def test_typicality_is_the_distance_from_the_mean_of_training_images_in_both_directions():
    made = trained()
    score = Typicality(images=12)
    score.fit(made)
    losses = Judged.of_split(made, "train", 12, "typicality").terms(made, 4).anomaly
    assert score.about["training_mean_elbo"] == pytest.approx(-losses.mean().item())
    fixed = Judged.of_split(made, "test", 12, "typicality")  # the same images with the same draws
    torch.testing.assert_close(score(made, fixed), (losses - losses.mean()).abs())


def test_the_importance_weighted_bound_is_that_of_the_weights():
    made = trained()
    (x, _), *_ = judged(made).parts(made, 12, "")
    noise = made.noise("test images, importance")
    latents = made.model.infer(x, None, 8, noise, densities=True)
    log_px = made.model.likelihood.log_prob(made.model.decode(latents.z, None), x)
    right = -log_mean_exp(log_px.double() + latents.log_p.double() - latents.log_q.double())
    torch.testing.assert_close(ImportanceNLL(8)(made, judged(made)), right)


def test_the_path_has_the_error_and_both_norms():
    made = trained()
    (x, _), *_ = judged(made).parts(made, 12, "")
    q = made.model.infer(x, None, 1, made.noise("codes")).q[0]
    path = path_of(made, judged(made))
    assert path.shape == (12, 3)
    error = (x - made.reconstruct(x)).flatten(1).norm(dim=1)
    right = torch.stack([error, q.mu[0].norm(dim=1), (0.5 * q.log_var[0]).exp().norm(dim=1)], 1)
    torch.testing.assert_close(path, right.double())


def test_a_deterministic_model_has_a_path_without_deviations():
    made = trained()
    made.model.deterministic = True
    assert path_of(made, judged(made)).shape == (12, 2)
    score = LatentPath(images=12)
    score.fit(made)
    assert score(made, judged(made)).shape == (12,)


def test_waic_is_the_mean_loss_plus_its_variance_over_the_models():
    made = trained()
    other, third = trained(), trained()
    for by, one in enumerate((other, third), 1):
        for parameter in one.model.parameters():
            parameter.data += 0.1 * by * torch.randn(parameter.shape, generator=gen(by))
    ensemble = SimpleNamespace(ensemble=(made, other, third))
    some = judged(made)
    losses = torch.stack([some.terms(one, 4).anomaly for one in (made, other, third)])
    assert (losses[0] - losses[1]).abs().min() > 0
    torch.testing.assert_close(WAIC()(ensemble, some), losses.mean(0) + losses.var(0))


def test_complex_images_take_more_bytes_and_the_length_is_that_of_the_file():
    flat, noise = torch.full((1, 16, 16), 0.5), torch.rand(1, 16, 16, generator=gen())
    assert png_nats(noise) > png_nats(flat) + 8 * math.log(2) * 150  # 256 random bytes cannot be compressed
    assert png_nats(torch.rand(3, 16, 16, generator=gen())) > 8 * math.log(2) * 3 * 256
    made, some = trained(), judged(trained())
    lengths = torch.tensor([png_nats(x) for batch in some.batches() for x in batch], dtype=torch.float64)
    torch.testing.assert_close(InputComplexity()(made, some), NegativeELBO()(made, some) - lengths)


class Linear(nn.Module):
    """p(x|z) = N(x; A z, s² I) with orthogonal columns of A, so that the best diagonal posterior is the exact one.

    The encoder is wrong by a known amount: q(z|x) = N(μ* + 0.3, 4 σ*²).
    """

    conditional = deterministic = False
    standard_prior = True
    s = 0.5

    def __init__(self) -> None:
        super().__init__()
        q, _ = torch.linalg.qr(torch.randn(16, 2, generator=gen(1)))
        self.a = nn.Parameter(q * torch.tensor([1.5, 0.5]))
        self.likelihood = Plain(self.s)

    def exact(self, x):
        precision = 1 + self.a.square().sum(0) / self.s**2
        return x.flatten(1) @ self.a / self.s**2 / precision, (1 / precision).expand(len(x), 2)

    def infer(self, x, y, k, noise, densities=False):
        mu, variance = self.exact(x)
        q = Normal((mu + 0.3).unsqueeze(0), (4 * variance).log().unsqueeze(0))
        return Latents((q.mu + (0.5 * q.log_var).exp() * noise.normal(k, *mu.shape),), (), (q,))

    def decode(self, z, y):
        return (z[0] @ self.a.T).unflatten(-1, (1, 4, 4))


class Plain(Gaussian):
    """A Gaussian whose mean is the decoder's output itself, without a bound."""

    def mean(self, params):
        return params

    def squared_error(self, params, target):
        return (params - target).square().flatten(2).sum(2)


def regret(steps: int = 150, images: int = 12, at_once: int = 250, samples: int = 1500) -> torch.Tensor:
    made = FakeTrained(labelled(12, (1, 4, 4)), model=Linear())
    return LikelihoodRegret(steps, 0.05, samples, at_once)(made, judged(made, images))


def test_the_regret_of_a_linear_model_is_the_divergence_from_the_exact_posterior():
    made = FakeTrained(labelled(12, (1, 4, 4)), model=Linear())
    _, variance = made.model.exact(torch.zeros(1, 1, 4, 4))
    # KL[N(μ* + 0.3, 4 σ*²) ‖ N(μ*, σ*²)] per dimension
    right = 0.5 * (4 + 0.09 / variance - 1 - math.log(4)).sum().item()
    found = regret()
    assert found.mean().item() == pytest.approx(right, rel=0.06)
    assert found.tolist() == pytest.approx([right] * 12, rel=0.15)


def test_no_gradient_reaches_the_weights_and_nothing_is_changed():
    made = FakeTrained(labelled(12), model=small_model().eval())
    before = [p.clone() for p in made.model.parameters()]
    with torch.inference_mode():  # as metrics are called
        LikelihoodRegret(3)(made, judged(made))
    assert all(p.grad is None and torch.equal(p, q) for p, q in zip(made.model.parameters(), before))


def test_images_are_optimised_each_for_itself():
    made = FakeTrained(labelled(12, (1, 4, 4)), model=Linear())
    made.noise = lambda purpose: NoNoise(SeededNoise("cpu", 0))  # otherwise the draws depend on the batch
    together, alone = (LikelihoodRegret(20, 0.05, 1, size)(made, judged(made)) for size in (12, 1))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_more_steps_find_a_better_posterior():
    assert (regret(60) > regret(5)).all()
