"""Tests of what both introspective objectives share."""

import json
from types import SimpleNamespace

import pytest
import torch
from helpers import FlowPosterior, GivenNoise, curves_of, gen, random_batch, small_model, weights_of
from introspective import at, isolate

from vae_lab.errors import UserError
from vae_lab.likelihoods import Bernoulli, Sigma
from vae_lab.objectives.intro_vae import IntroVAE
from vae_lab.objectives.introspection import refuse_unsuitable
from vae_lab.objectives.soft_intro_vae import SoftIntroVAE
from vae_lab.priors.mixture import MixturePrior
from vae_lab.training.job import Job
from vae_lab.types import Batch

OBJECTIVES = {
    "soft_intro_vae": lambda k2=1.0: SoftIntroVAE(1.0, k2, 4.0, 0.5, 0.0),
    "intro_vae": lambda k2=1.0: IntroVAE(1.0, k2, 100.0, 0.5, 0.0),
}
TINY_RUN = ("dataset=digits", "dataset.limit=60", "batch_size=20", "logger=none", "figures=none", "metrics=loss_terms")
either = pytest.mark.parametrize("name", OBJECTIVES)


@either
def test_the_logged_terms_are_those_of_real_images_and_the_kl_of_decoded_ones(name):
    model, batch, noise = small_model(), random_batch(), at("model").noise
    logs = OBJECTIVES[name](3.0)(model, batch, at("model")).logs
    assert set(logs) == {"loss", "recon", "kl", "elbo", "kl_reconstructions", "kl_samples", "repulsion"}
    torch.testing.assert_close(logs["loss"], logs["recon"] + 3 * logs["kl"])
    real = model.infer(batch.x, None, 1, noise)
    drawn = model.likelihood.mean(model.decode(model.prior_sample(5, None, noise), None))[0]
    reconstructed = model.likelihood.mean(model.decode(real.z, None))[0]
    for term, images in (("kl", batch.x), ("kl_reconstructions", reconstructed), ("kl_samples", drawn)):
        kl = model.infer(images, None, 1, noise).kl[0].sum() / 5
        torch.testing.assert_close(logs[term], kl.detach())
    assert not any(value.requires_grad for value in logs.values())


@either
@pytest.mark.parametrize("phase", ["model", "decoder"])
@pytest.mark.parametrize("more", [
    {"posterior": FlowPosterior}, {"prior": lambda d, _: MixturePrior(d, (), 4, 1.0)}, {"likelihood": Bernoulli()},
    {"likelihood": Sigma()}, {"conditional": True, "y_size": 3},
], ids=["flow", "mixture", "bernoulli", "sigma", "conditional"])  # fmt: skip
def test_it_combines_with(name, phase, more):
    batch = random_batch()
    batch.y = torch.tensor([0, 1, 2, 0, 1]) if "conditional" in more else None
    job = Job(small_model(**more), OBJECTIVES[name]())
    isolate(job, phase)
    terms = job(batch, at(phase))
    terms.loss.backward()
    assert torch.isfinite(torch.stack([terms.loss, *terms.logs.values()])).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in job.parameters_of(phase))
    assert any(p.grad.any() for p in job.parameters_of(phase))


@either
def test_a_learned_sigma_observes_each_batch_once_and_only_real_images(name):
    model, plain, batch = small_model(Sigma()), small_model(Sigma()), random_batch()
    job, noise = Job(model.train(), OBJECTIVES[name]()), at("model").noise
    for phase in job.objective.phases:
        job(batch, at(phase))
    plain.train()
    z = plain.infer(batch.x, None, 1, noise).z
    plain.likelihood.observe(plain.decode(z, None), batch.target)
    assert torch.equal(model.likelihood.mse, plain.likelihood.mse)
    assert model.likelihood.steps == 1


@pytest.mark.parametrize(("lacking", "need"), [
    ({"x": torch.zeros(5, 4, dtype=torch.long)}, "examples that are images"),
    ({"codes": (torch.zeros(1),)}, "real codes"),
    ({"deterministic": True}, "a posterior that is a distribution"),
    ({"z": (torch.zeros(1), torch.zeros(1))}, "one level of latents"),
])  # fmt: skip
def test_what_is_not_suitable_is_refused(lacking, need):
    model = SimpleNamespace(deterministic=lacking.get("deterministic", False))
    latents = SimpleNamespace(codes=lacking.get("codes"), z=lacking.get("z", (torch.zeros(1),)))
    x = lacking.get("x", torch.zeros(5, 1, 8, 8))
    with pytest.raises(UserError, match=rf"objective=intro_vae needs .*{need}.*; type objective=elbo"):
        refuse_unsuitable("intro_vae", model, Batch(x, x, None), latents)


