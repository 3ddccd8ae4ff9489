"""Tests of properties of every sampler in ``conf/sampler``; new samplers are tested without a change here."""

import io
import math

import pytest
import torch
import yaml
from helpers import gen

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.samplers.aggregate import Aggregate
from vae_lab.samplers.training import CodeTraining

OF_CODES = ("code_transformer", "pixelcnn", "pixelsnail")  # see test_autoregressive.py
NAMES = [name for name in options("sampler") if name not in ("prior", *OF_CODES)]
CODES = torch.randn(400, 3, generator=gen()) * torch.tensor([0.1, 1.0, 10.0]) + 5


def silent(steps, _):
    return steps


def made(name: str):
    node = yaml.safe_load(options("sampler")[name].read_text())
    return make({**node, **({"epochs": 2} if "epochs" in node else {})})


def fitted(name: str, codes: torch.Tensor = CODES, seed: int = 0):
    sampler = made(name)
    sampler.fit(codes, SeededNoise("cpu", seed), silent)
    return sampler


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_codes(name):
    drawn = fitted(name).sample(1000, SeededNoise("cpu", 1))
    assert drawn.shape == (1000, 3)
    assert drawn.dtype == torch.float32
    assert drawn.isfinite().all()
    assert not drawn.requires_grad
    torch.testing.assert_close(drawn.mean(0), CODES.mean(0), atol=0.0, rtol=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_fit_and_the_same_draws(name):
    torch.manual_seed(1)
    one = fitted(name)
    torch.manual_seed(2)
    other = fitted(name)
    assert one.about == other.about
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))
    assert torch.equal(one.sample(50, SeededNoise("cpu", 7)), other.sample(50, SeededNoise("cpu", 7)))
    assert not torch.equal(one.sample(50, SeededNoise("cpu", 8)), other.sample(50, SeededNoise("cpu", 7)))


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_sampler_samples_as_before(name):
    sampler, file = fitted(name), io.BytesIO()
    torch.save({"about": sampler.about, "state": sampler.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = made(name)
    again.load_state_dict(saved["state"])
    assert torch.equal(sampler.sample(50, SeededNoise("cpu", 7)), again.sample(50, SeededNoise("cpu", 7)))
    assert again.label == sampler.label
    assert saved["about"] == sampler.about


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(14, 16), (2, 1), (60, 1)])
def test_few_codes_and_one_dimension_are_no_obstacle(name, shape):
    drawn = fitted(name, torch.randn(shape, generator=gen())).sample(20, SeededNoise("cpu", 1))
    assert drawn.shape == (20, shape[1])
    assert drawn.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_by_a_global_generator(name):
    before = torch.get_rng_state()
    fitted(name).sample(5, SeededNoise("cpu", 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_aggregate_gives_the_codes_themselves_each_as_often():
    sampler = Aggregate()
    sampler.fit(CODES, SeededNoise("cpu", 0), silent)
    drawn = sampler.sample(40_000, SeededNoise("cpu", 1))
    which = torch.searchsorted(CODES[:, 2].sort().values, drawn[:, 2].contiguous())
    assert torch.equal(CODES[CODES[:, 2].argsort()[which]], drawn)
    counts = torch.bincount(which, minlength=400)
    assert 55 < counts.min() <= counts.max() < 150


class Line(torch.nn.Module):
    """The loss (x − w)², whose minimum is at the mean of the codes; it records the batches that it is called with."""

    def __init__(self, diverges: bool = False) -> None:
        super().__init__()
        self.w, self.seen, self.diverges = torch.nn.Parameter(torch.tensor(3.0)), [], diverges

    def loss(self, x, noise):
        if self.training and torch.is_grad_enabled():
            self.seen.append(x)
        return (x - self.w).square().mean() * (float("nan") if self.diverges else 1)


def trained(line: Line, **numbers):
    settings = {"epochs": 20, "batch_size": 30, "lr": 0.1, "held_out": 0.25, "patience": 20, **numbers}
    x = torch.arange(100).float().unsqueeze(1) / 100
    return CodeTraining(**settings)(line, line.loss, x, SeededNoise("cpu", 0), silent, "training"), x


def test_training_leaves_out_the_same_share_in_every_epoch():
    line = Line()
    told, _ = trained(line, epochs=3)
    epochs = [torch.cat(line.seen[i : i + 3]).sort(0).values for i in (0, 3, 6)]
    assert len(line.seen) == 9
    assert all(torch.equal(epoch, epochs[0]) for epoch in epochs)
    assert (len(epochs[0]), told["held_out_codes"]) == (75, 25)
    assert not torch.equal(line.seen[0], line.seen[3])  # the order differs between epochs


def test_training_keeps_the_best_epoch_and_ends_when_none_is_better():
    line = Line()
    told, x = trained(line, patience=2, epochs=200)
    assert told["epochs"] == told["best_epoch"] + 2 < 200
    assert line.w.item() == pytest.approx(0.5, abs=0.1)
    left_out = x[~torch.isin(x, torch.cat(line.seen[:3]))]
    assert told["held_out_loss"] == pytest.approx((left_out - line.w).square().mean().item())


def test_a_loss_that_is_nan_is_reported():
    with pytest.raises(UserError, match=r"sampler.lr=0.1: the loss became NaN"):
        trained(Line(diverges=True))


@pytest.mark.parametrize(("halve_every", "rates"), [(2, [0.1, 0.1, 0.05, 0.05, 0.025]), (None, None)])
def test_the_learning_rate_is_halved_every_few_epochs_or_falls_along_a_cosine(monkeypatch, halve_every, rates):
    seen = []
    step = torch.optim.Adam.step

    def noting(self, *more):
        seen.append(self.param_groups[0]["lr"])
        return step(self, *more)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    trained(Line(), epochs=5, batch_size=15, halve_every=halve_every)
    assert len(seen) == 25
    if rates is None:
        assert seen == pytest.approx([0.05 * (1 + math.cos(math.pi * i / 25)) for i in range(25)])
    else:
        assert seen[::5] == seen[4::5] == pytest.approx(rates)
