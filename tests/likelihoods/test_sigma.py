import math

import pytest
import torch
from helpers import gen, random_batch, small_model, step
from params import SHAPE, VALUES, normal_log_prob, pair

from vae_lab.likelihoods import Gaussian, Sigma, SigmaPerPixel
from vae_lab.likelihoods.sigma import running_mean
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.beta_tcvae import BetaTCVAE
from vae_lab.objectives.dip_vae import DIPVAE
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.factor_vae import FactorVAE
from vae_lab.objectives.info_vae import InfoVAE
from vae_lab.objectives.iwae import IWAE
from vae_lab.objectives.rae import RAE
from vae_lab.schedules import Constant


def batch_mse(params, target) -> torch.Tensor:
    return (target - torch.sigmoid(params)).square().mean()


def test_sigma_in_training_is_at_its_optimum():
    params, target = pair()
    expected = VALUES / 2 * (math.log(2 * math.pi * batch_mse(params, target).item()) + 1)
    assert -Sigma().log_prob(params, target).mean().item() == pytest.approx(expected, rel=1e-5)


def test_no_other_sigma_gives_a_training_batch_a_higher_likelihood():
    params, target = pair()
    best = Sigma().log_prob(params, target).mean()
    optimum = batch_mse(params, target).sqrt().item()
    others = [Gaussian(optimum * f).log_prob(params, target).mean() for f in (0.8, 0.98, 1.02, 1.25)]
    assert all(other < best for other in others)


def test_the_gradient_of_sigma_is_that_of_a_gaussian_of_the_same_sigma():
    params, target = pair()
    grads = []
    for likelihood in (Sigma(), Gaussian(batch_mse(params, target).sqrt().item())):
        leaf = params.clone().requires_grad_()
        likelihood.log_prob(leaf, target).mean().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_sigma_in_scoring_is_a_gaussian_of_the_running_sigma():
    params, target = pair()
    likelihood = Sigma().eval()
    likelihood.mse = torch.tensor(0.04)
    torch.testing.assert_close(likelihood.log_prob(params, target), normal_log_prob(params, target, 0.2))


def test_sigma_in_scoring_is_never_refitted():
    params, target = pair()
    likelihood = Sigma().eval()
    before = likelihood.log_prob(params, target)
    likelihood.log_prob(params + 3, target)
    assert torch.equal(likelihood.log_prob(params, target), before)


def test_the_running_sigma_weighs_the_s_th_batch_by_a_rising_factorial():
    """Polynomial-decay averaging with η = 9: weights proportional to s (s + 1) … (s + 8)."""
    likelihood, errors = Sigma(rate=0.001), []
    for seed in range(20):
        params, target = torch.randn((1, 4, *SHAPE), generator=gen(seed)), torch.rand((4, *SHAPE), generator=gen(99))
        likelihood.observe(params, target)
        errors.append(batch_mse(params, target))
    weights = torch.tensor([math.prod(range(s, s + 9)) for s in range(1, 21)], dtype=torch.float64)
    expected = (weights * torch.stack(errors).double()).sum() / weights.sum()
    torch.testing.assert_close(likelihood.mse, expected.float())


def test_the_running_mean_follows_falling_errors_without_a_trace_of_the_first():
    """After 400 batches whose error falls as 1/t, a running mean at rate 0.01 alone would be 4.6 times too high."""
    mean, steps = torch.tensor(1.0), torch.tensor(0.0)
    for t in range(1, 401):
        mean, steps = running_mean(mean, torch.tensor(1 / t), steps, 0.001)
    assert mean.item() * 400 == pytest.approx(10 / 9, rel=0.01)  # the mean of t/s under weights s⁹ is 10/9


def test_the_running_mean_reaches_over_one_over_rate_batches_at_most():
    mean, steps = torch.tensor(0.0), torch.tensor(10_000.0)
    mean, steps = running_mean(mean, torch.tensor(1.0), steps, 0.05)
    assert mean.item() == pytest.approx(0.05)
    assert steps == 10_001


