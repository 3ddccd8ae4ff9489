from types import SimpleNamespace

import torch
from helpers import ForbiddenNoise, random_batch, small_model, step, tensor

from vae_lab.inference import at_the_means
from vae_lab.noise import SeededNoise
from vae_lab.objectives.terms import Pass, elbo_logs, mean_kl, mean_recon, run_model
from vae_lab.types import Latents, Normal, Step


def latents(*kl: torch.Tensor) -> Latents:
    return Latents(z=(), kl=kl, q=())


def as_pass(out: Latents, log_px: torch.Tensor | None = None, offset: float = 0.0) -> Pass:
    return Pass(out, torch.zeros(1), torch.zeros(1, 1) if log_px is None else log_px, offset)


def test_kl_is_summed_over_dimensions_and_levels():
    top, bottom = torch.ones(1, 5, 3), 2 * torch.ones(1, 5, 2, 4, 4)
    torch.testing.assert_close(mean_kl(as_pass(latents(top, bottom))), torch.tensor(3.0 + 64.0))


def test_a_sampled_kl_is_averaged_over_samples():
    sampled = torch.tensor([[1.0, 10.0], [3.0, 20.0]]).unsqueeze(-1)
    torch.testing.assert_close(mean_kl(as_pass(latents(sampled))), torch.tensor((2.0 + 15.0) / 2))


def test_levels_of_both_kinds_add_up():
    closed, sampled = torch.full((1, 2, 4), 0.5), torch.tensor([[1.0, 1.0], [3.0, 5.0]]).unsqueeze(-1)
    torch.testing.assert_close(mean_kl(as_pass(latents(closed, sampled))), torch.tensor((4.0 + 5.0) / 2))


def test_recon_is_minus_log_p_averaged_over_samples_less_the_offset():
    log_px = torch.tensor([[-10.0, -20.0], [-30.0, -24.0]])
    torch.testing.assert_close(mean_recon(as_pass(latents(), log_px, 5.0)), torch.tensor(21.0 - 5.0))


def test_elbo_has_the_offset_that_recon_leaves_out():
    logs = elbo_logs(torch.tensor(15.0), torch.tensor(2.0), 4.0)
    assert {name: value.item() for name, value in logs.items()} == {"recon": 15.0, "kl": 2.0, "elbo": -21.0}


def test_parameters_that_inference_made_are_not_decoded_again():
    made = torch.randn(1, 5, 1, 8, 8)
    model = small_model()
    infer = model.infer
    model.infer = lambda *args: SimpleNamespace(**{**infer(*args).__dict__, "params": made})
    model.decode = None
    out = run_model(model, random_batch(), step(), k=1)
    assert out.params is made


def test_a_deterministic_pass_decodes_the_means_whatever_the_noise():
    model, batch = small_model(), random_batch()
    out = run_model(model, batch, step(), k=1, deterministic=True)
    torch.testing.assert_close(out.latents.z[0], out.latents.q[0].mu)
    torch.testing.assert_close(out.params[0], model.decoder(out.latents.q[0].mu[0]))


def test_latents_at_the_means_are_one_per_level():
    qs = tuple(Normal(torch.full((1, 2, d), mean), torch.zeros(1, 2, d)) for d, mean in ((3, 1.0), (4, 0.0)))
    drawn = tuple(q.mu + 9 for q in qs)
    model = SimpleNamespace(infer=lambda x, y, k, noise: Latents(z=drawn, kl=(), q=qs))
    means = at_the_means(model, torch.zeros(2, 1, 8, 8), None, ForbiddenNoise()).z
    assert [m.shape for m in means] == [(1, 2, 3), (1, 2, 4)]
    assert all(torch.equal(mean, q.mu) for mean, q in zip(means, qs))


def test_k_samples_are_scored_each():
    model, batch = small_model(), random_batch()
    out = run_model(model, batch, Step(tensor(0), tensor(0), SeededNoise("cpu", 0), "model", 1000), k=3)
    expected = torch.stack([model.likelihood.log_prob(p.unsqueeze(0), batch.target)[0] for p in out.params])
    torch.testing.assert_close(out.log_px, expected)


def test_decoding_and_scoring_draw_nothing():
    model, batch = small_model(), random_batch()
    made = model.infer(batch.x, None, 1, SeededNoise("cpu", 0))
    model.infer = lambda *_: made
    out = run_model(model, batch, Step(tensor(0), tensor(0), ForbiddenNoise(), "model", 1000), k=1)
    assert out.log_px.shape == (1, 5)
