"""Tests of the average of the weights: its equation, and runs that are validated, scored and continued with it."""

import copy
import math
from pathlib import Path

import pytest
import torch
from conftest import BARE, TINY
from helpers import curves_of, random_batch, small_model, weights_of, with_trainer
from torch import nn

import vae_lab
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.job import Job
from vae_lab.training.weight_average import WeightAverage, decay_at, tensors_of
from vae_lab.types import Step

DENSE = ["model=dense", "model.net.width=8", "model.net.depth=1", "latent_dim=2"]
# Batch normalisation and the σ of the likelihood are state in buffers.
WITH_BUFFERS = ["model=infogan", "model.net.channels=[4,8]", "model.net.hidden=8", "latent_dim=2", "likelihood=sigma"]
EMA = "training.ema=0.9"


def averaged_in(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / name, weights_only=True)["averaged"]


def equal(ours, theirs) -> bool:
    return set(ours) == set(theirs) and all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_engine_averages_once_per_optimizer_step_of_all_phases():
    job = Job(small_model(), ELBO(1, 2, 1, "B", Constant()))
    values = tensors_of(job)
    halves = list(job.parameters())[:2], list(job.parameters())[2:]
    phases = [Phase(name, torch.optim.SGD(half, 0.01), half) for name, half in zip(["model", "other"], halves)]
    average = WeightAverage(0.3, values)
    ignored = lambda optimizer: None  # noqa: E731
    engine = Engine(job, phases, 7, 0, 24, torch.device("cpu"), torch.Tensor.backward, None, ignored, ignored, average)
    expected = {name: value.detach().double() for name, value in values().items()}
    for i in range(6):
        engine.take(random_batch(6, seed=i), Place(0, i, 6, 2))
        if i % 2:  # 2/11, 3/12 and, of 4/13, the decay 0.3
            d = [2 / 11, 3 / 12, 0.3][i // 2]
            expected = {name: d * mean + (1 - d) * values()[name].detach() for name, mean in expected.items()}
    for name, mean in average.values().items():
        torch.testing.assert_close(mean, expected[name].float())
        assert not mean.requires_grad


def test_the_weight_of_the_start_is_as_the_docstring_says():
    kept = math.prod(decay_at(t, 0.9999) for t in range(1, 11))
    assert kept == pytest.approx(math.factorial(10) / math.prod(range(12, 21)))
    assert decay_at(89_980, 0.9999) < decay_at(100_000, 0.9999) == 0.9999


def test_replaced_buffers_are_averaged_and_others_copied():
    module = nn.BatchNorm1d(2)
    average = WeightAverage(0.999, tensors_of(module))
    module.running_mean, module.num_batches_tracked = torch.tensor([1.0, 2.0]), torch.tensor(7)
    average.update(8)  # d = 1/2
    assert average.values()["running_mean"].tolist() == [0.5, 1.0]
    assert average.values()["num_batches_tracked"] == 7


def test_weights_with_two_names_are_saved_averaged_under_both():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    average = WeightAverage(0.999, tensors_of(module))
    start = module[0].weight.detach().clone()
    module[0].weight.data += 1
    average.update(8)
    saved = average.state_of(module)
    assert list(saved) == list(module.state_dict())
    assert torch.equal(saved["0.weight"], saved["1.weight"])
    torch.testing.assert_close(saved["0.weight"], start + 0.5)


@pytest.mark.parametrize("more", [WITH_BUFFERS, [*DENSE, "objective=factor_vae", "objective.width=8"],
                                  [*DENSE, "training.accumulate=2", "training.clip=1", "precision=bf16"]])  # fmt: skip
def test_a_run_is_validated_and_scored_with_the_average_and_goes_on_with_both(cli, tmp_path, more):
    words = ["train", *TINY, *BARE, *more, EMA]
    assert cli(*words, "epochs=2", "hydra.run.dir=whole").status == 0
    assert cli(*words, "epochs=1", "hydra.run.dir=half").status == 0
    assert cli("train", "from=half", "epochs=2", "hydra.run.dir=more").status == 0
    assert equal(averaged_in(Path("more")), averaged_in(Path("whole")))
    assert equal(weights_of(Path("more")), weights_of(Path("whole")))
    assert not equal(weights_of(Path("more")), averaged_in(Path("more")))
    assert [row["val/loss"] for row in curves_of(Path("more"))] == [row["val/loss"] for row in curves_of(Path("whole"))]
    run = vae_lab.load_run("more")
    saved = averaged_in(run.path, "best.ckpt")
    assert equal({f"job.{name}": value for name, value in run.job.state_dict().items()}, saved)
    assert run.protocol["checkpoint"]["weights"] == "moving average, decay 0.9"


def test_val_loss_is_that_of_the_averaged_weights(cli, tmp_path):
    assert cli("train", *TINY, *BARE, *WITH_BUFFERS, EMA, "hydra.run.dir=run").status == 0
    run = vae_lab.load_run("run")
    trained = copy.deepcopy(run.job)
    trained.load_state_dict({key.removeprefix("job."): value for key, value in weights_of(run.path).items()})
    losses = [0.0, 0.0]
    for i, batch in enumerate(with_trainer(run.data).val_dataloader()):
        at = Step(torch.tensor(0.0), torch.tensor(math.inf), SeededNoise("cpu", 0, "val", i, 0), "model", 16)
        share = len(batch.x) / len(run.data.val)
        losses = [sum_ + share * job(batch, at).loss.item() for sum_, job in zip(losses, (run.job, trained.eval()))]
    (row,) = curves_of(run.path)
    assert float(row["val/loss"]) == pytest.approx(losses[0], rel=1e-5)
    assert float(row["val/loss"]) != pytest.approx(losses[1], rel=1e-3)


def test_an_interrupted_run_is_resumed_with_both_sets_of_weights(cli, tmp_path):
    words = ["train", *TINY, *BARE, *WITH_BUFFERS, EMA]
    assert cli(*words, "epochs=2", "hydra.run.dir=whole").status == 0
    assert cli(*words, "epochs=1", "hydra.run.dir=run").status == 0
    Path("run/results.json").unlink()
    config = Path("run/config.yaml")
    config.write_text(config.read_text().replace("epochs: 1", "epochs: 2"))
    assert cli("train", "resume=run").status == 0
    assert equal(averaged_in(Path("run")), averaged_in(Path("whole")))
    assert equal(weights_of(Path("run")), weights_of(Path("whole")))
    assert curves_of(Path("run")) == curves_of(Path("whole"))


def test_another_run_can_begin_with_or_without_the_average(cli, tmp_path):
    assert cli("train", *TINY, *BARE, *DENSE, EMA, "hydra.run.dir=first").status == 0
    still = ["epochs=2", "lr=1e-30"]
    assert cli("train", "from=first", *still, "training.ema=null", "hydra.run.dir=without").status == 0
    content = torch.load("without/checkpoints/last.ckpt", weights_only=True)
    assert "averaged" not in content
    torch.testing.assert_close(content["state_dict"], weights_of(Path("first")))
    assert cli("train", *TINY, *BARE, *DENSE, "init=first", "lr=1e-30", "hydra.run.dir=second").status == 0
    torch.testing.assert_close(weights_of(Path("second")), averaged_in(Path("first")))


def test_the_decay_is_below_1(cli):
    ended = cli("train", *TINY, *BARE, "training.ema=1")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "training.ema" in ended.err