OBJECTIVES = {
    "elbo": lambda: ELBO(0.5, 4, 1, "B", Constant()),
    "iwae": lambda: IWAE(6, groups=2, elbo_share=0.3),
    "dip_vae": lambda: DIPVAE(0.5, 1, 10, 10, "codes", 1, Constant()),
    "beta_tcvae": lambda: BetaTCVAE(0.5, 6, 1, 1, 1, "weighted", Constant()),
    "info_vae": lambda: InfoVAE(0.5, 10),
    "factor_vae": lambda: FactorVAE(0.5, 1, 0, 3, 8, 1, 1, Constant(), torch.optim.Adam),
    "rae": lambda: RAE(0.1, 0.2, "l2"),
    "ae": Autoencoder,
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("likelihood", [Sigma, lambda: SigmaPerPixel(SHAPE)], ids=["Sigma", "SigmaPerPixel"])
def test_training_reports_what_scoring_with_the_same_sigma_reports(name, likelihood):
    """All terms of a batch in training are those of evaluation mode, with the state before the batch."""
    model, objective, batch = small_model(likelihood(), SHAPE), OBJECTIVES[name](), random_batch(5, SHAPE)
    model.likelihood.observe(*pair())
    scored = objective(model.eval(), batch, step())
    trained = objective(model.train(), batch, step())
    expected = {"loss": scored.loss.detach(), **scored.logs}
    assert trained.logs.keys() == expected.keys()
    for term, value in expected.items():
        torch.testing.assert_close(trained.logs[term], value, msg=lambda text, term=term: f"{term}: {text}")
    assert (trained.loss - trained.logs["loss"]).abs() > 0.01


@pytest.mark.parametrize("likelihood", [Sigma(), SigmaPerPixel(SHAPE)], ids=["Sigma", "SigmaPerPixel"])
def test_training_reports_the_sigma_of_earlier_batches_and_minimises_the_fitted_one(likelihood):
    model, first, second = small_model(likelihood, SHAPE), random_batch(5, SHAPE), random_batch(6, SHAPE, seed=1)
    objective = ELBO(1, 1, 1, "B", Constant())
    objective(model, first, step())
    before = likelihood.mse.clone()
    terms = objective(model, second, step(1))
    params = model.decode(model.infer(second.x, None, 1, step(1).noise).z, None)
    expected = -normal_log_prob(params, second.target, before.sqrt()).mean()
    torch.testing.assert_close(terms.logs["recon"], expected.detach())
    torch.testing.assert_close(terms.logs["elbo"], -(terms.logs["recon"] + terms.logs["kl"]))
    fitted = -likelihood.log_prob(params, second.target).mean()
    torch.testing.assert_close(terms.loss, fitted + terms.logs["kl"])
    torch.testing.assert_close(terms.logs["loss"], -terms.logs["elbo"])
    assert terms.logs["recon"] > fitted  # a σ that is fitted to the batch flatters it
    model.eval()
    likelihood.mse = before
    torch.testing.assert_close(objective(model, second, step(1)).logs["elbo"], terms.logs["elbo"])


def test_the_first_batch_is_scored_with_a_sigma_of_1():
    likelihood = Sigma()
    params, target = pair()
    torch.testing.assert_close(likelihood.scored_log_prob(params, target), normal_log_prob(params, target, 1.0))


def test_a_weighted_bound_reports_the_running_sigma_and_its_own_sigma_would_be_smaller():
    """The σ of the loss is the unweighted optimum. The bound's optimum weighs the errors by its weights."""
    likelihood, batch = Sigma(), random_batch(5, SHAPE)
    model = small_model(likelihood, SHAPE)
    likelihood.mse = torch.tensor(0.09)
    terms = IWAE(7)(model, batch, step())

    def bound(sigma: float) -> torch.Tensor:
        model.likelihood = Gaussian(sigma)
        return IWAE(7)(model, batch, step()).logs["iwae_bound"]

    torch.testing.assert_close(terms.logs["iwae_bound"], bound(0.3))
    fitted = likelihood.mse.sqrt().item()  # after the only batch, the running σ is that batch's σ*
    torch.testing.assert_close(-terms.loss.detach(), bound(fitted))
    assert bound(0.999 * fitted) > bound(fitted)


def test_observing_forgets_the_distant_past():
    likelihood = Sigma(rate=0.1)
    params, target = pair()
    for _ in range(50):
        likelihood.observe(params + 4, target)
    for _ in range(200):
        likelihood.observe(params, target)
    torch.testing.assert_close(likelihood.mse, batch_mse(params, target))


def test_the_running_sigma_is_in_the_checkpoint():
    likelihood = Sigma()
    likelihood.observe(*pair())
    other = Sigma()
    other.load_state_dict(likelihood.state_dict())
    assert other.mse == likelihood.mse != 1
    assert other.steps == 1


def test_a_perfect_reconstruction_keeps_sigma_finite():
    target = torch.full((2, *SHAPE), 0.5)
    params = torch.zeros((1, 2, *SHAPE))
    likelihood = Sigma()
    likelihood.observe(params, target)
    assert torch.isfinite(likelihood.log_prob(params, target)).all()
    assert torch.isfinite(likelihood.eval().log_prob(params, target)).all()


def test_the_running_sigma_is_logged():
    likelihood = Sigma()
    params, target = pair()
    likelihood.observe(params, target)
    assert likelihood.logs() == {"sigma": batch_mse(params, target).sqrt()}
