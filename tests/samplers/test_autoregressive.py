"""Tests of the priors over codes: the distribution that they describe, draws from it, and their fit."""

import copy
import itertools
import math
import time

import pytest
import torch
from helpers import gen

from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.samplers.autoregressive import Autoregressive, inverted
from vae_lab.samplers.code_transformer import CodeTransformer
from vae_lab.samplers.pixelcnn import PixelCNN
from vae_lab.samplers.pixelsnail import PixelSNAIL
from vae_lab.samplers.prior_budget import estimated_seconds
from vae_lab.samplers.prior_training import LOGITS, held_out_at_once
from vae_lab.types import CodeBatch

FEW = {"epochs": 4, "batch_size": 50, "lr": 1e-2}
PRIORS = {
    "transformer": lambda **more: CodeTransformer(layers=1, width=8, heads=2, **{**FEW, **more}),
    "pixelcnn": lambda **more: PixelCNN(layers=2, width=8, **{**FEW, **more}),
    "pixelsnail": lambda **more: PixelSNAIL(blocks=1, layers=1, width=8, heads=2, **{**FEW, **more}),
}
EACH = pytest.mark.parametrize("name", PRIORS)
TWO_LEVELS = ([2, 2], [(1, 2), (1, 2, 2)])  # K and shapes


def silent(steps, _):
    return steps


class Codes:
    """Codes of 200 examples of two classes; in class 1 each code is the one before it plus 1, on both levels."""

    y_size, device, examples, held_out_examples = 2, torch.device("cpu"), 200, 100

    def __init__(self, sizes=(3, 3), shapes=((2, 2), (2, 3))) -> None:
        self.sizes, self.shapes, self.epochs = sizes, shapes, []

    def batches(self, epoch, size):
        self.epochs.append(epoch)
        yield from self._batches(epoch, self.examples, size)

    def held_out(self, size):
        yield from self._batches(-1, 100, size)

    def _batches(self, seed, n, size):
        y = torch.arange(n) % 2
        levels, first = [], torch.randint(self.sizes[0], (n, 1), generator=gen(seed + 50))
        for codes, shape in zip(self.sizes, self.shapes):
            free = torch.randint(codes, (n, math.prod(shape)), generator=gen(seed + 5 + len(levels)))
            chain = (first + torch.arange(math.prod(shape))) % codes
            levels.append(torch.where(y[:, None] == 1, chain, free).view(n, *shape))
        for rows in torch.arange(n).split(size):
            yield CodeBatch(tuple(level[rows] for level in levels), y[rows])


class Kept:
    """Keeps states in memory; raises after some of them."""

    def __init__(self, most: int = 100) -> None:
        self.state, self.left = None, most

    def read(self):
        return copy.deepcopy(self.state)

    def keep(self, state):
        self.state, self.left = copy.deepcopy(state), self.left - 1
        if self.left == 0:
            raise KeyboardInterrupt


def fitted(name: str, source=None, kept=None, **more) -> Autoregressive:
    prior = PRIORS[name](**more)
    prior.fit(source or Codes(), SeededNoise("cpu", 0), silent, kept or Kept())
    return prior


def random_prior(name: str, sizes, shapes, y_size: int = 0) -> Autoregressive:
    prior = PRIORS[name]()
    torch.manual_seed(0)
    prior.build(y_size, *(number for codes, shape in zip(sizes, shapes) for number in (codes, len(shape), *shape)))
    for parameter in prior.parameters():
        parameter.data += 0.4 * torch.randn(parameter.shape, generator=gen())
    return prior.requires_grad_(False).eval()


def all_codes(sizes, shapes) -> tuple[torch.Tensor, ...]:
    numbers = [codes for codes, shape in zip(sizes, shapes) for _ in range(math.prod(shape))]
    rows = torch.tensor(list(itertools.product(*map(range, numbers))))
    parts = rows.split([math.prod(shape) for shape in shapes], 1)
    return tuple(part.reshape(len(rows), *shape) for part, shape in zip(parts, shapes))


@EACH
@pytest.mark.parametrize(("sizes", "shapes"), [([3], [(2, 2)]), TWO_LEVELS])
@pytest.mark.parametrize("y", [None, 1])
def test_probabilities_of_all_codes_add_up_to_one(name, sizes, shapes, y):
    prior, codes = random_prior(name, sizes, shapes, 0 if y is None else 3), all_codes(sizes, shapes)
    labels = None if y is None else torch.full((len(codes[0]),), y)
    log_p = prior.log_prob(codes, labels)
    assert log_p.shape == (len(codes[0]), len(sizes))
    assert log_p.sum(1).double().exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_p.sum(1).std() > 0.3  # it is not the uniform distribution


@EACH
def test_draws_have_the_probabilities_of_log_prob(name):
    prior, n = random_prior(name, *TWO_LEVELS), 20_000
    drawn = prior.sample(n, SeededNoise("cpu", 1))
    assert [tuple(level.shape) for level in drawn] == [(n, 1, 2), (n, 1, 2, 2)]
    codes = all_codes(*TWO_LEVELS)
    expected = prior.log_prob(codes).sum(1).exp()
    which = (torch.cat([level.flatten(1) for level in drawn], 1) * 2 ** torch.arange(5, -1, -1)).sum(1)
    found = torch.bincount(which, minlength=64) / n
    assert ((found - expected).abs() < 5 * (expected / n).sqrt() + 1e-4).all()


@EACH
def test_upper_levels_are_kept_and_draws_do_not_depend_on_their_number(name):
    prior = random_prior(name, *TWO_LEVELS)
    top = torch.tensor([[[0, 1]]]).expand(150, 1, 2)
    kept, below = prior.sample(150, SeededNoise("cpu", 1), top=(top,))
    assert torch.equal(kept, top)
    assert len(below.flatten(1).unique(dim=0)) > 4
    assert torch.equal(prior.sample(150, SeededNoise("cpu", 1), top=(kept, below))[1], below)


