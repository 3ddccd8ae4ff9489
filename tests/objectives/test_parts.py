"""Tests that terms of a batch refer to one number of examples in training, validation and test."""

import pytest
import torch
from helpers import FakeTrained, labelled, random_batch, small_model, step

from vae_lab.compare.protocols import metric_of
from vae_lab.metrics.loss_terms import LossTermScores
from vae_lab.objectives.beta_tcvae import BetaTCVAE
from vae_lab.objectives.dip_vae import DIPVAE
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.info_vae import InfoVAE
from vae_lab.objectives.parts import in_parts, training_sizes
from vae_lab.schedules import Constant
from vae_lab.types import Batch

OBJECTIVES = {
    "dip_vae_i": lambda size: DIPVAE(1, 1, 10, 100, "means", 1, Constant(), size),
    "dip_vae_ii": lambda size: DIPVAE(1, 1, 10, 10, "codes", 1, Constant(), size),
    "beta_tcvae": lambda size: BetaTCVAE(1, 6, 1, 1, 1, "weighted", Constant(), size),
    "info_vae": lambda size: InfoVAE(1, 10, batch_size=size),
    "wae": lambda size: InfoVAE(1, 10, deterministic=True, batch_size=size),
}
each = pytest.mark.parametrize("name", OBJECTIVES)


@each
def test_scoring_a_large_batch_is_the_mean_over_batches_of_the_training_size(name):
    model, objective, batch = small_model().eval(), OBJECTIVES[name](8), random_batch(24)
    noise = step().noise
    parts = [objective(model, Batch(x, x, None), _with(noise)) for x in batch.x.split(8)]
    whole = objective(model, batch, step())
    torch.testing.assert_close(whole.loss, torch.stack([part.loss for part in parts]).mean())
    for term in whole.logs:
        torch.testing.assert_close(whole.logs[term], torch.stack([part.logs[term] for part in parts]).mean())
    assert set(objective.batch_terms) <= set(whole.logs)


def _with(noise):
    at = step()
    at.noise = noise
    return at


@each
def test_training_computes_its_batch_as_it_is(name):
    model, batch = small_model(), random_batch(24)
    torch.testing.assert_close(
        OBJECTIVES[name](8)(model, batch, step()).loss, OBJECTIVES[name](None)(model, batch, step()).loss
    )


@each
def test_a_large_batch_has_the_expected_terms_of_a_training_batch(name):
    """Batches of 512 and of 1,000 images have equal terms only when they are computed from 8 images at a time."""
    objective, model, batch = OBJECTIVES[name](8), small_model().eval(), random_batch(960)
    in_training = torch.stack([
        torch.stack([objective(model.train(), Batch(x, x, None), step(key)).logs[t] for t in objective.batch_terms])
        for key, x in enumerate(batch.x.split(8))
    ])  # fmt: skip
    model.eval()
    scored = objective(model, batch, step(1))
    error = 4 * in_training.std(0) / 120**0.5
    found = torch.stack([scored.logs[t] for t in objective.batch_terms])
    assert ((found - in_training.mean(0)).abs() <= 1.5 * error).all()


@pytest.mark.parametrize(
    ("examples", "expected"), [(5, [5]), (128, [128]), (191, [191]), (192, [128, 64]), (392, [128, 128, 136])]
)
def test_a_small_rest_joins_the_last_part(examples, expected):
    assert training_sizes(examples, 128) == expected
    assert sum(expected) == examples


def test_parts_are_weighted_by_their_size_and_keep_their_labels():
    model, x = small_model().eval(), random_batch(7).x
    batch = Batch(x, x, torch.arange(7))
    seen = []

    def terms(part):
        seen.append(part.y.tolist())
        return ELBO(1, 0, 1, "B", Constant())(model, part, step())

    found = in_parts(terms, batch, [4, 3])
    assert seen == [[0, 1, 2, 3], [4, 5, 6]]
    first, second = (terms(Batch(part, part, batch.y[:0])) for part in x.split([4, 3]))
    torch.testing.assert_close(found.loss, (4 * first.loss + 3 * second.loss) / 7)


@pytest.mark.parametrize(("size", "images"), [(8, 8), (None, 1000)])
def test_a_protocol_of_their_own_states_the_number(size, images):
    """The protocol of elbo and the other terms stays the same, so that they compare with those of other objectives."""
    fake = FakeTrained(labelled(24), model=small_model().eval().requires_grad_(False),
                       objective=OBJECTIVES["dip_vae_ii"](size))  # fmt: skip
    found = LossTermScores()(fake)
    assert found.protocol["batch_terms"] == {
        "terms": ["off_diagonal", "diagonal"], "images": images, "order": "random"
    }  # fmt: skip
    assert set(found.meanings) == set(found.values)
    fake.objective = ELBO(1, 1, 1, "B", Constant())
    assert LossTermScores()(fake).protocol == {"loss_terms": found.protocol["loss_terms"]}


@pytest.mark.parametrize("term", ["off_diagonal", "mi", "tc", "dimension_kl", "diagonal", "mmd_rbf"])
def test_only_terms_of_a_batch_are_compared_by_that_protocol(term):
    protocol = {"loss_terms": {"images": 10}, "batch_terms": {"images": 128}, "fid": {"images": 10}}
    assert metric_of(f"test/{term}", protocol) == "batch_terms"
    assert metric_of("test/elbo", protocol) == "loss_terms"
