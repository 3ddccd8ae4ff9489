"""Tests that objectives and likelihoods train every level of hierarchies, or say in one line why they do not."""

from functools import cache

import pytest
import torch
from helpers import step

from vae_lab.config.composing import composer
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation
from vae_lab.metrics.nll import NLL
from vae_lab.objectives.terms import run_model
from vae_lab.runs.build import make_data, make_job
from vae_lab.training.job import Job
from vae_lab.types import Batch

DATA = ["dataset=digits", "dataset.limit=16", "batch_size=8"]
MODELS = {
    "ladder": ["model=ladder", "model.latent_dims=[4,3,2]", "model.net.widths=[16,12,8]"],
    "ladder_cnn": ["model=ladder_cnn", "model.latent_dims=[1,2]", "model.net.channels=[4,4]", "model.net.scales=[2,4]"],
    "hierarchical": ["model=hierarchical", "model.latent_dims=[4,3]", "model.net.widths=[16,12]"],
}
TRAINED = {
    "beta": ["beta=4"],
    "k1 and k2": ["k1=0.5", "k2=2"],
    "capacity": ["beta_schedule=capacity"],
    "warm-up": ["beta_schedule=linear", "beta_schedule.epochs=2"],
    "free bits": ["objective.free_bits=0.001"],
    "estimator A": ["objective.estimator=A"],
    "iwae": ["objective=iwae", "objective.samples=3"],
    "piwae": ["objective=iwae", "objective.samples=4", "objective.groups=2", "objective.piwae=true"],
    "sigma": ["likelihood=sigma"],
    "sigma_per_pixel": ["likelihood=sigma_per_pixel"],
    "sigma_predicted": ["likelihood=sigma_predicted"],
    "gaussian": ["likelihood=gaussian"],
    "conditional": ["conditional=true"],
}
ONE_LEVEL = "needs one level of latent|compares one level of codes"
REFUSED = {
    "beta_tcvae": (["objective=beta_tcvae"], ONE_LEVEL),
    "dip_vae_ii": (["objective=dip_vae_ii"], ONE_LEVEL),
    "factor_vae": (["objective=factor_vae"], ONE_LEVEL),
    "info_vae": (["objective=info_vae"], ONE_LEVEL),
    "dreg": (["objective=iwae", "objective.gradient=dreg"], "needs one level of Gaussian posteriors"),
    "estimator A, floors": (["objective.estimator=A", "objective.free_bits=1", "objective.free_bits_per=level"],
                            "needs the KL of each level, .* type objective.estimator=B"),
}  # fmt: skip


@cache
def config_of(*words: str) -> dict:
    usual = [] if "likelihood" in " ".join(words) else ["likelihood=bernoulli"]
    with composer([*DATA, *usual, *words]) as compose:
        return compose([])


@cache
def digits() -> Dataset:
    return make_data(config_of(*MODELS["ladder"]))


def made(model: str, *words: str) -> tuple[Job, Batch]:
    config, data = config_of(*MODELS["ladder"], *words), digits()
    own = {**config_of(*MODELS[model])["model"], "conditional": config["conditional"]}
    job = make_job({**config, "model": own}, data.x_shape, data.y_size, data.values)
    return job, next(data.batches("test", 8))


def loss_of(model: str, *words: str) -> float:
    job, batch = made(model, *words)
    return job(batch, step()).loss.item()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_of_every_level_is_trained(model, name):
    job, batch = made(model, *TRAINED[name])
    for phase in job.objective.phases:
        at = step(epoch=0.5)
        at.phase = phase
        terms = job.train()(batch, at)
        assert terms.loss.isfinite()
        job.zero_grad()
        terms.loss.backward()
        for parameter, value in zip(dict(job.named_parameters()), job.parameters()):
            assert value.grad is not None, parameter
            assert value.grad.isfinite().all(), parameter
            assert value.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_one_level_says_so(model, name):
    words, reason = REFUSED[name]
    with pytest.raises(UserError, match=reason):
        loss_of(model, *words)


def test_an_autoencoder_trains_no_prior_that_inference_does_not_use():
    with pytest.raises(UserError, match="no KL term that would train the prior; type objective=elbo"):
        loss_of("hierarchical", "objective=ae")
    job, batch = made("ladder", "objective=ae")
    job(batch, step()).loss.backward()
    assert job.model.p[0].layer.weight.grad.abs().max() > 0


@pytest.mark.parametrize("model", MODELS)
def test_the_logged_kl_of_the_levels_adds_up(model):
    job, batch = made(model)
    logs = job.eval()(batch, step()).logs
    out = run_model(job.model, batch, step(), 1)
    levels = len(job.model.latent_shapes)
    assert [logs[f"kl_level{levels - i}"].item() for i in range(levels)] == pytest.approx(
        [kl.sum().item() / len(batch.x) for kl in out.latents.kl], rel=1e-5
    )
    assert sum(logs[f"kl_level{i + 1}"] for i in range(levels)).item() == pytest.approx(logs["kl"].item(), rel=1e-5)


def test_one_level_and_the_estimate_over_all_levels_log_only_the_kl():
    for words in (["objective.estimator=A"], ["objective=ae"]):
        job, batch = made("ladder", *words)
        assert not [name for name in job(batch, step()).logs if name.startswith("kl_level")]


@pytest.mark.parametrize("model", MODELS)
def test_the_nll_is_over_all_levels(model):
    """With one sample it is the negative ELBO of the same draws on average; with more it is lower."""
    trained = Evaluation(made(model)[0], digits(), 0, torch.device("cpu"))
    nll = [NLL(samples=k, images=100)(trained).values["nll"] for k in (1, 200)]
    batch = next(trained.data.batches("test", 100))
    with torch.inference_mode():
        out = run_model(trained.model, batch, step(), 200, densities=True)
    log_w = out.log_px + out.latents.log_p - out.latents.log_q
    assert nll[0] == pytest.approx(-log_w.mean().item(), abs=1)  # the standard error of 100 images is 0.3
    assert nll[1] == pytest.approx(-(log_w.logsumexp(0) - torch.tensor(200.0).log()).mean().item(), abs=0.2)
    assert nll[1] < nll[0]
