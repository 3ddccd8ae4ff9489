"""Tests of the place of a batch in its optimizer step."""

import torch

from vae_lab.training.engine import Place

CPU = torch.device("cpu")


def places(batches: int, accumulate: int, epoch: int = 0) -> list[Place]:
    return [Place(epoch, place, batches, accumulate) for place in range(batches)]


def test_every_batch_is_a_step_without_accumulation():
    assert all(at.first and at.last and at.together == 1 for at in places(3, 1))
    assert [at.count(CPU).item() for at in places(3, 1, epoch=2)] == [6.0, 7.0, 8.0]


def test_the_last_batches_of_an_epoch_may_be_fewer():
    seven = places(7, 3)
    assert [at.first for at in seven] == [True, False, False, True, False, False, True]
    assert [at.last for at in seven] == [False, False, True, False, False, True, True]
    assert [at.together for at in seven] == [3, 3, 3, 3, 3, 3, 1]


def test_time_runs_on_over_epochs():
    at = Place(epoch=2, batch=1, batches=4, accumulate=2)
    assert (at.position, at.count(CPU).item(), at.time(CPU).item()) == (9, 4.0, 2.25)
