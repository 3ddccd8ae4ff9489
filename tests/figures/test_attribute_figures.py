"""Tests of pictures to which attributes are added, on an untrained model of sprites."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of

from vae_lab.data.dataset import Dataset
from vae_lab.data.sprites import Sprites
from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.attribute_arithmetic import AttributeArithmetic, _different
from vae_lab.figures.synthetic_arithmetic import SyntheticArithmetic, blurred, darkened
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.single_level import SingleLevel
from vae_lab.nets.dense import Dense
from vae_lab.objectives.elbo import ELBO
from vae_lab.posteriors import DiagonalNormal
from vae_lab.schedules import Constant
from vae_lab.training.job import Job

CELL = 65  # pixels of an image and of the gap beside it
ORDER = [-1.0, 0.0, 1.0]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "conditional"])
def trained(request) -> Evaluation:
    data = Dataset("sprites", Sprites(4, 4, "factors"), Path(), 8, 0, val_share=0.01)
    torch.manual_seed(0)
    more = {"conditional": True, "y_size": 8} if request.param else {}
    model = SingleLevel(Dense(16, 1), DiagonalNormal, Bernoulli(), data.x_shape, 6, **more)
    return Evaluation(Job(model, ELBO(1.0, 1.0, 1, "B", Constant())), data, 0, torch.device("cpu"), "a title")


def picture(figure, row: int, column: int) -> torch.Tensor:
    """An image of the grid, [1, 64, 64]."""
    grid = figure.axes[0].images[0].get_array()
    return torch.from_numpy(
        np.asarray(grid[row * CELL + 1 : (row + 1) * CELL, column * CELL + 1 : (column + 1) * CELL])
    )[None, ..., 0]


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_row_begins_with_an_image_that_lacks_the_attribute_and_0_is_its_reconstruction(trained):
    figure = AttributeArithmetic(["scale", "x"], strengths=ORDER)(trained)
    values = trained.attribute_values("test")
    place = int((values[:, 3] <= 0.5).nonzero()[0])
    image = bytes_of(trained.data.test)[[place]].float() / 255
    y = values[[place]]
    for row in range(2):  # raw, corrected
        torch.testing.assert_close(picture(figure, row, 0)[None], image)
        torch.testing.assert_close(picture(figure, row, 2)[None], trained.reconstruct(image, y), atol=1e-5, rtol=1e-4)
    assert not torch.equal(picture(figure, 0, 2), picture(figure, 0, 3))
    assert [text.split("\n")[:2] for text in labels(figure)[:4]] == [
        ["scale", "raw"], ["scale", "corrected"], ["x", "raw"], ["x", "corrected"],
    ]  # fmt: skip
    assert labels(figure)[4:] == ["image", "−1", "0", "+1"]
    (frame,) = figure.axes[0].patches
    assert frame.get_x() == 2 * CELL - 0.5  # around the column of strength 0


def test_the_accuracy_beside_a_row_is_that_of_test_codes(trained):
    figure = AttributeArithmetic(["y"])(trained)
    codes, present = trained.codes("test")[0].mu, trained.attribute_values("test")[:, 7] > 0.5
    train, held = trained.codes("train")[0].mu, trained.attribute_values("train")[:, 7] > 0.5
    vector = train[held].mean(0) - train[~held].mean(0)
    scores = train @ vector
    best = max(((scores > t) == held).double().mean().item() for t in scores)
    told = float(labels(figure)[0].split()[-1])
    possible = {round(((codes @ vector > t) == present).double().mean().item(), 3) for t in scores}
    assert told in possible
    assert told == pytest.approx(best, abs=0.15)


def test_the_best_attributes_are_shown_unless_some_are_named(trained):
    figure = AttributeArithmetic(most=1)(trained)
    assert len(labels(figure)[:-8]) == 2
    assert "(1 of 8)" in figure.get_suptitle()
    with pytest.raises(UserError, match=r"no attribute is called 'scal' .did you mean 'scale'"):
        AttributeArithmetic(["scal"])(trained)
    with pytest.raises(UserError, match=r"there is no test image 1000000: the test set has 1"):
        AttributeArithmetic(image=1_000_000)(trained)


def test_the_moving_version_goes_there_and_back(trained):
    animation = AttributeArithmetic(["x", "y"])(trained) and AttributeArithmetic(["x", "y"]).animation(trained)
    assert len(animation.frames) == 20
    assert animation.back_and_forth
    assert AttributeArithmetic(["x"], animation="none").animation(trained) is None


def test_synthetic_vectors_undo_a_change(trained):
    figure = SyntheticArithmetic(strengths=ORDER, images=60)(trained)
    assert [text.split("\n")[0] for text in labels(figure)[:2]] == ["sharper", "brighter"]
    batch = next(trained.data.batches("test", size=2))
    x_hat = trained.reconstruct(batch.x, batch.y)
    for row in range(2):
        torch.testing.assert_close(picture(figure, row, 2), x_hat[row], atol=1e-5, rtol=1e-4)
    assert len(SyntheticArithmetic(images=20).animation(trained).frames) == 20


def test_changes_of_images():
    x = torch.zeros(1, 3, 64, 64)
    x[:, :, 32, 32] = 1
    spread = blurred(x)
    assert spread.sum().item() == pytest.approx(3, rel=1e-4)  # a blur moves light and keeps it
    across = torch.arange(64) - 32.0
    variance = (spread[0, 0].sum(0) * across.square()).sum().item()
    assert variance == pytest.approx(4, rel=0.05)  # σ of 2 pixels
    assert torch.equal(darkened(x), 0.6 * x)


def test_the_title_says_what_is_not_balanced(trained):
    title = AttributeArithmetic(["scale", "x"], strengths=ORDER)(trained).get_suptitle().replace("\n", " ")
    assert "held-out images; " in title
    assert re.search(r"; \w+ not balanced( for (scale|x))?: \d example", title)
    alone = AttributeArithmetic(["scale", "x"], balance=["x"])(trained).get_suptitle().replace("\n", " ")
    assert "; nothing is balanced for x" in alone
    with pytest.raises(UserError, match=r"balance=\[x\]: x itself is the attribute whose vector is drawn"):
        AttributeArithmetic(["x"], balance=["x"])(trained)


@pytest.mark.parametrize("figure", [AttributeArithmetic, SyntheticArithmetic])
def test_strengths_without_0_get_the_reconstruction_in_order(trained, figure):
    drawn = figure(strengths=[1, -1])(trained)
    assert labels(drawn)[-4:] == ["image", "−1", "0", "+1"]
    assert len(drawn.axes[0].patches) == 1
    assert all(not line.endswith("-") for line in drawn.get_suptitle().splitlines())


def test_attributes_have_different_images_where_there_are_enough():
    assert _different([[3, 5], [1, 3, 5], [3, 5, 7], [3, 5]]) == [3, 1, 5, 3]
