import math
from functools import partial

import pytest
import torch
from helpers import FlowPosterior, GivenNoise, curves_of, gen, random_batch, small_model, step, weights_of

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.factor_vae import FactorVAE, permuted
from vae_lab.schedules import Constant, Linear
from vae_lab.training.job import Job
from vae_lab.types import Latents

ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.9))


def factor(gamma=35.0, k1=1.0, k2=1.0, samples=1, schedule=None, latent_dim=3) -> FactorVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FactorVAE(k1, k2, gamma, latent_dim, 32, 2, samples, schedule or Constant(), ADAM)


def at(phase: str, key: int = 0, epoch: float = math.inf):
    found = step(key, epoch)
    found.phase = phase
    return found


class Coded:
    """A model whose codes are given: drawn anew each time."""

    def __init__(self, draw) -> None:
        self.draw = draw

    def infer(self, x, y, k, noise):
        z = torch.stack([self.draw(len(x), noise) for _ in range(k)])
        return Latents(z=(z,), kl=(torch.zeros(1, *z.shape[1:]),), q=(None,))


def correlated(n, noise):
    """ρ = 0.9 between the first two of three: TC = −½ log(1 − 0.81) = 0.83 nats."""
    eps = noise.normal(n, 3)
    return torch.stack([eps[:, 0], 0.9 * eps[:, 0] + math.sqrt(1 - 0.81) * eps[:, 1], eps[:, 2]], 1)


def independent(n, noise):
    return noise.normal(n, 3)


def taught(draw, steps: int = 400) -> tuple[FactorVAE, list[float]]:
    objective, batch, accuracy = factor(), random_batch(256), []
    optimizer = objective.optimizers["discriminator"](objective.parameters())
    for i in range(steps):
        terms = objective(Coded(draw), batch, at("discriminator", i))
        optimizer.zero_grad()
        terms.loss.backward()
        optimizer.step()
        accuracy.append(terms.logs["accuracy"].item())
    return objective, accuracy


@pytest.mark.parametrize(("k1", "k2", "samples"), [(1, 1, 1), (0.5, 4, 1), (1, 1, 3)])
@pytest.mark.parametrize("posterior", [None, FlowPosterior])
def test_without_gamma_it_is_the_elbo(k1, k2, samples, posterior):
    model = small_model(posterior=posterior) if posterior else small_model()
    batch, now = random_batch(), at("model", epoch=5)
    ours = factor(0, k1, k2, samples, Linear(10))(model, batch, now)
    elbo = ELBO(k1, k2, samples, "B", Linear(10))(model, batch, at("model", epoch=5))
    torch.testing.assert_close(ours.loss, elbo.loss)
    assert {name: ours.logs[name] for name in elbo.logs} == elbo.logs


def test_the_loss_adds_gamma_times_the_mean_difference_of_the_outputs():
    model, batch, objective = small_model(), random_batch(), factor(7.0)
    terms = objective(model, batch, at("model"))
    logits = objective.discriminator(model.infer(batch.x, None, 1, at("model").noise).z[0][0])
    torch.testing.assert_close(terms.logs["tc"], (logits[:, 0] - logits[:, 1]).mean().detach())
    torch.testing.assert_close(terms.loss.detach(), terms.logs["recon"] + terms.logs["kl"] + 7 * terms.logs["tc"])


def test_the_logged_loss_does_not_depend_on_the_discriminator():
    model, batch = small_model(), random_batch()
    logs = factor(7.0)(model, batch, at("model")).logs
    torch.testing.assert_close(logs["loss"], logs["recon"] + logs["kl"])


def test_correlated_codes_are_distinguished_from_permuted_ones_and_their_total_correlation_is_found():
    objective, accuracy = taught(correlated)
    assert sum(accuracy[:20]) / 20 < 0.6
    assert sum(accuracy[-20:]) / 20 > 0.7
    z = correlated(20_000, SeededNoise("cpu", "held out"))
    logits = objective.discriminator(z)
    assert (logits[:, 0] - logits[:, 1]).mean().item() == pytest.approx(-0.5 * math.log(1 - 0.81), abs=0.15)


def test_independent_codes_cannot_be_distinguished_and_have_no_total_correlation():
    objective, accuracy = taught(independent, 200)
    assert sum(accuracy[-100:]) / 100 == pytest.approx(0.5, abs=0.03)
    logits = objective.discriminator(independent(20_000, SeededNoise("cpu", "held out")))
    assert (logits[:, 0] - logits[:, 1]).mean().item() == pytest.approx(0, abs=0.05)


def test_each_phase_gives_gradients_to_its_own_parameters_alone():
    job, batch = Job(small_model(), factor()), random_batch()
    job(batch, at("model")).loss.backward()
    assert all(p.grad is None for p in job.parameters_of("discriminator"))
    assert all(p.grad is not None and p.grad.any() for p in job.parameters_of("model"))
    job.zero_grad()
    job(batch, at("discriminator")).loss.backward()
    assert all(p.grad is None for p in job.parameters_of("model"))
    assert all(p.grad is not None for p in job.parameters_of("discriminator"))


def test_the_density_ratio_pulls_at_the_encoder_and_not_at_the_decoder():
    def gradients(gamma):
        model = small_model()
        factor(gamma)(model, random_batch(), at("model")).loss.backward()
        return {name: p.grad for name, p in model.named_parameters()}

    plain, penalised = gradients(0.0), gradients(35.0)
    differ = {name for name in plain if not torch.allclose(plain[name], penalised[name])}
    assert "posterior.mu.weight" in differ
    assert any(name.startswith("encoder") for name in differ)
    assert not any(name.startswith("decoder") for name in differ)


