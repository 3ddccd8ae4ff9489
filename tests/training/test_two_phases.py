"""Tests of complete runs with two phases: optimizers, steps, resuming, clipping, several processes."""

import csv
import math

import pytest
import torch
from conftest import BARE, TINY
from helpers import curves_of, weights_of

SMALL = ["objective=factor_vae", "objective.width=16", "objective.depth=2"]


def optimizers_of(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]


def test_each_phase_has_its_own_optimizer_and_steps_are_counted_once(cli, tmp_path):
    more = ["training.log_every=1", "optimizer=sgd", "scheduler=cosine"]
    ended = cli("train", *TINY, *BARE, *SMALL, *more, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    of_model, of_discriminator = optimizers_of(tmp_path / "run")
    assert "momentum" in of_model["param_groups"][0]
    assert of_discriminator["param_groups"][0]["initial_lr"] == 1e-4
    assert of_discriminator["param_groups"][0]["betas"] == (0.5, 0.9)
    assert {state["step"].item() for state in of_discriminator["state"].values()} == {2}
    (row,) = curves_of(tmp_path / "run")
    assert row["step"] == "2"
    assert {"train/discriminator_loss", "train/discriminator_accuracy", "train/tc", "val/tc"} <= set(row)
    assert "val/discriminator_loss" not in row


def test_val_loss_is_comparable_over_epochs(cli, tmp_path):
    ended = cli("train", *TINY, *BARE, *SMALL, "epochs=3", "beta=2", "objective.gamma=1e4", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open()):
        for split in ("train", "val"):
            loss, recon, kl, tc = (float(row[f"{split}/{term}"]) for term in ("loss", "recon", "kl", "tc"))
            assert loss == pytest.approx(recon + 2 * kl, rel=1e-4)
            assert abs(1e4 * tc) > 1


def test_resumed_ends_with_the_same_weights_of_both(cli, tmp_path):
    words = ["train", *TINY, *BARE, *SMALL]
    assert cli(*words, "epochs=2", "hydra.run.dir=whole").status == 0
    assert cli(*words, "epochs=1", "hydra.run.dir=run").status == 0
    (tmp_path / "run" / "results.json").unlink()
    config = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "run" / "config.yaml").write_text(config.replace("epochs: 1", "epochs: 2"))
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    whole, pieces = weights_of(tmp_path / "whole"), weights_of(tmp_path / "run")
    assert any("discriminator" in key for key in whole)
    assert all(torch.equal(whole[key], pieces[key]) for key in whole)
    assert curves_of(tmp_path / "whole") == curves_of(tmp_path / "run")


@pytest.mark.parametrize("more", [["training.clip=1e-9", "optimizer=sgd"], ["training.accumulate=2"]])
def test_clipping_and_accumulation_act_on_both_phases(cli, tmp_path, more):
    own = ["objective.discriminator_optimizer._target_=torch.optim.SGD", "~objective.discriminator_optimizer.betas"]
    ended = cli("train", *TINY, *BARE, *SMALL, *own, *more, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert cli("train", *TINY, *BARE, *SMALL, *own, "lr=1e-30", "objective.discriminator_optimizer.lr=1e-30",
               "hydra.run.dir=untouched").status == 0  # fmt: skip
    trained, fresh = weights_of(tmp_path / "run"), weights_of(tmp_path / "untouched")
    moved = {part: math.sqrt(sum((trained[key] - fresh[key]).square().sum() for key in fresh if part in key))
             for part in ("job.model", "discriminator")}  # fmt: skip
    clipped = "training.clip=1e-9" in more
    assert all(distance < 1e-7 if clipped else distance > 1e-7 for distance in moved.values())
    (row,) = curves_of(tmp_path / "run")
    assert row["step"] == ("2" if clipped else "1")


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_a_phase_leaves_no_gradient_on_parameters_that_another_updates(cli, tmp_path, gradient):
    own = ["objective=iwae", "objective.samples=10", "objective.piwae=true", f"objective.gradient={gradient}",
           "training.accumulate=2", "optimizer=sgd", "conditional=true"]  # fmt: skip
    for groups in (2, 5):
        ended = cli("train", *TINY, *BARE, *own, f"objective.groups={groups}", f"hydra.run.dir=groups{groups}")
        assert ended.status == 0, ended.err
    two, five = (weights_of(tmp_path / f"groups{groups}") for groups in (2, 5))
    same = {key for key in two if torch.equal(two[key], five[key])}
    assert same == {key for key in two if "encoder" not in key and "posterior" not in key and "condition" not in key}


@pytest.mark.parametrize("problem", ["betas=[0.5,1.5]", "lr=-1", "betaz=[0.5,0.9]"])
def test_bad_numbers_of_the_second_optimizer_are_refused_before_anything_is_written(cli, tmp_path, problem):
    key = problem.partition("=")[0]
    ended = cli(
        "train", *TINY, *BARE, *SMALL, f"{'+' if key == 'betaz' else ''}objective.discriminator_optimizer.{problem}"
    )
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_two_processes_train_both_phases_with_clipped_gradients(program, tmp_path):
    words = ["dataset=digits", "epochs=1", "accelerator=ddp", "accelerator.kind=cpu", "accelerator.devices=2", *BARE]
    done = program("train", *words, *SMALL, "training.clip=1", "precision=bf16", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    (row,) = curves_of(tmp_path / "run")
    assert int(row["step"]) == math.ceil(1293 // 2 / 128)
    assert {state["step"].item() for state in optimizers_of(tmp_path / "run")[1]["state"].values()} == {6}
