import pytest
import torch
from helpers import INF, FlowPosterior, GivenNoise, gen, random_batch, small_model, step, tensor
from torch.func import functional_call, stack_module_state, vmap

from vae_lab.errors import UserError
from vae_lab.functional import imq_kernel, mmd, rbf_kernel
from vae_lab.likelihoods import MSE, Bernoulli, Sigma
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.info_vae import InfoVAE
from vae_lab.schedules import Constant
from vae_lab.training.job import Job
from vae_lab.types import Step

WAE = {"alpha": 1, "scale": 10, "deterministic": True}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=gen(seed))


def given(*eps: torch.Tensor) -> Step:
    """The draws of the posterior, then those of the prior."""
    return Step(tensor(0), tensor(INF), GivenNoise(*eps), "model", 1000)


def gradients(objective, model, batch, at) -> list[torch.Tensor]:
    model.zero_grad()
    objective(model, batch, at).loss.backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("likelihood", [MSE, Sigma, Bernoulli])
@pytest.mark.parametrize("samples", [1, 3])
def test_neutral_weights_are_the_elbo(likelihood, samples):
    batch, model = random_batch(), small_model(likelihood())
    info, elbo = InfoVAE(0, 1, samples=samples), ELBO(1, 1, samples, "B", Constant())
    ours, elbos = (objective(small_model(likelihood()), batch, step()) for objective in (info, elbo))
    assert ours.loss == elbos.loss
    assert {name: value for name, value in ours.logs.items() if name != "mmd"} == elbos.logs
    for found, expected in zip(*(gradients(objective, model, batch, step()) for objective in (info, elbo))):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("alpha", "scale"), [(0, 1), (1, 1000), (0.5, 3), (-0.5, 1.5), (0, 20)])
def test_the_loss_is_the_weighted_sum_of_the_unweighted_terms(alpha, scale):
    terms = InfoVAE(alpha, scale)(small_model(), random_batch(), step())
    recon, kl, distance = (terms.logs[name] for name in ("recon", "kl", "mmd"))
    torch.testing.assert_close(terms.loss.detach(), recon + (1 - alpha) * kl + (alpha + scale - 1) * distance)
    assert not any(value.requires_grad for value in terms.logs.values())


@pytest.mark.parametrize(("kernel", "function"), [("imq", imq_kernel), ("rbf", rbf_kernel)])
def test_the_mmd_is_that_of_the_codes_and_of_draws_of_the_prior(kernel, function):
    model, batch, eps, prior = small_model(), random_batch(), normal(1, 5, 3), normal(5, 3, seed=1)
    terms = InfoVAE(1, 10, kernel, [0.5, 2])(model, batch, given(eps, prior))
    z = model.infer(batch.x, None, 1, GivenNoise(eps)).z[0][0]
    found = terms.logs["mmd" if kernel == "imq" else "mmd_rbf"]
    torch.testing.assert_close(found, mmd(z, prior, [0.5, 2], function).detach())


def test_several_samples_are_held_against_the_prior_set_by_set():
    model, batch, eps, priors = small_model(), random_batch(), normal(2, 5, 3), normal(2, 5, 3, seed=1)
    together = InfoVAE(1, 10, samples=2)(model, batch, given(eps, *priors)).logs["mmd"]
    alone = [InfoVAE(1, 10)(model, batch, given(e[None], p)).logs["mmd"] for e, p in zip(eps, priors)]
    torch.testing.assert_close(together, torch.stack(alone).mean())


def test_the_mmd_draws_codes_towards_the_prior():
    model, batch = small_model(), random_batch(64)
    torch.nn.init.constant_(model.posterior.mu.bias, 3.0)
    before = InfoVAE(1, 10)(model, batch, step()).logs["mmd"]
    optimizer = torch.optim.Adam(model.posterior.parameters(), 0.1)
    for i in range(60):
        optimizer.zero_grad()
        InfoVAE(1, 1e5)(model, batch, step(i)).loss.backward()
        optimizer.step()
    after = InfoVAE(1, 10)(model, batch, step()).logs["mmd"]
    assert after < 0.1 * before
    assert model.infer(batch.x, None, 100, step().noise).z[0].mean((0, 1)).abs().max() < 0.5