def test_a_temperature_divides_the_logits():
    logits, n = torch.tensor([[0.0, 1.0, -1.0]]), 50_000
    u = SeededNoise("cpu", 0).uniform(n)
    for temperature in (0.5, 1.0, 3.0):
        found = torch.bincount(inverted(logits.expand(n, 3), u, temperature), minlength=3) / n
        torch.testing.assert_close(found, torch.softmax(logits[0] / temperature, -1), atol=0.01, rtol=0)
    assert inverted(logits, torch.tensor([0.99]), 0.0).tolist() == [1]
    assert inverted(logits, torch.tensor([1.0]), 1.0).tolist() == [2]  # rounded up from a number below 1
    assert inverted(torch.tensor([[-math.inf, 0.0]]), torch.tensor([0.0]), 1.0).tolist() == [1]


@EACH
def test_each_level_has_its_own_temperature(name):
    prior = random_prior(name, *TWO_LEVELS)
    top, below = prior.sample(300, SeededNoise("cpu", 1), temperature=(0.0, 1.0))
    assert len(top.flatten(1).unique(dim=0)) == 1
    assert len(below.flatten(1).unique(dim=0)) > 4
    top, below = prior.sample(300, SeededNoise("cpu", 1), temperature=(0.0,))
    assert len(below.flatten(1).unique(dim=0)) == 1


@EACH
def test_a_fit_learns_the_codes_of_each_class(name):
    source = Codes()
    prior = fitted(name, source, epochs=20, patience=20, batch_size=20)
    assert source.epochs == [*range(20), *range(20)]  # anew in each epoch, one level after the other
    free, chain = math.log(3) * torch.tensor([4.0, 6.0]), math.log(3) * torch.tensor([1.0, 0.0])
    batch = next(source.held_out(100))
    nats = -prior.log_prob(batch.codes, batch.y)
    torch.testing.assert_close(nats[batch.y == 0].mean(0), free, atol=0.6, rtol=0)
    torch.testing.assert_close(nats[batch.y == 1].mean(0), chain, atol=0.6, rtol=0)
    held_out = [level["held_out_nats"] for level in prior.about["levels"]]
    assert held_out == pytest.approx(nats.mean(0).tolist(), abs=1e-4)
    drawn = prior.sample(50, SeededNoise("cpu", 3), torch.ones(50, dtype=torch.long))[1].flatten(1)
    assert (drawn.diff(dim=1) % 3 == 1).float().mean() > 0.9


@EACH
@pytest.mark.parametrize("most", [1, 4, 5, 8])
def test_an_interrupted_fit_continues_with_the_same_result(name, most):
    whole, kept = fitted(name), Kept(most)
    with pytest.raises(KeyboardInterrupt):
        fitted(name, kept=kept)
    kept.left = 100
    source = Codes()
    again = fitted(name, source, kept)
    assert len(source.epochs) < 8
    assert again.about == whole.about
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))


def test_a_fit_that_has_run_out_of_patience_does_not_go_on_when_it_is_continued():
    one_level = Codes((3,), ((2, 2),))
    ended = fitted("pixelcnn", one_level, epochs=60, patience=1)
    epochs = ended.about["levels"][0]["epochs"]
    assert epochs == ended.about["levels"][0]["best_epoch"] + 1 < 60
    kept = Kept(epochs)  # interrupted between the last epoch and the end of its level
    with pytest.raises(KeyboardInterrupt):
        fitted("pixelcnn", one_level, kept, epochs=60, patience=1)
    kept.left = 100
    assert fitted("pixelcnn", one_level, kept, epochs=60, patience=1).about == ended.about


@EACH
def test_a_loaded_prior_is_the_same(name):
    prior = fitted(name)
    again = PRIORS[name]()
    again.load_state_dict(prior.state_dict())
    y = torch.tensor([0, 1] * 5)
    for a, b in zip(prior.sample(10, SeededNoise("cpu", 1), y), again.eval().sample(10, SeededNoise("cpu", 1), y)):
        assert torch.equal(a, b)


@EACH
def test_nothing_is_drawn_by_a_global_generator(name):
    before = torch.get_rng_state()
    prior = fitted(name, epochs=1)
    prior.sample(5, SeededNoise("cpu", 1), torch.zeros(5, dtype=torch.long))
    assert 0 < estimated_seconds(PRIORS[name](), Codes()) < 60
    assert torch.equal(torch.get_rng_state(), before)


class Slow(Codes):
    """Codes of which every held-out batch takes 0.1 seconds to encode, 100 examples of them."""

    def held_out(self, size):
        time.sleep(0.1)
        yield from super().held_out(size)


def test_the_announced_time_counts_the_encoding_of_all_examples_for_every_level():
    """Two epochs of two levels encode 300 examples each, 0.3 seconds at a time."""
    more = estimated_seconds(PRIORS["pixelcnn"](epochs=2), Slow())
    assert 2 * 2 * 0.3 < more < 2 * 2 * 0.3 + 2


def test_the_memory_of_logits_bounds_the_held_out_examples_that_are_scored_at_a_time():
    assert held_out_at_once(Codes()) == 500
    large = Codes(sizes=(512, 64), shapes=((32, 32), (2, 2)))
    assert held_out_at_once(large) == LOGITS // (512 * 32 * 32) == 8


def test_a_loss_that_is_nan_is_reported():
    with pytest.raises(UserError, match=r"sampler.lr=1e\+30: the loss became NaN or infinite"):
        fitted("pixelcnn", lr=1e30)
