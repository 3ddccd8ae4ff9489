"""Tests of free bits and the minimum rate, the values of the KL below which it costs nothing."""

import pytest
import torch
from helpers import FlowPosterior, GivenNoise, random_batch, small_model, step

from vae_lab.errors import UserError
from vae_lab.objectives.elbo import ELBO, at_least
from vae_lab.schedules import Capacity, Constant, Linear
from vae_lab.training.job import Job


def elbo(k2=1.0, samples=1, estimator="B", schedule=None, free_bits=0.0, min_rate=0.0, **more) -> ELBO:
    return ELBO(1.0, k2, samples, estimator, schedule or Constant(), free_bits, min_rate, **more)


def with_kl(*per_dimension: list[list[float]]):
    """A model whose levels have these KLs [B, D]."""
    model = small_model()
    infer = model.infer

    def given(*args):
        latents = infer(*args)
        latents.kl = tuple(torch.tensor([level]) for level in per_dimension)
        return latents

    model.infer = given
    return model


def counted(model, batch=None, **numbers) -> float:
    """Return the term that is weighted in place of the KL."""
    batch = batch or random_batch(2)
    return (elbo(2.0, **numbers)(model, batch, step()).loss - elbo(0.0)(model, batch, step()).loss).item() / 2


@pytest.mark.parametrize(
    ("free_bits", "expected"),
    [(0, 0.1 + 1.0 + 4.0), (0.1, 0.1 + 1 + 4), (0.5, 0.5 + 1 + 4), (2, 2 + 2 + 4), (9, 27)],
)
def test_free_bits_floor_the_batch_mean_of_each_dimension(free_bits, expected):
    model = with_kl([[0.2, 0.5, 8.0], [0.0, 1.5, 0.0]])
    assert counted(model, free_bits=free_bits) == pytest.approx(expected, rel=1e-5)


def test_free_bits_floor_each_dimension_of_each_level():
    model = with_kl([[0.2], [0.0]], [[3.0, 0.0], [1.0, 0.0]])
    assert counted(model, free_bits=0.5) == pytest.approx(0.5 + 2 + 0.5, rel=1e-5)


@pytest.mark.parametrize(("free_bits", "expected"), [(0.5, 0.5 + 2.2), (1, 1 + 2.2), (3, 3 + 3)])
def test_free_bits_per_level_floor_the_sum_of_each_level(free_bits, expected):
    model = with_kl([[0.1, 0.3], [0.1, 0.3]], [[3.0, 0.2], [1.0, 0.2]])
    assert counted(model, free_bits=free_bits, free_bits_per="level") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("min_rate", "expected"), [(0, 5.1), (5, 5.1), (5.5, 5.5), (30, 30)])
def test_the_minimum_rate_floors_the_whole(min_rate, expected):
    model = with_kl([[0.2, 0.5, 8.0], [0.0, 1.5, 0.0]])
    assert counted(model, min_rate=min_rate) == pytest.approx(expected, rel=1e-5)


def test_both_together_floor_the_dimensions_first():
    model = with_kl([[0.0, 4.0], [0.0, 4.0]])
    assert counted(model, free_bits=1, min_rate=4.5) == pytest.approx(5, rel=1e-5)
    assert counted(model, free_bits=1, min_rate=7) == pytest.approx(7, rel=1e-5)


@pytest.mark.parametrize("floors", [{"free_bits": 3.0}, {"min_rate": 30.0}])
def test_the_kl_itself_is_logged(floors):
    model, batch = small_model(), random_batch()
    assert elbo(**floors)(model, batch, step()).logs == elbo()(model, batch, step()).logs


