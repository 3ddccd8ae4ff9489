import pytest
import torch
from helpers import INF, FlowPosterior, GivenNoise, gen, random_batch, small_model, step, tensor

from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Capacity, Constant, Cyclical, Linear
from vae_lab.types import Batch, Step

LIKELIHOODS = [MSE, lambda: Gaussian(0.3), Sigma, Bernoulli]


def elbo(k1=1.0, k2=1.0, samples=1, estimator="B", schedule=None) -> ELBO:
    return ELBO(k1, k2, samples, estimator, schedule or Constant())


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("estimator", ["A", "B"])
def test_at_weights_1_the_loss_is_minus_the_elbo(likelihood, estimator):
    model, batch = small_model(likelihood()).eval(), random_batch()  # in training, Sigma's loss is no bound
    terms = elbo(estimator=estimator)(model, batch, step())
    offset = model.likelihood.recon_offset(64)
    torch.testing.assert_close(terms.logs["elbo"], -(terms.loss.detach() + offset))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_elbo_is_log_p_less_kl_with_all_constants(likelihood):
    model, batch, eps = small_model(likelihood()).eval(), random_batch(), torch.randn(1, 5, 3, generator=gen())
    terms = elbo(k1=0.2, k2=7)(model, batch, Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000))
    latents = model.infer(batch.x, None, 1, GivenNoise(eps))
    log_px = model.likelihood.log_prob(model.decode(latents.z, None), batch.target)
    torch.testing.assert_close(terms.logs["elbo"], (log_px[0] - latents.kl[0][0].sum(1)).mean().detach())


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 4), (0.5, 0.5), (0, 1), (1, 0), (2, 0.1)])
def test_the_loss_is_the_weighted_sum_of_the_unweighted_terms(k1, k2):
    model, batch = small_model(), random_batch()
    plain, weighted = elbo()(model, batch, step()), elbo(k1, k2)(model, batch, step())
    assert weighted.logs == plain.logs
    torch.testing.assert_close(weighted.loss.detach(), k1 * plain.logs["recon"] + k2 * plain.logs["kl"])


def test_both_terms_pull_the_same_way():
    model, batch = small_model(), random_batch()
    low, high = (elbo(1, k2)(model, batch, step()).loss for k2 in (1, 2))
    assert high > low
    assert elbo(2, 1)(model, batch, step()).loss > low


def test_logged_recon_under_mse_is_the_mean_sum_of_squared_errors():
    model, batch, eps = small_model(), random_batch(), torch.randn(1, 5, 3, generator=gen())
    terms = elbo()(model, batch, Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000))
    x_hat = model.likelihood.mean(model.decode(model.infer(batch.x, None, 1, GivenNoise(eps)).z, None))[0]
    torch.testing.assert_close(terms.logs["recon"], (x_hat - batch.x).square().sum((1, 2, 3)).mean().detach())


def test_logs_hold_no_graph():
    terms = elbo()(small_model(), random_batch(), step())
    assert terms.loss.requires_grad
    assert not any(value.requires_grad for value in terms.logs.values())


def test_estimators_a_and_b_agree_in_expectation():
    model, batch = small_model(), random_batch()
    a, b = (elbo(samples=20_000, estimator=e)(model, batch, step()) for e in "AB")
    assert a.logs["kl"].item() == pytest.approx(b.logs["kl"].item(), abs=0.02)
    assert a.loss.item() == pytest.approx(b.loss.item(), abs=0.03)


def test_estimator_a_is_log_q_less_log_p_at_its_samples():
    model, batch = small_model(), random_batch()
    latents = model.infer(batch.x, None, 4, step().noise, densities=True)
    terms = elbo(samples=4, estimator="A")(model, batch, step())
    torch.testing.assert_close(terms.logs["kl"], (latents.log_q - latents.log_p).mean().detach())


def test_a_flow_gives_the_same_under_both_estimators():
    model, batch = small_model(posterior=FlowPosterior), random_batch()
    a, b = (elbo(samples=3, estimator=e)(model, batch, step()) for e in "AB")
    torch.testing.assert_close(a.loss, b.loss)


