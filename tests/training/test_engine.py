"""Tests of the training step: the place of a batch, and one step compared with a loop written by hand."""

import copy

import pytest
import torch
from helpers import random_batch, small_model

from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.job import Job
from vae_lab.types import LossTerms, Step

CPU = torch.device("cpu")
UNUSED = (pytest.fail, pytest.fail)  # functions that are called only with several phases


@pytest.mark.parametrize(
    ("batch", "batches", "accumulate", "first", "together", "last"),
    [(0, 5, 1, True, 1, True), (0, 5, 2, True, 2, False), (1, 5, 2, False, 2, True), (4, 5, 2, True, 1, True),
     (3, 5, 3, True, 2, False), (4, 5, 3, False, 2, True)],
)  # fmt: skip
def test_the_last_batches_of_an_epoch_may_be_fewer(batch, batches, accumulate, first, together, last):
    at = Place(3, batch, batches, accumulate)
    assert (at.first, at.together, at.last) == (first, together, last)
    assert at.position == 3 * batches + batch


def test_objectives_see_optimizer_steps_and_epochs():
    at = Place(2, 3, 4, 2)
    assert at.count(CPU).item() == 5
    assert Place(1, 0, 10, 4).count(CPU).item() == 3  # the last two batches of an epoch form a separate step
    assert at.time(CPU).item() == 2.75


def job() -> Job:
    return Job(small_model(), ELBO(1, 2, 1, "B", Constant()))


def test_a_step_is_that_of_a_loop_written_by_hand():
    ours, hand = job(), job()
    batches = [random_batch(6, seed=seed) for seed in range(4)]
    phase = Phase("model", torch.optim.SGD(ours.parameters(), 0.01), list(ours.parameters()))
    engine = Engine(ours, [phase], 7, 0, 24, CPU, torch.Tensor.backward, None, *UNUSED)
    losses = [engine.take(batch, Place(0, i, 4, 2))["model"].loss.item() for i, batch in enumerate(batches)]
    optimizer = torch.optim.SGD(hand.parameters(), 0.01)
    expected = []
    for i, batch in enumerate(batches):
        noise = SeededNoise("cpu", 7, "train", i, 0, 0)
        loss = hand(batch, Step(torch.tensor(i // 2), torch.tensor(i / 4), noise, "model", 24)).loss
        (loss / 2).backward()
        if i % 2:
            optimizer.step()
            optimizer.zero_grad()
        expected.append(loss.item())
    assert losses == expected
    for a, b in zip(ours.parameters(), hand.parameters()):
        assert torch.equal(a, b)


class TwoPhases(torch.nn.Module):
    """The ELBO, and a second phase that fits a number to noise."""

    phases = {"model": ("model.",), "own": ("objective.",)}  # noqa: RUF012
    samples, variational, matches_prior = 1, True, True

    def __init__(self, repeats: int) -> None:
        super().__init__()
        self.elbo, self.level = ELBO(1, 2, 1, "B", Constant()), torch.nn.Parameter(torch.zeros(3))
        self.repeats = {"own": repeats}

    def forward(self, model, batch, step):
        if step.phase == "model":
            return self.elbo(model, batch, step)
        return LossTerms((self.level - step.noise.normal(3)).square().sum(), {})


def test_a_phase_with_repeats_takes_as_many_steps_per_batch_each_with_its_own_noise():
    ours = Job(small_model(), TwoPhases(3))
    phases = [
        Phase(name, torch.optim.SGD(ours.parameters_of(name), 0.1), list(ours.parameters_of(name)), ours.repeats(name))
        for name in ours.objective.phases
    ]
    assert [phase.repeats for phase in phases] == [1, 3]
    isolated = []
    engine = Engine(ours, phases, 7, 0, 24, CPU, torch.Tensor.backward, None, isolated.append, lambda _: None)
    level, last = torch.zeros(3), torch.tensor(0.0)
    for i in range(2):
        terms = engine.take(random_batch(6, seed=i), Place(0, i, 2, 1))
        for key in ((), (1,), (2,)):  # the first step draws what a phase without repeats draws
            noise = SeededNoise("cpu", 7, "train", i, 1, 0, *key).normal(3)
            last = (level - noise).square().sum()
            level = level - 0.1 * 2 * (level - noise)
        torch.testing.assert_close(terms["own"].loss.detach(), last)
    torch.testing.assert_close(ours.objective.level.detach(), level)
    assert len(isolated) == 4


def test_gradients_are_bounded_before_the_optimizer_steps():
    free, bound = job(), job()
    start = copy.deepcopy(free.state_dict())

    def taken(one: Job, clip):
        phase = Phase("model", torch.optim.SGD(one.parameters(), 1.0), list(one.parameters()))
        Engine(one, [phase], 0, 0, 8, CPU, torch.Tensor.backward, clip, *UNUSED).take(
            random_batch(8), Place(0, 0, 1, 1)
        )
        change = torch.cat([(p - start[name]).flatten() for name, p in one.named_parameters()])
        return change.norm().item()

    assert taken(free, None) > 1
    clip = lambda optimizer: torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 0.1)  # noqa: E731
    assert taken(bound, clip) == pytest.approx(0.1, rel=1e-3)
