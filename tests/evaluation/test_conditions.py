from pathlib import Path

import pytest
import torch
from helpers import ForbiddenNoise, GivenSource, labelled, small_model

from vae_lab.data.dataset import Dataset
from vae_lab.data.sprites import Sprites
from vae_lab.errors import UserError
from vae_lab.evaluation.conditions import as_in_training, in_turn, typed_y, unconditional
from vae_lab.evaluation.draws import decoded_draws
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.metrics.loss_terms import LossTermScores
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.training.job import Job

CPU = torch.device("cpu")
ELBO_1 = ELBO(1.0, 1.0, 1, "B", lambda kl, _: kl)


def uneven(counts=(60, 30, 10)) -> Examples:
    images = labelled(sum(counts))
    return Examples(images.stored, torch.arange(3).repeat_interleave(torch.tensor(counts)), images.classes)


def evaluation(train: Examples | None = None, **more) -> Evaluation:
    data = Dataset("fake", GivenSource(train or uneven(), labelled(12, seed=1)), Path(), 5, 0)
    model = small_model(**({"conditional": True, "y_size": 3} | more))
    return Evaluation(Job(model, ELBO_1), data, 0, CPU)


class Spy(torch.nn.Module):
    """A conditional model whose image is its y."""

    conditional = True
    likelihood = small_model().likelihood

    def prior_sample(self, n, y, noise, top=()):
        return (noise.normal(1, n, 3),)

    def decode(self, z, y):
        return y.float().reshape(1, -1, 1, 1, 1)


def test_labels_are_drawn_as_often_as_in_training_and_never_others():
    known = uneven()
    drawn = as_in_training(known)(0, 20_000, SeededNoise("cpu", 0))
    shares = torch.bincount(drawn, minlength=3) / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.3, 0.1]), atol=0.015, rtol=0)
    part = known.part(torch.arange(60, 100))  # of classes 1 and 2 alone
    assert set(as_in_training(part)(0, 1000, SeededNoise("cpu", 0)).tolist()) == {1, 2}


def test_attributes_are_drawn_together():
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    images = Examples(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), rows, attributes=("a", "b"))
    drawn = as_in_training(images)(0, 500, SeededNoise("cpu", 0))
    assert drawn.shape == (500, 2)
    assert torch.equal(drawn.sum(1), torch.ones(500))
    assert len(drawn.unique(dim=0)) == 3


def test_y_in_turn_does_not_depend_on_where_a_block_begins():
    conditions = in_turn(torch.tensor([4, 7, 9]))
    whole = conditions(0, 10, ForbiddenNoise())
    assert whole.tolist() == [4, 7, 9, 4, 7, 9, 4, 7, 9, 4]
    assert torch.equal(torch.cat([conditions(0, 4, ForbiddenNoise()), conditions(4, 6, ForbiddenNoise())]), whole)


def test_samples_of_an_evaluation_have_the_training_sets_labels_or_the_requested_ones():
    made = evaluation()
    made.model = Spy()
    drawn = torch.cat(list(made.sample(1500))).flatten()
    seen = [c for c in range(3) if (drawn == Spy.likelihood.mean(torch.tensor(float(c)))).float().mean() > 0.05]
    assert seen == [0, 1, 2]
    asked = torch.cat(list(made.sample(5, y=torch.tensor([2, 0])))).flatten()
    assert torch.equal(asked, Spy.likelihood.mean(torch.tensor([2.0, 0, 2, 0, 2])))
    assert torch.equal(torch.cat(list(made.sample(7))).flatten(), drawn[:7])


def test_z_is_the_same_whatever_y_is():
    model = evaluation().model
    zs = []
    model.decode = lambda z, y: (zs.append(z[0]), type(model).decode(model, z, y))[1]
    for y in (torch.tensor([0]), torch.tensor([2, 1])):
        list(decoded_draws(model, 4, CPU, 0, "samples", conditions=in_turn(y)))
    assert torch.equal(*zs)


