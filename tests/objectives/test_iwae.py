import math
from itertools import pairwise

import pytest
import torch
from helpers import FlowPosterior, gen, random_batch, small_model, step
from importance import LIKELIHOODS, draws, given, gradients, in_double
from torch.distributions import Normal
from torch.func import functional_call, stack_module_state, vmap

from vae_lab.errors import UserError
from vae_lab.functional import log_mean_exp
from vae_lab.likelihoods import MSE, Bernoulli, Gaussian
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.iwae import AT_ONCE, IWAE
from vae_lab.schedules import Constant
from vae_lab.training.job import Job
from vae_lab.types import Batch


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_one_sample_is_the_elbo(likelihood, gradient):
    eps, batch = draws(1), random_batch()
    terms = [
        o(small_model(likelihood()), batch, given(eps)) for o in (IWAE(1, gradient), ELBO(1, 1, 1, "A", Constant()))
    ]
    torch.testing.assert_close(terms[0].loss, terms[1].loss, rtol=1e-6, atol=1e-6)


def test_gradients_of_one_sample_are_those_of_the_elbo():
    model, batch = in_double(small_model(), random_batch())
    eps = draws(1).double()
    ours, elbos = (gradients(o, model, batch, given(eps)) for o in (IWAE(1), ELBO(1, 1, 1, "A", Constant())))
    for name, expected in elbos.items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("likelihood", [MSE, Bernoulli])
def test_the_bound_is_that_of_torch_distributions(likelihood):
    model, batch, eps = small_model(likelihood()), random_batch(), draws(4)
    terms = IWAE(4)(model, batch, given(eps))
    h = model.encoder(batch.x)
    mu, sigma = model.posterior.mu(h), torch.exp(0.5 * model.posterior.log_var(h))
    z = mu + sigma * eps
    log_w = model.likelihood.log_prob(model.decode((z,), None), batch.target)
    log_w = log_w + Normal(0.0, 1.0).log_prob(z).sum(2) - Normal(mu, sigma).log_prob(z).sum(2)
    bound = (log_w.logsumexp(0) - math.log(4)).mean()
    torch.testing.assert_close(terms.logs["iwae_bound"], bound.detach())
    torch.testing.assert_close(terms.loss, -bound - model.likelihood.recon_offset(64))


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_recon_kl_and_elbo_are_those_of_the_elbo_with_as_many_samples(gradient):
    model, batch, eps = small_model(), random_batch(), draws(6)
    terms, plain = IWAE(6, gradient)(model, batch, given(eps)), ELBO(1, 1, 6, "B", Constant())(model, batch, given(eps))
    assert set(terms.logs) == {*plain.logs, "iwae_bound"}
    for name, value in plain.logs.items():
        torch.testing.assert_close(terms.logs[name], value)
    assert not any(value.requires_grad for value in terms.logs.values())


def _log_weights(model, batch, k) -> torch.Tensor:
    with torch.no_grad():
        latents = model.infer(batch.x, None, k, step(99).noise, densities=True)
        log_px = model.likelihood.log_prob(model.decode(latents.z, None), batch.target)
        return log_px + latents.log_p - latents.log_q


def test_the_bound_rises_with_k():
    model, batch = small_model(Gaussian(0.3)), random_batch(3)
    model.posterior.log_var.bias.data += 1
    ks, draws_of_images = (1, 2, 5, 20, 100), 400
    many = Batch(*(x.repeat(draws_of_images, 1, 1, 1) for x in (batch.x, batch.target)), None)
    with torch.no_grad():
        bounds = [IWAE(k)(model.eval(), many, step(key=k)).logs["iwae_bound"].item() for k in ks]
    assert all(b > a + 0.05 for a, b in pairwise(bounds))
    nll = -log_mean_exp(_log_weights(model, batch, 50_000)).mean().item()
    assert bounds[-1] < -nll + 0.02


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_as_many_groups_as_samples_are_the_elbo_and_one_is_the_iwae(gradient):
    model, batch, eps = small_model(), random_batch(), draws(6)
    elbo = ELBO(1, 1, 6, "A", Constant())(model, batch, given(eps)).loss
    torch.testing.assert_close(IWAE(6, gradient, groups=6)(model, batch, given(eps)).loss, elbo)
    one, iwae = IWAE(6, gradient, groups=1), IWAE(6, gradient)
    assert one(model, batch, given(eps)).loss == iwae(model, batch, given(eps)).loss != elbo


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_elbo_share_leads_from_the_bound_to_the_elbo(share):
    model, batch, eps = small_model(), random_batch(), draws(6)
    elbo, iwae = (o(model, batch, given(eps)).loss for o in (ELBO(1, 1, 6, "A", Constant()), IWAE(6)))
    mixed = IWAE(6, elbo_share=share)(model, batch, given(eps))
    torch.testing.assert_close(mixed.loss, share * elbo + (1 - share) * iwae)
    assert mixed.logs["iwae_bound"] == IWAE(6)(model, batch, given(eps)).logs["iwae_bound"]


