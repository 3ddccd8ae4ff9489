"""Tests that settings of the training that do not suit the objective are refused before anything is written."""

import pytest

from vae_lab.config.composing import composer

RUN = ("dataset=digits", "dataset.limit=40", "batch_size=20", "model=dense", "logger=none", "figures=none",
       "metrics=none", "hydra.run.dir=run")  # fmt: skip


@pytest.mark.parametrize("objective", ["soft_intro_vae", "intro_vae"])
@pytest.mark.parametrize(
    ("epochs", "as_a_vae", "instead"),
    [
        (3, "3", "type epochs=4 or more, or objective.vae_epochs=1"),
        (2, "4.5", "type epochs=5 or more, or objective.vae_epochs=1"),
        (1, "1", "type epochs=2 or more, or objective.vae_epochs=0"),
    ],
)
def test_a_run_of_nothing_but_epochs_as_a_vae_is_refused(cli, tmp_path, objective, epochs, as_a_vae, instead):
    ended = cli("train", *RUN, f"objective={objective}", f"objective.vae_epochs={as_a_vae}", f"epochs={epochs}")
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert f"objective.vae_epochs={as_a_vae}: all epochs of this run (epochs={epochs}) would train a VAE" in ended.err
    assert f"without the terms of objective={objective}; {instead}" in ended.err
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_last_epoch_of_the_game_is_not_refused(cli):
    ended = cli("train", *RUN, "objective=intro_vae", "objective.vae_epochs=1", "epochs=2")
    assert ended.status == 0, ended.err


@pytest.mark.parametrize(
    ("experiment", "epochs", "as_a_vae"),
    [
        ("family/soft_intro_vae", 20, 2),
        ("family/soft_intro_vae", 1, 0.1),
        ("family/intro_vae", 20, 2),
        ("family/intro_vae", 2, 0.2),
        ("paper/huang_2018", 500, 10),
        ("paper/huang_2018", 4, 0.08),
    ],
)
def test_recipes_train_a_vae_for_a_share_of_the_epochs_that_were_typed(experiment, epochs, as_a_vae):
    with composer([f"experiment={experiment}"]) as compose:
        assert compose([f"epochs={epochs}"])["objective"]["vae_epochs"] == as_a_vae


def test_recipes_begin_as_a_vae_by_default():
    for experiment, as_a_vae in (("family/soft_intro_vae", 2), ("family/intro_vae", 2), ("paper/huang_2018", 10)):
        with composer([f"experiment={experiment}"]) as compose:
            assert compose([])["objective"]["vae_epochs"] == as_a_vae