def test_permuted_codes_keep_each_marginal_and_lose_the_rows():
    z = torch.arange(40.0).reshape(10, 4)
    mixed = permuted(z, SeededNoise("cpu", 0))
    assert torch.equal(mixed.sort(0).values, z)
    assert not any(torch.equal(row, other) for row in mixed for other in z)
    assert not torch.equal(mixed, permuted(z, SeededNoise("cpu", 1)))


def test_a_batch_of_one_gives_finite_numbers():
    job = Job(small_model(), factor())
    for phase in job.objective.phases:
        terms = job(random_batch(1), at(phase))
        assert torch.isfinite(torch.stack([terms.loss, *terms.logs.values()])).all()


def test_more_discriminator_steps_see_more_of_the_total_correlation_after_as_many_batches():
    """After 60 batches, a discriminator sees a part of a TC of 0.83 nats, and with 5 steps per batch more of it."""
    z = correlated(20_000, SeededNoise("cpu", "held out"))
    seen = {}
    for repeats in (1, 5):
        objective = taught(correlated, 60 * repeats)[0]
        logits = objective.discriminator(z)
        seen[repeats] = (logits[:, 0] - logits[:, 1]).mean().item()
    assert 0 < seen[1] < 0.5 < seen[5] < 0.9
    assert factor().repeats == {"discriminator": 1}


WORDS = ("dataset=digits", "dataset.limit=60", "batch_size=10", "model=dense", "latent_dim=3", "objective=factor_vae",
         "objective.width=8", "objective.depth=1", "logger=none", "figures=none", "metrics=loss_terms")  # fmt: skip


def test_several_discriminator_steps_resume_as_one_run(cli, tmp_path):
    words = ("train", *WORDS, "objective.discriminator_steps=3", "optimizer=sgd", "lr=1e-4")
    for name, epochs in (("whole", 4), ("half", 2)):
        assert cli(*words, f"epochs={epochs}", f"hydra.run.dir={name}").status == 0
    config = (tmp_path / "half" / "config.yaml").read_text()
    (tmp_path / "half" / "config.yaml").write_text(config.replace("epochs: 2\n", "epochs: 4\n"))
    (tmp_path / "half" / "results.json").unlink()
    ended = cli("train", "resume=half")
    assert ended.status == 0, ended.err
    assert curves_of(tmp_path / "half") == curves_of(tmp_path / "whole")
    for name, value in weights_of(tmp_path / "whole").items():
        assert torch.equal(weights_of(tmp_path / "half")[name], value)
    steps = [int(row["step"]) for row in curves_of(tmp_path / "whole")]
    assert steps == [steps[0] * i for i in (1, 2, 3, 4)]  # the steps of the model, not of the discriminator
    assert steps[0] == 6


def test_several_discriminator_steps_with_accumulation_are_refused_before_training(cli, tmp_path):
    ended = cli("train", *WORDS, "objective.discriminator_steps=3", "training.accumulate=2", "hydra.run.dir=run")
    assert ended.status == 2
    assert ended.err.strip().endswith("type training.accumulate=1")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("latent_dim", [2, 4])
def test_latents_of_another_size_are_refused(latent_dim):
    for phase in FactorVAE.phases:
        with pytest.raises(UserError, match="objective=factor_vae needs one level of latent vectors"):
            factor(latent_dim=latent_dim)(small_model(), random_batch(), at(phase))


def test_weights_are_buffers_and_the_discriminator_is_saved():
    objective = factor()
    assert {name for name, _ in objective.named_buffers()} == {"k1", "k2", "gamma"}
    assert all(name.startswith("discriminator.") for name in objective.state_dict())


def test_the_published_discriminator_has_six_hidden_layers_of_a_thousand():
    objective = FactorVAE(1, 1, 35, 10, 1000, 6, 1, Constant(), ADAM)
    linear = [m for m in objective.discriminator if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear] == [1000] * 6 + [2]
    assert sum(isinstance(m, torch.nn.LeakyReLU) for m in objective.discriminator) == 6


@pytest.mark.parametrize("phase", FactorVAE.phases)
def test_jobs_that_differ_in_gamma_stack(phase):
    batch = random_batch()
    jobs = [Job(small_model(), factor(gamma)) for gamma in (0.0, 10.0)]
    parameters, buffers = torch.func.stack_module_state(jobs)
    eps = torch.randn(1 if phase == "model" else 2, 5, 3, generator=gen())
    order = torch.rand(5, 3, generator=gen(1))

    def loss(parameters, buffers, eps):
        now = at(phase)
        now.noise = GivenNoise(eps)
        now.noise.uniform = lambda *shape: order
        return torch.func.functional_call(jobs[0], (parameters, buffers), (batch, now)).loss

    together = torch.vmap(loss, in_dims=(0, 0, None))(parameters, buffers, eps)
    alone = torch.stack([loss(dict(job.named_parameters()), dict(job.named_buffers()), eps) for job in jobs])
    torch.testing.assert_close(together, alone)
    together.sum().backward()
    touched = {name.split(".")[0] for name, p in parameters.items() if p.grad is not None and p.grad.any()}
    assert touched == {"model" if phase == "model" else "objective"}