def test_groups_must_divide_the_samples():
    with pytest.raises(UserError, match=r"objective.groups=3 does not divide objective.samples=50; type objective.gro"):
        IWAE(50, groups=3)


def test_scoring_takes_few_images_at_a_time_and_gives_the_mean_over_all():
    model, images = small_model(), 2 * AT_ONCE // 1000 + 1
    batch, sizes = random_batch(images), []
    decode = model.decode
    model.decode = lambda z, y: (sizes.append(z[0].shape[:2]), decode(z, y))[1]
    terms = IWAE(1000)(model.eval(), batch, step())
    assert max(k * b for k, b in sizes) <= AT_ONCE
    assert sum(b for _, b in sizes) == images
    noise, singles, start = step().noise, [], 0
    for _, b in sizes:  # the same draws in the same order
        part = batch.x[start : start + b]
        latents = model.infer(part, None, 1000, noise, densities=True)
        log_w = model.likelihood.log_prob(decode(latents.z, None), part) + latents.log_p - latents.log_q
        singles.append(log_mean_exp(log_w))
        start += b
    torch.testing.assert_close(terms.logs["iwae_bound"], torch.cat(singles).mean().detach())


def test_training_takes_the_whole_batch():
    model, sizes = small_model().train(), []
    decode = model.decode
    model.decode = lambda z, y: (sizes.append(z[0].shape[:2]), decode(z, y))[1]
    IWAE(1000)(model, random_batch(9), step())
    assert sizes == [(1000, 9)]


def test_a_flow_takes_the_plain_gradient_alone():
    model, batch = small_model(posterior=FlowPosterior), random_batch()
    assert torch.isfinite(IWAE(5)(model, batch, step()).loss)
    with pytest.raises(UserError, match=r"dreg needs one level of Gaussian .* type objective\.gradient=plain"):
        IWAE(5, "dreg")(model, batch, step())


def with_latents(**changes):
    model = small_model()
    infer = model.infer

    def changed(*args):
        latents = infer(*args)
        latents.__dict__.update({name: change(latents) for name, change in changes.items()})
        return latents

    model.infer = changed
    return model


def test_several_levels_take_the_plain_gradient_alone():
    model = with_latents(q=lambda latents: latents.q * 2)
    assert torch.isfinite(IWAE(5)(model, random_batch(), step()).loss)
    with pytest.raises(UserError, match=r"type objective\.gradient=plain"):
        IWAE(5, "dreg")(model, random_batch(), step())


@pytest.mark.parametrize(
    "changes",
    [{"codes": lambda latents: (torch.zeros(5, 5, 2).long(),)}, {"log_q": lambda latents: None}],
    ids=["codes", "no densities"],
)
def test_latents_without_densities_are_refused(changes):
    with pytest.raises(UserError, match=r"objective=iwae needs the densities of the latents.*type objective=elbo"):
        IWAE(5)(with_latents(**changes), random_batch(), step())


def test_stacked_jobs_have_the_losses_of_each_alone():
    jobs = [Job(small_model(), IWAE(4, groups=2, elbo_share=share)) for share in (0.0, 0.7)]
    for p in jobs[1].model.parameters():
        torch.nn.init.normal_(p, std=0.3, generator=gen())
    batch, eps = random_batch(), draws(4)
    parameters, buffers = stack_module_state(jobs)

    def loss(params, buffs):
        return functional_call(jobs[0], (params, buffs), (batch, given(eps))).loss

    together = vmap(loss)(parameters, buffers)
    alone = torch.stack([job(batch, given(eps)).loss for job in jobs])
    torch.testing.assert_close(together, alone)
    assert alone[0] != alone[1]


def test_dreg_in_a_stack_is_an_error_and_not_another_gradient():
    jobs, batch, at = [Job(small_model(), IWAE(4, "dreg")) for _ in range(2)], random_batch(), given(draws(4))
    parameters, buffers = stack_module_state(jobs)
    with pytest.raises(RuntimeError, match="hook"):
        vmap(lambda p, b: functional_call(jobs[0], (p, b), (batch, at)).loss)(parameters, buffers)


def test_the_elbo_share_is_a_buffer_that_no_checkpoint_holds():
    objective = IWAE(4, elbo_share=0.25)
    assert {name: b.item() for name, b in objective.named_buffers()} == {"elbo_share": 0.25}
    assert objective.state_dict() == {}
