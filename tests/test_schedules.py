import pytest
import torch
from helpers import INF, tensor

from vae_lab.schedules import Capacity, Constant, Cyclical, Linear

KL = 12.0


def weighted(schedule, epoch: float, kl: float = KL) -> float:
    return schedule(tensor(kl), tensor(epoch)).item()


@pytest.mark.parametrize("epoch", [0, 3.7, INF])
def test_constant_leaves_kl_as_it_is(epoch):
    assert weighted(Constant(), epoch) == KL


@pytest.mark.parametrize(("epoch", "share"), [(0, 0), (2.5, 0.25), (5, 0.5), (10, 1), (11, 1), (INF, 1)])
def test_linear_rises_from_0_to_1(epoch, share):
    assert weighted(Linear(10), epoch) == pytest.approx(share * KL)


@pytest.mark.parametrize(
    ("epoch", "share"),
    [(0, 0), (1, 0.5), (2, 1), (3.9, 1), (4, 0), (5, 0.5), (7, 1), (8, 1), (100, 1), (INF, 1)],
)
def test_cyclical_rises_anew_in_each_cycle_and_stays_at_1_after_the_last(epoch, share):
    assert weighted(Cyclical(epochs=8, cycles=2, ratio=0.5), epoch) == pytest.approx(share * KL)


def test_one_cycle_over_its_whole_length_is_linear():
    epochs = [0, 0.3, 2, 3.9, 4, 9]
    cyclical, linear = Cyclical(epochs=4, cycles=1, ratio=1.0), Linear(4)
    assert [weighted(cyclical, e) for e in epochs] == pytest.approx([weighted(linear, e) for e in epochs])


@pytest.mark.parametrize(("epoch", "capacity"), [(0, 0), (5, 10), (10, 20), (50, 20), (INF, 20)])
@pytest.mark.parametrize("kl", [3.0, 30.0])
def test_capacity_is_the_distance_from_a_rising_target(epoch, capacity, kl):
    assert weighted(Capacity(capacity=20, epochs=10), epoch, kl) == pytest.approx(abs(kl - capacity))


@pytest.mark.parametrize("schedule", [Constant(), Linear(10), Cyclical(8, 2, 0.5), Capacity(20, 10)])
@pytest.mark.parametrize("epoch", [0.5, INF])
def test_gradients_are_finite(schedule, epoch):
    kl = torch.tensor(KL, requires_grad=True)
    schedule(kl, tensor(epoch)).backward()
    assert torch.isfinite(kl.grad)


@pytest.mark.parametrize("schedule", [Linear(10), Cyclical(8, 2, 0.5), Capacity(20, 10)])
def test_inf_is_where_a_long_training_ends(schedule):
    assert weighted(schedule, INF) == weighted(schedule, 1e6)
