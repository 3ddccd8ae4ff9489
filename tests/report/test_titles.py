"""Tests of the line that states the key settings of a run."""

import pytest
from conftest import BARE, TINY

from vae_lab.config.composing import composer
from vae_lab.report.titles import title_of


def title(*words: str) -> str:
    with composer([*TINY, *BARE]) as compose_job:
        return title_of(compose_job(list(words)))


def test_the_title_of_a_plain_run_has_model_objective_data_and_numbers():
    assert title("epochs=2") == "cnn, elbo/mse on digits, latent_dim=16, β=1, 16 training images, 2 epochs, seed 0"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["conditional=true"], "conditional"),
        (["objective.samples=5"], "5 samples"),
        (["beta_schedule=linear"], "linear schedule"),
        (["k1=0.5", "k2=0.25"], "k1=0.5, k2=0.25"),
        (["dataset.binarize=static"], "static binarisation"),
        (["lr=1e-2"], "lr=0.01"),
        (["objective=soft_intro_vae", "objective.beta_neg=64"], "β_neg=64"),
        (["objective=soft_intro_vae", "objective.vae_epochs=3"], "3 epochs as a VAE"),
        (["objective=soft_intro_vae", "objective.vae_epochs=1"], "1 epoch as a VAE"),
        (["objective=soft_intro_vae", "objective.gamma=0.5"], "γ=0.5"),
        (["objective=factor_vae", "objective.gamma=10"], "γ=10"),
        (["objective=intro_vae", "objective.margin=90"], "margin 90"),
        (["objective=intro_vae", "objective.alpha=2"], "α=2"),
        (["training.ema=0.999"], "EMA 0.999"),
        (["model=ladder", "beta_schedule=linear", "objective.kl_balance=true"], "balanced KL"),
        (["model=vdvae", "model.scales=[2,4]", "model.latent_dims=[2,2]", "model.blocks=[2,1]"], "blocks=[2,1]"),
    ],
)
def test_settings_other_than_the_default_are_stated(words, told):
    assert told in title(*words).split(", ") or f", {told}, " in title(*words)
    assert told not in title()


@pytest.mark.parametrize("objective", ["soft_intro_vae", "intro_vae", "factor_vae", "beta_tcvae", "info_vae"])
def test_weights_with_the_default_of_their_objective_are_not_stated(objective):
    assert not {"α", "γ"} & {part.partition("=")[0] for part in title(f"objective={objective}").split(", ")}


def test_no_schedule_is_stated_for_an_objective_that_reads_none():
    with composer([*TINY, *BARE]) as compose_job:
        config = compose_job(["objective=soft_intro_vae"])
    config["choices"]["beta_schedule"] = "linear"
    assert "schedule" not in title_of(config)