@pytest.mark.parametrize("floors", [{"free_bits": 3.0}, {"min_rate": 30.0}])
def test_below_the_floor_the_kl_pulls_at_nothing_and_above_it_as_always(floors):
    batch = random_batch()

    def gradient(**numbers):
        model = small_model()
        elbo(**numbers)(model, batch, step()).loss.backward()
        return model.posterior.mu.weight.grad

    assert torch.equal(gradient(k2=5.0, **floors), gradient(k2=0.0))
    tiny = dict.fromkeys(floors, 1e-09)
    torch.testing.assert_close(gradient(k2=5.0, **tiny), gradient(k2=5.0))
    assert not torch.equal(gradient(k2=5.0), gradient(k2=0.0))


@pytest.mark.parametrize("estimator", ["A", "B"])
def test_a_sampled_kl_is_floored_as_one(estimator):
    model, batch = small_model(posterior=FlowPosterior), random_batch(2)
    kl = elbo(estimator=estimator, samples=4)(model, batch, step()).logs["kl"].item()
    latents = model.infer(batch.x, None, 4, step().noise)
    assert kl == pytest.approx((latents.log_q - latents.log_p).mean().item(), rel=1e-5)
    plain = elbo(0.0, 4, estimator)(model, batch, step()).loss
    for free_bits, expected in ((kl / 2, kl), (kl + 1, kl + 1)):
        loss = elbo(1.0, 4, estimator, free_bits=free_bits)(model, batch, step()).loss
        assert (loss - plain).item() == pytest.approx(expected, abs=1e-4)


def test_off_a_negative_estimate_stays_negative():
    x = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.equal(at_least(torch.tensor(0.0), x), x)
    assert at_least(torch.tensor(1.0), x).tolist() == [1, 1, 3]


def test_schedules_act_on_the_floored_kl():
    model, batch = with_kl([[0.0, 4.0], [0.0, 4.0]]), random_batch(2)
    plain = elbo(0.0)(model, batch, step(epoch=5)).loss
    half = elbo(2.0, schedule=Linear(10), free_bits=1)(model, batch, step(epoch=5)).loss
    assert (half - plain).item() == pytest.approx(5, rel=1e-4)
    aimed = elbo(1.0, schedule=Capacity(20, 10), free_bits=1)(model, batch, step()).loss
    assert (aimed - plain).item() == pytest.approx(15, rel=1e-4)


def test_a_single_image_is_enough():
    assert torch.isfinite(elbo(free_bits=0.5, min_rate=9)(small_model(), random_batch(1), step()).loss)


def test_jobs_that_differ_in_their_floors_stack():
    """As many jobs are trained in one: state with a leading axis, the loss a vector."""
    batch = random_batch()
    jobs = [
        Job(small_model(), elbo(**numbers)) for numbers in ({"free_bits": 1e-9}, {"free_bits": 3.0}, {"min_rate": 30.0})
    ]
    parameters, buffers = torch.func.stack_module_state(jobs)

    def loss(parameters, buffers, eps):
        at = step()
        at.noise = GivenNoise(eps)
        return torch.func.functional_call(jobs[0], (parameters, buffers), (batch, at)).loss

    eps = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    together = torch.vmap(loss, in_dims=(0, 0, None))(parameters, buffers, eps)
    alone = torch.stack([loss(dict(job.named_parameters()), dict(job.named_buffers()), eps) for job in jobs])
    torch.testing.assert_close(together, alone)
    assert len(set(together.tolist())) == 3
    together.sum().backward()
    assert parameters["model.posterior.mu.weight"].grad.abs().amax((1, 2)).gt(0).all()


def test_free_bits_per_level_without_free_bits_is_refused():
    with pytest.raises(UserError, match=r"^objective.free_bits_per=level changes nothing"):
        elbo(free_bits_per="level")


def test_on_one_level_free_bits_per_level_is_the_minimum_rate():
    model, batch = small_model(), random_batch(3)
    for floor in (0.1, 3.0, 30.0):
        level = elbo(free_bits=floor, free_bits_per="level")(model, batch, step()).loss
        assert level == elbo(min_rate=floor)(model, batch, step()).loss
