"""Tests of clipping in every precision: a step through Lightning is that of a loop with ``clip_grad_norm_``."""

import copy
import warnings
from typing import ClassVar

import pytest
import pytorch_lightning as pl
import torch
from helpers import random_batch, small_model
from torch import nn

from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.training.job import Job
from vae_lab.training.lit import LitJob
from vae_lab.training.precision import precision_of
from vae_lab.types import GENERATION, INFERENCE, Group, Step

CLIP, BATCHES = 0.1, 4
TYPES = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class TwoParts(ELBO):
    """The ELBO as two phases, which train the two halves of the model."""

    phases: ClassVar = {"model": (INFERENCE,), "decoder": (GENERATION,)}


class Repeated(TwoParts):
    """The same, with two steps of the decoder for each batch."""

    repeats: ClassVar = {"decoder": 2}


def job(objective: type[ELBO] = ELBO) -> Job:
    return Job(small_model(), objective(1, 2, 1, "B", Constant()))


def batches():
    return [random_batch(6, seed=seed) for seed in range(BATCHES)]


class Epoch:
    """All batches in one group, as an iterable that Lightning does not mistake for several loaders."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self):
        yield Group(iter(batches()[: self.count]), 0, self.count)

    def __len__(self):
        return 1


def sgd(fused: bool):
    return lambda parameters: torch.optim.SGD(parameters, 1.0, fused=fused)


def through_lightning(
    one: Job, name: str, fused: bool, accumulate: int, clip: float | None = CLIP, count: int = BATCHES
) -> None:
    lit = LitJob(one, sgd(fused), None, "epoch", 6 * BATCHES, 7, clip, accumulate, log_every=50)
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = pl.Trainer(accelerator="cpu", max_epochs=1, **quiet, **precision_of(name, "cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(lit, Epoch(count))
    assert lit.steps == count // accumulate


def by_hand(one: Job, name: str, accumulate: int) -> None:
    """The steps of all phases with ``torch.nn.utils.clip_grad_norm_``, without a scale."""
    phases = {phase: list(one.parameters_of(phase)) for phase in one.objective.phases}
    sums = {p: torch.zeros_like(p) for parameters in phases.values() for p in parameters}
    for i, batch in enumerate(batches()):
        for place, (phase, parameters) in enumerate(phases.items()):
            noise = SeededNoise("cpu", 7, "train", i, place, 0)
            with torch.autocast("cpu", TYPES[name], enabled=TYPES[name] is not None):
                loss = one(batch, Step(torch.tensor(i // accumulate), torch.tensor(i / BATCHES), noise, phase, 24)).loss
            grads = torch.autograd.grad(loss / accumulate, parameters, allow_unused=True)
            for p, grad in zip(parameters, grads):
                sums[p] += 0 if grad is None else grad
            if i % accumulate == accumulate - 1:
                for p in parameters:
                    p.grad = sums[p]
                nn.utils.clip_grad_norm_(parameters, CLIP)
                sgd(False)(parameters).step()
                for p in parameters:
                    sums[p] = torch.zeros_like(p)


@pytest.mark.parametrize("objective", [ELBO, TwoParts])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_clipped_steps_are_those_of_a_loop_written_by_hand(name, fused, accumulate, objective):
    ours = job(objective)
    hand = copy.deepcopy(ours)
    through_lightning(ours, name, fused, accumulate)
    by_hand(hand, name, accumulate)
    tolerance = {"32-true": 1e-6, "bf16-mixed": 1e-6, "16-mixed": 2e-4}[name]  # in fp16, small gradients are not lost
    for a, b in zip(ours.parameters(), hand.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_the_norm_of_a_step_is_that_of_the_clipped_gradient(name, fused):
    free, bound = job(), job()
    start = nn.utils.parameters_to_vector(free.parameters()).detach().clone()
    through_lightning(free, name, fused, BATCHES, clip=None)
    through_lightning(bound, name, fused, BATCHES)
    moved = [(nn.utils.parameters_to_vector(one.parameters()) - start).norm().item() for one in (free, bound)]
    assert moved[0] > 5 * CLIP
    assert moved[1] == pytest.approx(CLIP, rel=1e-3)


@pytest.mark.parametrize("name", TYPES)
def test_a_phase_that_steps_twice_is_clipped_twice(name):
    once, twice = job(TwoParts), job(Repeated)
    start = {key: value.clone() for key, value in once.state_dict().items()}
    through_lightning(once, name, True, 1, count=1)
    through_lightning(twice, name, True, 1, count=1)
    moved = []
    for one in (once, twice):
        changes = [(value - start[key]).flatten() for key, value in one.state_dict().items() if "decode" in key]
        moved.append(torch.cat(changes).norm().item())
    assert moved[0] == pytest.approx(CLIP, rel=1e-3)
    assert CLIP < moved[1] <= 2 * CLIP * 1.001
