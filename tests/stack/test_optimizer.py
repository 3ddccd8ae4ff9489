"""Tests that steps of the stack's optimizer equal those of a separate optimizer for each job."""

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from vae_lab.stack.optimizer import STACKABLE, LearningRate, clip, keep, stacked_state, step
from vae_lab.stack.room import numbers_kept, split

RATES = (1e-2, 3e-3, 1e-5)
SHAPES = ((4, 3), (3,))


def gradients(of: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(of)
    return [torch.randn(len(RATES), *shape, generator=g) for shape in SHAPES]


def alone(maker, place: int, steps: int):
    ps = [nn.Parameter(x[place].clone()) for x in gradients(0)]
    optimizer = maker(ps, lr=RATES[place])
    for t in range(1, steps):
        for p, g in zip(ps, gradients(t)):
            p.grad = g[place].clone()
        optimizer.step()
    return ps, optimizer


@pytest.mark.parametrize("kind", STACKABLE)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_each_job_steps_with_its_own_rate(kind, decay):
    def maker(ps, lr=1e-2):
        more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        return kind(ps, lr=lr, weight_decay=decay, **more)

    ps = [nn.Parameter(x) for x in gradients(0)]
    optimizer = maker(ps)
    rates = [LearningRate(lambda p, lr=lr: maker(p, lr), None) for lr in RATES]
    for t in range(1, 12):
        for p, g in zip(ps, gradients(t)):
            p.grad = g.clone()
        step(optimizer, rates)
    for place in range(len(RATES)):
        own, theirs = alone(maker, place, 12)
        for p, q in zip(ps, own):
            torch.testing.assert_close(p[place], q, rtol=1e-6, atol=1e-7)
        state = rates[place].state_of(optimizer.state_dict(), place)
        assert state["param_groups"] == theirs.state_dict()["param_groups"]
        torch.testing.assert_close(state["state"], theirs.state_dict()["state"], rtol=1e-5, atol=1e-7)
    back = stacked_state([rate.state_of(optimizer.state_dict(), i) for i, rate in enumerate(rates)])
    torch.testing.assert_close(back["state"], optimizer.state_dict()["state"])


def test_no_rate_at_all_moves_nothing():
    p = nn.Parameter(torch.ones(2, 3))
    p.grad = torch.ones(2, 3)
    step(torch.optim.SGD([p], lr=1.0), [LearningRate(lambda ps: torch.optim.SGD(ps, lr=0.0), None)] * 2)
    assert torch.equal(p, torch.ones(2, 3))


@pytest.mark.parametrize("largest", [0.1, 3.0, 1e9])
def test_clipping_is_that_of_each_job_alone(largest):
    ps = [nn.Parameter(torch.zeros_like(g)) for g in gradients(1)]
    for p, g, scale in zip(ps, gradients(1), (1.0, 0.1)):
        p.grad = g * scale
    clip([*ps, nn.Parameter(torch.zeros(3, 1))], largest)
    for place in range(len(RATES)):
        own = [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
        for p, g, scale in zip(own, gradients(1), (1.0, 0.1)):
            p.grad = g[place] * scale
        clip_grad_norm_(own, largest)
        for p, q in zip(ps, own):
            torch.testing.assert_close(p.grad[place], q.grad, rtol=1e-6, atol=0)


def test_a_gradient_that_is_no_number_stays_with_its_job():
    p = nn.Parameter(torch.zeros(2, 3))
    p.grad = torch.tensor([[1.0, 2, 3], [torch.nan, 1, 1]])
    clip([p], 1.0)
    assert p.grad[0].isfinite().all()


def test_the_state_of_jobs_that_left_is_forgotten():
    p = nn.Parameter(torch.zeros(3, 2))
    p.grad = torch.arange(6.0).reshape(3, 2)
    optimizer = torch.optim.Adam([p])
    optimizer.step()
    before = optimizer.state[p]["exp_avg"].clone()
    keep(optimizer, torch.tensor([0, 2]))
    assert torch.equal(optimizer.state[p]["exp_avg"], before[[0, 2]])
    assert optimizer.state[p]["step"] == 1


@pytest.mark.parametrize(("size", "most", "parts"), [(7, None, [7]), (7, 7, [7]), (7, 3, [3, 2, 2]), (2, 1, [1, 1])])
def test_parts_are_even(size, most, parts):
    assert split(size, most) == parts


@pytest.mark.parametrize(("kind", "kept"), [(torch.optim.Adam, 2), (torch.optim.SGD, 0), (torch.optim.Adagrad, 1)])
def test_the_state_of_an_optimizer_is_counted(kind, kept):
    assert numbers_kept(kind) == kept