def test_a_trained_prior_is_drawn_towards_the_codes():
    """Draws of the prior carry gradients: MMD trains a prior that has parameters."""
    model, batch, shift = small_model(), random_batch(), torch.zeros(3, requires_grad=True)
    drawn = model.prior_sample
    model.prior_sample = lambda n, y, noise: (drawn(n, y, noise)[0] + shift,)
    InfoVAE(1, 10)(model, batch, step()).loss.backward()
    assert shift.grad.abs().min() > 0


def test_a_deterministic_encoder_decodes_its_means():
    model, batch, prior = small_model(), random_batch(), normal(5, 3)
    terms = InfoVAE(**WAE)(model, batch, given(normal(1, 5, 3, seed=2), prior))
    mu = model.posterior.mu(model.encoder(batch.x))
    x_hat = model.likelihood.mean(model.decode((mu.unsqueeze(0),), None))[0]
    recon, distance = (x_hat - batch.x).square().sum((1, 2, 3)).mean(), mmd(mu, prior)
    torch.testing.assert_close(terms.loss, recon + 10 * distance)
    torch.testing.assert_close(terms.logs, {"recon": recon.detach(), "mmd": distance.detach()})


def test_only_a_sampled_encoder_is_variational():
    assert InfoVAE(1, 10).variational
    assert not InfoVAE(**WAE).variational
    assert InfoVAE(**WAE).matches_prior


@pytest.mark.parametrize("numbers", [{"alpha": 0, "scale": 20}, {"alpha": 1, "scale": 10}, WAE])
@pytest.mark.parametrize("likelihood", [MSE, Sigma])
def test_a_batch_of_one_image_has_no_mmd_and_no_nan(numbers, likelihood):
    model = small_model(likelihood()).train()
    terms = InfoVAE(**numbers)(model, random_batch(1), step())
    terms.loss.backward()
    assert terms.logs["mmd"] == 0
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_weights_that_would_reward_a_distance_are_refused():
    with pytest.raises(UserError, match=r"alpha=0 objective\.scale=0\.5 rewards .* type objective\.scale=1 or more"):
        InfoVAE(0, 0.5)


@pytest.mark.parametrize("numbers", [{"alpha": 0, "scale": 10}, {"alpha": 1, "scale": 10, "samples": 2}])
def test_a_deterministic_encoder_has_neither_kl_nor_samples(numbers):
    with pytest.raises(UserError, match=r"deterministic=true .* type objective\.alpha=1 objective\.samples=1"):
        InfoVAE(**numbers, deterministic=True)


def test_a_flow_has_codes_but_no_means():
    model = small_model(posterior=FlowPosterior)
    assert torch.isfinite(InfoVAE(0, 10)(model, random_batch(), step()).loss)
    with pytest.raises(UserError, match="needs a posterior with a mean"):
        InfoVAE(**WAE)(model, random_batch(), step())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("codes", "real codes with the prior, and those of this model are discrete; type objective=elbo"),
        ("z", "one level of codes with the prior, and this model has 2; type objective=elbo"),
    ],
)
def test_models_without_one_level_of_continuous_codes_are_refused(name, reason):
    model = small_model()
    infer = model.infer

    def changed(*args):
        latents = infer(*args)
        setattr(latents, name, latents.z * 2)
        return latents

    model.infer = changed
    model.decode = lambda z, y: torch.zeros(1, 5, 1, 8, 8)
    with pytest.raises(UserError, match=reason):
        InfoVAE(0, 10)(model, random_batch(), step())


def test_weights_are_buffers_that_no_checkpoint_holds():
    objective = InfoVAE(0.25, 10)
    assert {name: b.item() for name, b in objective.named_buffers()} == {"kl_weight": 0.75, "mmd_weight": 9.25}
    assert objective.state_dict() == {}


def test_stacked_jobs_have_the_losses_of_each_alone():
    jobs = [Job(small_model(), InfoVAE(alpha, scale)) for alpha, scale in ((0, 1), (1, 100))]
    for p in jobs[1].model.parameters():
        torch.nn.init.normal_(p, std=0.3, generator=gen())
    batch, eps, prior = random_batch(), normal(1, 5, 3), normal(5, 3, seed=1)
    parameters, buffers = stack_module_state(jobs)

    def loss(params, buffs):
        return functional_call(jobs[0], (params, buffs), (batch, given(eps, prior))).loss

    together = vmap(loss)(parameters, buffers)
    alone = torch.stack([job(batch, given(eps, prior)).loss for job in jobs])
    torch.testing.assert_close(together, alone)
    assert alone[0] != alone[1]
