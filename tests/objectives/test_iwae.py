import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from helpers import INF, FlowPosterior, GivenNoise, gen, random_batch, small_model, step, tensor
from torch.distributions import Normal
from torch.func import functional_call, stack_module_state, vmap

from vae_lab.errors import UserError
from vae_lab.functional import log_mean_exp
from vae_lab.job import Job
from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.iwae import AT_ONCE, IWAE
from vae_lab.schedules import Constant
from vae_lab.types import Batch, Step

LIKELIHOODS = [MSE, lambda: Gaussian(0.3), Sigma, Bernoulli]


def given(eps: torch.Tensor) -> Step:
    return Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000)


def draws(k: int, n: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn((k, n, 3), generator=gen(seed))


def gradients(objective, model, batch, at) -> dict[str, torch.Tensor]:
    model.zero_grad()
    objective(model, batch, at).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def in_double(model, batch) -> tuple:
    """The spread of the last layers is widened, so that weights differ from sample to sample."""
    for p in model.decoder.parameters():
        p.data *= 2
    return model.double(), Batch(batch.x.double(), batch.target.double(), None)


ENCODER = ("encoder.", "posterior.")


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


def _log_weights(model, batch, k) -> torch.Tensor:
    with torch.no_grad():
        latents = model.infer(batch.x, None, k, step(99).noise, densities=True)
        log_px = model.likelihood.log_prob(model.decode(latents.z, None), batch.target)
        return log_px + latents.log_p - latents.log_q


def weighted(model, batch, eps, weights_of) -> dict[str, torch.Tensor]:
    """−Σ weight · log w, with weights [k, B] that are numbers: a reference that writes the gradient out."""
    model.zero_grad()
    latents = model.infer(batch.x, None, len(eps), GivenNoise(eps), densities=True)
    log_w = model.likelihood.log_prob(model.decode(latents.z, None), batch.target) + latents.log_p - latents.log_q
    w = torch.tensor([[math.exp(x - max(row)) for x in row] for row in log_w.T.tolist()], dtype=log_w.dtype).T
    weights = weights_of(w)
    (-(weights * log_w).sum(0)).mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def test_plain_gradients_weigh_samples_by_their_normalised_weights():
    model, batch = in_double(small_model(), random_batch())
    eps = draws(7).double()
    expected = weighted(model, batch, eps, lambda w: w / w.sum(0))
    for name, found in gradients(IWAE(7), model, batch, given(eps)).items():
        torch.testing.assert_close(found, expected[name])


def test_gradients_of_groups_weigh_samples_within_their_group():
    model, batch = in_double(small_model(), random_batch())
    eps = draws(6).double()

    def weights_of(w):
        return torch.cat([part / part.sum(0) for part in w.split(2)]) / 3

    expected = weighted(model, batch, eps, weights_of)
    for name, found in gradients(IWAE(6, groups=3), model, batch, given(eps)).items():
        torch.testing.assert_close(found, expected[name])


@pytest.mark.parametrize("likelihood", [Bernoulli, Sigma])
@pytest.mark.parametrize(("groups", "elbo_share"), [(1, 0.0), (3, 0.0), (1, 0.4)])
def test_dreg_leaves_the_decoder_its_plain_gradient(likelihood, groups, elbo_share):
    model, batch = in_double(small_model(likelihood()), random_batch())
    eps = draws(6).double()
    plain, dreg = (
        gradients(IWAE(6, g, groups, elbo_share=elbo_share), model, batch, given(eps)) for g in ("plain", "dreg")
    )
    decoder = [name for name in plain if name.startswith("decoder.")]
    assert decoder
    assert all(torch.equal(plain[name], dreg[name]) for name in decoder)
    assert all(not torch.allclose(plain[name], dreg[name]) for name in plain if name.startswith(ENCODER))


@pytest.mark.parametrize(("groups", "elbo_share"), [(1, 0.0), (2, 0.0), (1, 0.5)])
def test_dreg_gives_the_encoder_the_same_mean_gradient_with_less_variance(groups, elbo_share):
    """One image 4,000 times in a batch: each gives an estimate of the same gradient to its μ and log σ²."""
    n, eps, found = 4000, draws(8, 4000).double(), {}
    one = random_batch(1).x.double().expand(n, -1, -1, -1)
    for gradient in ("plain", "dreg"):
        model, heads = small_model(Gaussian(0.3)).double(), []
        normal = model.posterior.normal
        model.posterior.normal = lambda h, normal=normal, heads=heads: heads.append(normal(h)) or heads[0]
        terms = IWAE(8, gradient, groups, elbo_share=elbo_share)(model, Batch(one, one, None), given(eps))
        slopes = torch.autograd.grad(terms.loss * n, (heads[0].mu, heads[0].log_var))
        found[gradient] = torch.cat(slopes, 1)
    plain, dreg = found["plain"], found["dreg"]
    error = (plain - dreg).std(0) / math.sqrt(n)
    assert ((plain - dreg).mean(0).abs() < 4 * error).all()
    assert (dreg.var(0) < plain.var(0)).all()
    assert dreg.mean(0).norm() > 5 * (dreg.std(0) / math.sqrt(n)).norm()  # or equal means would mean little


def test_the_doubly_reparameterised_gradient_weighs_by_the_squares_of_the_weights():
    model, batch = in_double(small_model(), random_batch(2))
    eps = draws(5, 2).double()
    found = gradients(IWAE(5, "dreg"), model, batch, given(eps))
    model.zero_grad()
    h = model.encoder(batch.x)
    mu, log_var = model.posterior.mu(h), model.posterior.log_var(h)
    z = mu + torch.exp(0.5 * log_var) * eps
    leaf = z.detach().requires_grad_()
    q = Normal(mu.detach(), torch.exp(0.5 * log_var).detach())
    log_w = model.likelihood.log_prob(model.decode((leaf,), None), batch.target) + Normal(0.0, 1.0).log_prob(leaf).sum(
        2
    )
    log_w = log_w - q.log_prob(leaf).sum(2)
    (slope,) = torch.autograd.grad(log_w.sum(), leaf)
    v = torch.softmax(log_w, 0).detach()
    model.zero_grad()
    (-(v.square().unsqueeze(2) * slope * z).sum(0).sum() / 2).backward()
    for name, p in model.named_parameters():
        if name.startswith(ENCODER):
            torch.testing.assert_close(found[name], p.grad)


def test_with_one_sample_dreg_leaves_out_the_score_of_q():
    """At q equal to the posterior log w is constant: the gradient of the encoder vanishes draw by draw."""
    model, batch = small_model(Gaussian(1.0)).double(), random_batch(2)
    batch = Batch(batch.x.double(), batch.target.double(), None)
    for p in [*model.decoder.parameters(), *model.encoder.parameters(), *model.posterior.parameters()]:
        torch.nn.init.zeros_(p)  # the decoder ignores z, and q(z|x) is the prior
    eps = draws(1, 2).double()
    plain, dreg = (gradients(IWAE(1, gradient), model, batch, given(eps)) for gradient in ("plain", "dreg"))
    for name in ("posterior.mu.bias", "posterior.log_var.bias"):
        assert dreg[name].abs().max() < 1e-12
        assert plain[name].abs().min() > 0.01


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


def phase(name: str, eps: torch.Tensor) -> Step:
    return replace(given(eps), phase=name)


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_piwae_gives_the_encoder_groups_and_the_decoder_the_whole_bound(gradient):
    model, batch = in_double(small_model(), random_batch())
    eps, piwae = draws(6).double(), IWAE(6, gradient, groups=3, piwae=True)
    for name, groups in (("model", 1), ("encoder", 3)):
        found, expected = (
            gradients(objective, model, batch, phase(name, eps)) for objective in (piwae, IWAE(6, gradient, groups))
        )
        for parameter in expected:
            assert torch.equal(found[parameter], expected[parameter])


def test_the_phases_of_piwae_part_the_parameters():
    job = Job(small_model(), IWAE(6, groups=3, piwae=True))
    encoder = {id(p) for p in (*job.model.encoder.parameters(), *job.model.posterior.parameters())}
    assert {id(p) for p in job.parameters_of("encoder")} == encoder
    assert {id(p) for p in job.parameters_of("model")} == {id(p) for p in job.model.decoder.parameters()}
    assert IWAE(6, groups=3).phases == {"model": ("",)}


def test_piwae_without_groups_is_refused():
    with pytest.raises(UserError, match=r"piwae=true needs groups for the encoder; type e\.g\. objective\.groups=5"):
        IWAE(50, piwae=True)


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
    with pytest.raises(UserError, match=r"objective=iwae weighs samples by their densities.*type objective=elbo"):
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
