"""Tests of which jobs may be trained as one stack."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from helpers import small_model
from stacked_runs import NETS, jobs_of

from vae_lab.config.trust import trusting
from vae_lab.likelihoods import Gaussian, Sigma
from vae_lab.nets.dense import Dense
from vae_lab.objectives.elbo import ELBO
from vae_lab.runs.preparing import prepare
from vae_lab.schedules import Capacity, Constant, Cyclical, Linear
from vae_lab.stack.grouping import settings_of, stacks
from vae_lab.stack.structure import description_of, structure_of
from vae_lab.training.job import Job

DENSE = NETS["dense"]


def groups(tmp_path, each, words=()):
    """Numbers of the jobs of each stack, of those whose settings are equal."""
    jobs = jobs_of(tmp_path, [*DENSE, *words], each)
    alike = {}
    for job in jobs:
        alike.setdefault(settings_of(job), []).append(prepare(job.config, job.folder))
    found = [group for some in alike.values() for group in stacks(some)]
    return sorted(sorted(int(one.run_dir.name) for one in group) for group in found)


@pytest.mark.parametrize(
    "each",
    [
        ["beta=1", "beta=4", "k1=0.5 k2=2", "lr=1e-4", "seed=3", "epochs=7", "training.patience=2", "scheduler=cosine",
         "scheduler=steps", "metrics=fast", "figures=default", "sampler=gmm"],
        ["objective.free_bits=1", "objective.min_rate=2"],
        ["beta_schedule=linear", "beta_schedule=linear beta_schedule.epochs=3"],
        ["beta_schedule=capacity", "beta_schedule=capacity beta_schedule.capacity=5"],
        ["likelihood=gaussian likelihood.sigma=0.1", "likelihood=gaussian likelihood.sigma=0.2"],
        ["objective=factor_vae", "objective=factor_vae objective.discriminator_optimizer.lr=1e-5"],
    ],
)  # fmt: skip
def test_jobs_may_differ_in_the_state_that_each_keeps(tmp_path, each):
    assert groups(tmp_path, each) == [list(range(len(each)))]


@pytest.mark.parametrize(
    "other",
    ["latent_dim=4", "model.net.width=8", "model.net.activation=relu", "likelihood=bernoulli", "posterior=planar",
     "prior=mixture", "objective=ae", "objective.samples=2", "objective.estimator=A", "beta_schedule=linear",
     "likelihood=sigma_predicted", "batch_size=16", "dataset.limit=200", "training.clip=1", "training.accumulate=2",
     "optimizer=adamw", "optimizer.weight_decay=0.1", "precision=bf16", "conditional=true", "dataset.seed=5"],
)  # fmt: skip
def test_these_take_other_steps(tmp_path, other):
    assert groups(tmp_path, ["beta=1", "beta=2", other]) == [[0, 1], [2]]


@pytest.mark.parametrize(
    "word",
    ["scheduler=plateau", "accelerator=ddp accelerator.kind=cpu accelerator.devices=2",
     "objective=iwae objective.samples=2 objective.gradient=dreg", "compile=true",
     "optimizer._target_=torch.optim.Adadelta", "figures=[manifold] figures.manifold.every=1 latent_dim=2"],
)  # fmt: skip
def test_jobs_that_cannot_be_stacked_train_alone(tmp_path, word):
    fused = " ~optimizer.fused ~optimizer.betas" if "Adadelta" in word else ""
    with trusting(["torch.optim.Adadelta"]):
        assert groups(tmp_path, [f"seed=0 {word}{fused}", f"seed=1 {word}{fused}"]) == [[0], [1]]


def test_a_schedule_that_moves_the_momentum_trains_alone(tmp_path):
    (job,) = jobs_of(tmp_path, DENSE, ["optimizer=sgd scheduler=cosine"])
    cycle = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "_partial_": True, "max_lr": 0.1, "total_steps": 90}
    job.config["scheduler"]["make"] = cycle
    with trusting([str(cycle["_target_"])]):
        one = prepare(job.config, job.folder)
        assert len(stacks([one, one])) == 2
        job.config["scheduler"]["make"] = {**cycle, "cycle_momentum": False}
        one = prepare(job.config, job.folder)
        assert len(stacks([one, one])) == 1


def test_completed_epochs_distinguish_jobs(tmp_path):
    jobs = jobs_of(tmp_path, [*DENSE, "epochs=5"], ["seed=0", "seed=1", "seed=2", "seed=3"])
    prepared = [prepare(job.config, job.folder) for job in jobs]
    for one, done in zip(prepared, (2, 0, 2, 5)):
        one.epochs_done = done
    assert [len(group) for group in stacks(prepared)] == [2, 1, 1]


def job(schedule=None, likelihood=None, **more):
    return Job(small_model(likelihood), ELBO(1, 1, 1, "B", schedule or Constant(), **more))


def test_values_of_buffers_are_free_and_plain_numbers_are_not():
    assert structure_of(job(Linear(3), free_bits=1.0)) == structure_of(job(Linear(4), min_rate=2.0))
    assert structure_of(job(Capacity(3, 5))) == structure_of(job(Capacity(4, 6)))
    assert structure_of(job(Cyclical(8, 2, 0.5))) == structure_of(job(Cyclical(9, 3, 0.1)))
    assert structure_of(job(likelihood=Gaussian(0.1))) == structure_of(job(likelihood=Gaussian(0.2)))
    assert structure_of(job(likelihood=Sigma(0.1))) != structure_of(job(likelihood=Sigma(0.2)))
    assert structure_of(job(Linear(3))) != structure_of(job())
    assert structure_of(Job(small_model(), job().objective)) != structure_of(
        Job(small_model(net=Dense(16, 1, "relu")), job().objective)
    )


def test_an_unknown_object_equals_nothing_else():
    class Slotted:
        __slots__ = ("x",)

    one = Slotted()
    assert description_of(one) == description_of(one)
    assert description_of(one) != description_of(Slotted())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (partial(math.pow, 2), partial(math.pow, 3)),
        (lambda x: x, lambda x: x + 1),
        ((lambda n: lambda x: x + n)(1), (lambda n: lambda x: x + n)(2)),
        (SimpleNamespace(x=[1, {"a": 2}]), SimpleNamespace(x=[1, {"a": 3}])),
        (torch.zeros(2), torch.ones(2)),
        ("".join, " ".join),
        ((1, 2), (1, 3)),
        ({1, 2}, {1, 3}),
        (1, True),
    ],
)
def test_plain_objects_are_compared_by_their_contents(a, b):
    assert description_of(a) != description_of(b)


def test_a_circle_ends():
    a, b = SimpleNamespace(x=1), SimpleNamespace(x=1)
    a.me, b.me = a, b
    assert description_of(a) == description_of(b)