def test_l_samples_are_the_average_of_l_single_ones():
    model, batch, eps = small_model(), random_batch(), torch.randn(4, 5, 3, generator=gen())
    at = [Step(tensor(0), tensor(INF), GivenNoise(e.unsqueeze(0)), "model", 1000) for e in eps]
    single = torch.stack([elbo()(model, batch, one).loss for one in at])
    together = elbo(samples=4)(model, batch, Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000)).loss
    torch.testing.assert_close(together, single.mean())


@pytest.mark.parametrize("schedule", [Linear(10), Cyclical(10, 4, 0.5)])
def test_a_warm_up_at_its_end_is_no_schedule(schedule):
    model, batch = small_model(), random_batch()
    scheduled, plain = elbo(k2=3, schedule=schedule)(model, batch, step()), elbo(k2=3)(model, batch, step())
    assert scheduled.loss == plain.loss


def test_a_warm_up_weighs_the_loss_and_not_the_logs():
    model, batch = small_model(), random_batch()
    half = elbo(k2=4, schedule=Linear(10))(model, batch, step(epoch=5))
    plain = elbo(k2=2)(model, batch, step())
    torch.testing.assert_close(half.loss, plain.loss)
    assert half.logs == plain.logs


def test_capacity_penalises_the_distance_of_the_mean_kl():
    model, batch = small_model(), random_batch()
    terms = elbo(k2=1000, schedule=Capacity(25, 10))(model, batch, step())
    torch.testing.assert_close(terms.loss.detach(), terms.logs["recon"] + 1000 * (25 - terms.logs["kl"]).abs())


def test_a_models_auxiliary_loss_is_added_with_weight_1():
    model, batch = small_model(), random_batch()
    plain = elbo(0.5, 3)(model, batch, step()).loss
    infer = model.infer

    def with_commitment(*args):
        latents = infer(*args)
        latents.aux["commitment"] = torch.arange(5.0)
        return latents

    model.infer = with_commitment
    torch.testing.assert_close(elbo(0.5, 3)(model, batch, step()).loss, plain + 2.0)


def test_the_target_is_scored_and_the_input_is_seen():
    model, noisy, clean = small_model(), random_batch(seed=1).x, random_batch(seed=2).x
    eps = torch.randn(1, 5, 3, generator=gen())
    terms = elbo()(model, Batch(noisy, clean, None), Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000))
    x_hat = model.likelihood.mean(model.decode(model.infer(noisy, None, 1, GivenNoise(eps)).z, None))[0]
    torch.testing.assert_close(terms.logs["recon"], (x_hat - clean).square().sum((1, 2, 3)).mean().detach())


def test_sigma_observes_training_and_not_scoring():
    model = small_model(Sigma())
    elbo()(model.train(), random_batch(), step())
    assert model.likelihood.steps == 1
    elbo()(model.eval(), random_batch(), step())
    assert model.likelihood.steps == 1


def test_weights_are_buffers_that_no_checkpoint_holds():
    objective = elbo(0.25, 4)
    assert {name: b.item() for name, b in objective.named_buffers()} == {
        "k1": 0.25, "k2": 4.0, "free_bits": 0.0, "min_rate": 0.0,
    }  # fmt: skip
    assert objective.state_dict() == {}


def test_the_forward_pass_leaves_global_randomness_alone():
    model, batch = small_model(), random_batch()
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        losses.append(elbo(samples=2, estimator="A")(model, batch, step(key=5)).loss)
        assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1]


def test_a_batch_is_worth_the_mean_of_its_images():
    model, batch, eps = small_model(), random_batch(4), torch.randn(1, 4, 3, generator=gen())
    at = [
        Step(tensor(0), tensor(INF), GivenNoise(eps[:, part]), "model", 1000)
        for part in (slice(0, 4), slice(0, 2), slice(2, 4))
    ]
    parts = [Batch(batch.x[p], batch.x[p], None) for p in (slice(0, 4), slice(0, 2), slice(2, 4))]
    whole, a, b = (elbo()(model, part, one).loss for part, one in zip(parts, at))
    torch.testing.assert_close(whole, (a + b) / 2)


def test_draws_come_from_the_noise_of_the_step():
    model, batch = small_model(), random_batch()
    a, b, c = (
        elbo()(model, batch, Step(tensor(0), tensor(0), SeededNoise("cpu", key), "model", 1000)).loss
        for key in (1, 1, 2)
    )
    assert a == b != c