@pytest.mark.parametrize(("name", "model"), [("soft_intro_vae", "hierarchical"), ("intro_vae", "vq_vae")])
def test_unsuitable_models_are_refused_in_one_line_before_training(cli, name, model, tmp_path):
    ended = cli("train", *TINY_RUN, f"objective={name}", f"model={model}", "hydra.run.dir=run")
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert f"objective={name} needs" in ended.err
    assert not (tmp_path / "run").exists()


@either
@pytest.mark.parametrize("phase", ["model", "decoder"])
def test_jobs_that_differ_in_a_weight_stack(name, phase):
    batch, jobs = random_batch(), [Job(small_model(), OBJECTIVES[name](k2)) for k2 in (1.0, 3.0)]
    parameters, buffers = torch.func.stack_module_state(jobs)
    draws = [torch.randn(shape, generator=gen()) for shape in ((1, 5, 3), (5, 3), (1, 10, 3))]

    def loss(parameters, buffers, draws):
        return torch.func.functional_call(
            jobs[0], (parameters, buffers), (batch, at(phase, GivenNoise(*draws)))
        ).loss  # fmt: skip

    together = torch.vmap(loss, in_dims=(0, 0, None))(parameters, buffers, draws)
    alone = [loss(dict(job.named_parameters()), dict(job.named_buffers()), draws) for job in jobs]
    torch.testing.assert_close(together, torch.stack(alone))
    assert together[0] != together[1]


@either
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(cli, tmp_path, name):
    words = ("train", *TINY_RUN, f"objective={name}", "model=dense", "model.net.width=16", "latent_dim=3")
    for folder, epochs in (("whole", 4), ("half", 2)):
        assert cli(*words, f"epochs={epochs}", f"hydra.run.dir={folder}").status == 0
    config = (tmp_path / "half" / "config.yaml").read_text()
    (tmp_path / "half" / "config.yaml").write_text(config.replace("epochs: 2\n", "epochs: 4\n"))
    (tmp_path / "half" / "results.json").unlink()
    ended = cli("train", "resume=half")
    assert ended.status == 0, ended.err
    assert curves_of(tmp_path / "half") == curves_of(tmp_path / "whole")
    assert {"val/kl_samples", "val/kl_reconstructions", "train/decoder_loss"} <= set(curves_of(tmp_path / "whole")[0])
    for key, value in weights_of(tmp_path / "whole").items():
        assert torch.equal(weights_of(tmp_path / "half")[key], value)
    assert weights_of(tmp_path / "whole")["job.model.likelihood.steps"] == 4 * 3  # once per batch


def test_the_last_epoch_counts_as_the_best_since_no_loss_ranks_epochs(cli, tmp_path):
    """The first two epochs train a VAE, and the loss on real images then rises."""
    words = ("train", *TINY_RUN, "objective=intro_vae", "model=dense", "model.net.width=16", "latent_dim=3", "lr=1e-2")
    assert cli(*words, "objective.alpha=20", "objective.vae_epochs=2", "epochs=4", "hydra.run.dir=run").status == 0
    rows = [float(row["val/loss"]) for row in curves_of(tmp_path / "run")]
    best, last = (
        torch.load(tmp_path / "run" / "checkpoints" / f"{which}.ckpt", weights_only=True) for which in ("best", "last")
    )
    assert min(rows) < rows[-1]
    assert best["epoch"] == last["epoch"] == 3
    protocol = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["protocol"]
    assert protocol["checkpoint"] == {"which": "last epoch", "epoch": 4}


@pytest.mark.parametrize("setting", ["training.patience=3", "scheduler=plateau"])
def test_waiting_for_the_loss_to_fall_is_refused(cli, tmp_path, setting):
    ended = cli("train", *TINY_RUN, "objective=soft_intro_vae", setting, "hydra.run.dir=run")
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert f"{setting} waits for val/loss to fall" in ended.err
    assert not (tmp_path / "run").exists()
