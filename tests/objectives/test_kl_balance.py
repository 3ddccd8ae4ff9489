"""Tests of the weights of the levels of a hierarchy during the warm-up of the KL."""

import pytest
import torch
from helpers import random_batch, small_model, step

from vae_lab.errors import UserError
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.ladder import Ladder
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.objectives.elbo import ELBO, balanced_kl
from vae_lab.schedules import Capacity, Constant, Cyclical, Linear


def elbo(schedule=None, **more) -> ELBO:
    return ELBO(1.0, 1.0, 1, "B", schedule or Linear(epochs=10), **{"kl_balance": True, **more})


def ladder() -> Ladder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ladder(DenseLevels([16, 8]), Bernoulli(), (1, 8, 8), [4, 2]).eval()


def test_the_weights_are_the_kl_per_dimension_with_the_mean_1():
    levels = [torch.tensor(3.99, requires_grad=True), torch.tensor(0.99, requires_grad=True)]
    total = balanced_kl(levels, [2, 1])  # 2 and 1 nats per dimension with the 0.01 of the authors
    assert total.item() == pytest.approx((2 * 3.99 + 1 * 0.99) / 1.5)
    total.backward()
    assert [level.grad.item() for level in levels] == pytest.approx([2 / 1.5, 1 / 1.5])  # no gradient through γ


def test_equal_levels_are_not_reweighed():
    assert balanced_kl([torch.tensor(0.0)] * 3, [5] * 3).item() == 0
    assert balanced_kl([torch.tensor(2.0)] * 3, [5] * 3).item() == pytest.approx(6)


def test_a_negative_estimate_has_a_positive_weight():
    assert balanced_kl([torch.tensor(-0.99), torch.tensor(0.99)], [1, 1]).item() == pytest.approx(0)


def test_the_loss_during_the_warm_up_has_the_weighted_kl():
    model, batch = ladder(), random_batch()
    terms = elbo()(model, batch, step(epoch=2.0))
    kl = model.infer(batch.x, None, 1, step().noise).kl
    levels, sizes = [part.mean(1).sum() for part in kl], [part.shape[2] for part in kl]
    gamma = torch.tensor([(level.item() + 0.01) / size for level, size in zip(levels, sizes)])
    expected = terms.logs["recon"] + 0.2 * (gamma / gamma.mean() * torch.stack(levels)).sum()
    torch.testing.assert_close(terms.loss, expected)
    torch.testing.assert_close(terms.logs["kl"], sum(levels).detach())  # the logged KL has no weights


@pytest.mark.parametrize("epoch", [10.0, 11.0, float("inf")])
def test_after_the_warm_up_the_loss_is_the_plain_one(epoch):
    model, batch = ladder(), random_batch()
    plain = elbo(kl_balance=False)(model, batch, step(epoch=epoch)).loss
    assert torch.equal(elbo()(model, batch, step(epoch=epoch)).loss, plain)


def test_the_levels_are_balanced_in_every_cycle():
    model, batch = ladder(), random_batch()
    balanced, plain = (elbo(Cyclical(8, 2, 0.5), kl_balance=on) for on in (True, False))
    differs = [balanced(model, batch, step(epoch=t)).loss != plain(model, batch, step(epoch=t)).loss for t in (1, 3, 5)]
    assert differs == [True, False, True]


def test_free_bits_are_applied_before_the_weights():
    model, batch = ladder(), random_batch()
    terms = elbo(free_bits=1000.0, free_bits_per="level")(model, batch, step(epoch=1.0))
    per_dimension = torch.tensor([1000.01 / 2, 1000.01 / 4])
    expected = 0.1 * 1000 * (per_dimension / per_dimension.mean()).sum()
    torch.testing.assert_close(terms.loss - terms.logs["recon"], expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: elbo(Constant()), "this schedule has none; type beta_schedule=linear"),
        (lambda: elbo(Capacity(25, 10)), "this schedule has none; type beta_schedule=linear"),
        (lambda: ELBO(1, 1, 1, "A", Linear(5), kl_balance=True), "type objective.estimator=B"),
        (lambda: elbo()(small_model(), random_batch(), step()), "this model has one level"),
    ],
)
def test_what_it_cannot_balance_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