def test_an_unconditional_model_draws_nothing_for_y():
    made = evaluation(conditional=False)
    assert made.conditions is unconditional
    assert unconditional(0, 5, ForbiddenNoise()) is None
    assert made.sampler == "decoder means of draws from the prior"
    assert "given" not in made.run({"terms": LossTermScores()}).protocol["loss_terms"]


def test_protocols_state_the_condition_given_to_the_model():
    made = evaluation()
    assert made.sampler == "decoder means of draws from the prior, labels drawn as in training"
    assert made.run({"terms": LossTermScores()}).protocol["loss_terms"]["given"] == "the images' labels"
    assert made._of_this_run({"extractor_sha256": "abc"}) == {"extractor_sha256": "abc"}  # scores of images compare


def test_protocols_state_how_the_images_were_prepared():
    made = evaluation()
    made.data.test.preparation = {"crop": 148}
    assert made.run({"terms": LossTermScores()}).protocol["loss_terms"]["crop"] == 148
    assert made._of_this_run({"extractor_sha256": "abc"}) == {"extractor_sha256": "abc", "crop": 148}


def test_reconstructions_and_codes_are_conditioned_on_the_images_labels():
    made = evaluation()
    batch = next(made.data.batches("test"))
    mu = made.codes()[0].mu
    expected = made.model.infer(batch.x, batch.y, 1, SeededNoise("cpu", 0)).q[0].mu[0]
    torch.testing.assert_close(mu, expected)
    images = made.model.likelihood.mean(made.model.decode((mu.unsqueeze(0),), batch.y))[0]
    torch.testing.assert_close(made.reconstruct(batch.x, batch.y), images)
    assert not torch.allclose(made.reconstruct(batch.x, batch.y.roll(1)), images)


@pytest.mark.parametrize("labels", ["shape", "factors"])
def test_codes_of_all_factor_images_are_conditioned_on_the_y_of_each(labels):
    data = Dataset("sprites", Sprites(2, 2, labels), Path(), 8, 0)
    model = small_model(x_shape=(1, 64, 64), conditional=True, y_size=data.y_size)
    made = Evaluation(Job(model, ELBO_1), data, 0, CPU)
    q, known = made.codes("train")
    torch.testing.assert_close(made.factor_codes()[data.train.chosen], q.mu, atol=1e-5, rtol=1e-4)
    assert (known is None) == (labels == "factors")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [(2, [2]), ("ape", [0]), (["dog", 0], [2, 0]), ("7", [3]), (7, [3]), (1, [1])],
)
def test_labels_are_typed_by_name_or_number(typed, expected):
    assert typed_y(typed, ["ape", "cat", "dog", "7"], []).tolist() == expected


def test_attributes_are_typed_as_numbers():
    assert typed_y([0, 0.5], [], ["age", "smile"]).tolist() == [[0, 0.5]]
    assert typed_y(0.5, [], ["age"]).tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("typed", "classes", "attributes", "told"),
    [
        ("cut", ["ape", "cat"], [], r"y=cut: no such label \(did you mean 'cat'\?\); type one of ape, cat or a number"),
        (2, ["ape", "cat"], [], "from 0 to 1"),
        (-1, ["ape", "cat"], [], "no such label"),
        (0.5, ["ape", "cat"], [], "y=0.5: no such label"),
        ([0, 9], ["ape", "cat"], [], "y=9"),
        (200, [str(i) for i in range(100)], [], "9, 10, … or a number from 0 to 99"),
        ([0.5], [], ["age", "smile"], r"y=\[0.5\]: this model takes 2 numbers; type y=\[0.5,0.5\] for age, smile"),
        (["old", 1], [], ["age", "smile"], "takes 2 numbers"),
    ],
)
def test_a_y_that_fits_neither_is_reported_with_the_words_to_type(typed, classes, attributes, told):
    with pytest.raises(UserError, match=told):
        typed_y(typed, classes, attributes)
