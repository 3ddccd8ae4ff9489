"""Tests of the compiled loss: it gives the same numbers, falls back to the job, and is used only if it pays off."""

import shutil

import pytest
import torch
from helpers import random_batch, small_model, step

from vae_lab.config.composing import composer
from vae_lab.errors import RunFailed, UserError
from vae_lab.likelihoods import Sigma
from vae_lab.objectives.elbo import ELBO
from vae_lab.runs.build import make_job
from vae_lab.schedules import Constant
from vae_lab.training.compiled import Compiled, choose
from vae_lab.training.job import Job

CPU = torch.device("cpu")


def job() -> Job:
    return Job(small_model(Sigma()), ELBO(1, 2, 3, "B", Constant()))


@pytest.fixture
def traced(monkeypatch):
    """Make torch.compile trace functions without compiling them to C++; the result lists the calls."""
    compile_ = torch.compile
    calls = []

    def light(function, **how):
        compiled = compile_(function, backend="eager", **how)
        return lambda *a: calls.append(1) or compiled(*a)

    monkeypatch.setattr(torch, "compile", light)
    return calls


def test_numbers_and_the_likelihoods_state_are_those_of_the_job(traced):
    plain, other = job(), job()
    fast = Compiled(other, 5, None)
    for key in range(3):
        batch = random_batch(5, seed=key)
        ours, expected = fast(batch, step(key)), plain(batch, step(key))
        torch.testing.assert_close(ours.loss, expected.loss)
        assert ours.logs.keys() == expected.logs.keys()
        ours.loss.backward()
        expected.loss.backward()
    assert len(traced) == 3
    torch.testing.assert_close(other.state_dict(), plain.state_dict())
    assert plain.model.likelihood.steps == 3
    for a, b in zip(other.parameters(), plain.parameters()):
        torch.testing.assert_close(a.grad, b.grad)


def test_a_smaller_batch_is_left_to_the_job(traced):
    one = job()
    fast = Compiled(one, 5, None)
    assert torch.equal(fast(random_batch(3), step()).loss, job()(random_batch(3), step()).loss)
    assert not traced


@pytest.fixture
def untraceable(monkeypatch):
    def fails(*_):
        raise RuntimeError("this cannot be traced")

    monkeypatch.setattr(torch, "compile", lambda function, **how: fails)


def test_a_job_that_cannot_be_compiled_is_computed_uncompiled_and_this_is_reported_once(untraceable):
    told = []
    fast = Compiled(job(), 5, told.append)
    expected = job()(random_batch(), step()).loss
    assert torch.equal(fast(random_batch(), step()).loss, expected)
    assert torch.equal(fast(random_batch(), step()).loss, expected)
    assert told == ["compile=auto: torch cannot compile this job (this cannot be traced), so it is not compiled"]


def test_it_fails_where_compiling_was_asked_for(untraceable):
    with pytest.raises(RunFailed, match=r"this cannot be traced.*type compile=false"):
        Compiled(job(), 5, None)(random_batch(), step())


@pytest.mark.parametrize(("epochs", "compiles"), [(1, False), (10**9, True)])
def test_auto_compiles_long_training_only(epochs, compiles, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    found, why = choose("auto", job(), random_batch(), 5, 1000, epochs, CPU)
    assert found is compiles
    assert why.startswith(f"compile=auto: {'compiled' if compiles else 'not compiled'}")


def test_counting_leaves_the_job_as_it_was():
    one, same = job(), job()
    choose("auto", one, random_batch(), 5, 1000, 1, CPU)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), same.state_dict().values()))
    assert all(p.grad is None for p in one.parameters())


def test_without_a_compiler_it_is_refused_or_left_out(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert choose("auto", job(), random_batch(), 5, 1000, 10**9, CPU)[0] is False
    with pytest.raises(
        UserError, match="needs a C\\+\\+ compiler, which was not found; install it, or type compile=false"
    ):
        choose(True, job(), random_batch(), 5, 1000, 1, CPU)
    assert choose(False, job(), random_batch(), 5, 1000, 10**9, CPU) == (False, "")


OBJECTIVES = ["elbo", "elbo objective.free_bits=0.1", "iwae", "iwae objective.gradient=dreg", "info_vae", "wae",
              "beta_tcvae", "factor_vae", "dip_vae_i", "dip_vae_ii", "ae", "rae_l2", "rae_gp",
              "soft_intro_vae", "intro_vae"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("model", ["dense", "cnn"])
@pytest.mark.parametrize("words", OBJECTIVES)
def test_every_objective_compiles_to_the_same_loss_and_gradients(words, model):
    first, *more = words.split()
    with composer([f"model={model}", f"objective={first}", "dataset=digits", *more]) as compose:
        config = compose([])
    plain, other = (make_job(config, (1, 8, 8), 0) for _ in range(2))
    fast, batch = Compiled(other, 16, None), random_batch(16)
    for phase in plain.objective.phases:
        at = step(epoch=1.0)
        at.phase = phase
        expected = plain(batch, at)
        at = step(epoch=1.0)
        at.phase = phase
        ours = fast(batch, at)
        torch.testing.assert_close(ours.loss, expected.loss, rtol=1e-4, atol=1e-5)
        expected.loss.backward()
        ours.loss.backward()
    for (name, a), b in zip(other.named_parameters(), plain.parameters()):
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-2, atol=1e-4, msg=name)
