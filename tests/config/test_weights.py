"""Tests of the weights of an objective's two terms: beta, or k1 and k2."""

import pytest
from omegaconf import OmegaConf

from vae_lab.config.composing import composer
from vae_lab.config.weights import has_kl_weight, refuse_unread_schedule, resolve_weights, settle_weights
from vae_lab.errors import UserError

WEIGHTS = {"beta": 1, "k1": None, "k2": None}


@pytest.mark.parametrize(
    ("objective", "weighs"),
    [
        ({"_target_": "x", "k2": 4}, True),
        ({"_target_": "x", "k2": None}, True),
        ({"_target_": "x"}, False),
        (None, False),
    ],
)
def test_an_objective_weighs_a_kl_term_if_it_has_the_key_k2(objective, weighs):
    assert has_kl_weight(objective) is weighs
    assert has_kl_weight(OmegaConf.create({"objective": objective}).objective) is weighs


def test_weights_are_settled_in_a_composed_config_before_the_objective_refers_to_them():
    config = OmegaConf.create({"beta": 4, "k1": None, "k2": None, "objective": {"k1": "${k1}", "k2": "${k2}"}})
    settle_weights(config, {"beta"})
    assert OmegaConf.to_container(config, resolve=True) == {
        "beta": 4, "k1": 1, "k2": 4, "objective": {"k1": 1, "k2": 4},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "typed", "resolved"),
    [
        ({}, set(), (1, 1, 1)),
        ({"beta": 4}, {"beta"}, (1, 4, 4)),
        ({"beta": 0}, {"beta"}, (1, 0, 0)),
        ({"beta": None}, set(), (1, 1, 1)),
        ({"k1": 0.5, "k2": 2}, {"k1", "k2"}, (0.5, 2, 4)),
        ({"k1": 0.5, "k2": 0.5}, set(), (0.5, 0.5, 1)),
        ({"k2": 3}, {"k2"}, (1, 3, 3)),
        ({"k1": 2}, {"k1"}, (2, 1, 0.5)),
        ({"k1": 0, "k2": 1}, {"k1", "k2"}, (0, 1, None)),
        ({"k1": 1, "k2": 0}, {"k1", "k2"}, (1, 0, 0)),
        ({"beta": 4, "k1": None, "k2": None}, {"beta", "k1", "k2"}, (1, 4, 4)),
    ],
)
def test_weights_are_filled_in_so_that_all_three_agree(weights, typed, resolved):
    found = resolve_weights(WEIGHTS | weights, typed, weighs_kl=True)
    assert (found["k1"], found["k2"], found["beta"]) == resolved


@pytest.mark.parametrize(
    ("weights", "typed"),
    [
        ({"beta": 4, "k1": 1}, {"beta", "k1"}),
        ({"beta": 1, "k2": 2}, {"beta", "k2"}),
        ({"beta": 4, "k1": 0.5, "k2": 0.5}, {"beta"}),
        ({"beta": 4, "k1": 0.5}, {"k1"}),
    ],
    ids=["both typed", "beta=1 typed", "k1 and k2 from an experiment", "beta from an experiment"],
)
def test_both_forms_together_are_refused(weights, typed):
    with pytest.raises(UserError, match=r"beta=.* together with k1=.* k2=.*: give either beta"):
        resolve_weights(WEIGHTS | weights, typed, weighs_kl=True)


def test_nothing_to_minimise_is_refused():
    with pytest.raises(UserError, match="k1=0 k2=0 leaves nothing to minimise"):
        resolve_weights({"beta": 1, "k1": 0, "k2": 0}, {"k1", "k2"}, weighs_kl=True)


@pytest.mark.parametrize("key", ["beta", "k1", "k2"])
def test_a_weight_typed_for_an_objective_without_kl_is_refused(key):
    with pytest.raises(UserError, match=f"^{key}=4: this objective has no KL term that {key} weighs; leave {key} out"):
        resolve_weights(WEIGHTS | {key: 4}, {key, "latent_dim"}, weighs_kl=False)


def test_an_objective_without_kl_takes_weights_that_nobody_typed():
    assert resolve_weights(WEIGHTS, {"latent_dim"}, weighs_kl=False) == {"k1": 1, "k2": 1, "beta": 1}


@pytest.mark.parametrize("objective", ["soft_intro_vae", "intro_vae", "iwae", "info_vae", "ae"])
def test_a_schedule_typed_for_an_objective_that_does_not_read_it_is_refused(objective):
    with composer([f"objective={objective}"]) as compose, pytest.raises(UserError) as refused:
        compose(["beta_schedule=linear"])
    assert str(refused.value) == (
        "beta_schedule: this objective has no KL term that follows beta_schedule; leave beta_schedule out, or type "
        "objective=elbo"
    )


def test_a_schedule_is_read_by_an_objective_with_the_key_schedule():
    refuse_unread_schedule({"schedule": {}}, {"beta_schedule", "beta_schedule.epochs"})
    refuse_unread_schedule({"k2": 1}, {"beta", "k2"})
    with pytest.raises(UserError, match=r"^beta_schedule\.epochs: this objective has no KL term that follows"):
        refuse_unread_schedule(OmegaConf.create({"k2": 1}), {"beta_schedule.epochs"})
