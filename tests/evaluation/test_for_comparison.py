from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import FlowPosterior, GivenSource, labelled, small_model

from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.for_comparison import draw_for_comparison
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples, RealVectors, Tokens
from vae_lab.figures.run_picture import NAME, read_picture
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.training.job import Job

CPU = torch.device("cpu")


def evaluation(seed: int = 0, shape=(1, 8, 8), test: Examples | None = None, posterior=None, **more) -> Evaluation:
    test = test or labelled(12, shape, seed=1)
    model = small_model(x_shape=tuple(test.stored.shape[1:]), **({"posterior": posterior} if posterior else {}))
    data = Dataset("fake", GivenSource(labelled(40, tuple(test.stored.shape[1:])), test), Path(), 5, seed, **more)
    return Evaluation(Job(model, Autoencoder()), data, seed, CPU)


def picture_of(made: Evaluation, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    draw_for_comparison(made, folder)
    return read_picture(folder / NAME)


@pytest.mark.parametrize("more", [{}, {"posterior": FlowPosterior}, {"binarize": "dynamic"}, {"binarize": "static"}])
def test_all_seeds_decode_the_same_draws_and_reconstruct_the_same_images(tmp_path, more):
    torch.manual_seed(1)
    (first, below) = picture_of(evaluation(0, **more), tmp_path)
    torch.manual_seed(2)
    (second, other) = picture_of(evaluation(5, **more), tmp_path)
    assert np.array_equal(first, second)
    assert np.array_equal(below, other)
    assert len({part.tobytes() for part in (first[1:9, 9 * i + 1 : 9 * i + 9] for i in range(10))}) == 10
    if "binarize" in more:
        assert set(below[1:9, 1:9].flat) <= {0, 255}


def test_the_images_are_of_each_class_in_turn_above_their_reconstructions(tmp_path):
    made = evaluation()
    _, below = picture_of(made, tmp_path)
    chosen = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])  # their labels are 0, 1, 2, 0, 1, …
    x = made.data.test.at(chosen)[0]
    expected = (made.reconstruct(x / 255) * 255).round().byte()
    for i in range(10):
        assert np.array_equal(below[1:9, 9 * i + 1 : 9 * i + 9], x[i, 0].numpy())
        assert np.array_equal(below[10:18, 9 * i + 1 : 9 * i + 9], expected[i, 0].numpy())


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 8, 8), (8, 8)), ((2, 8, 12), (8, 12)), ((3, 200, 100), (128, 64)), ((1, 130, 1), (128, 1))],
    ids=str,
)
def test_large_images_are_reduced_and_two_channels_become_grey(tmp_path, shape, size):
    above, below = picture_of(evaluation(shape=shape), tmp_path)
    height, width = size
    assert above.shape[:2] == (3 * (height + 1) + 1, 10 * (width + 1) + 1)
    assert below.shape[:2] == (2 * (height + 1) + 1, 10 * (width + 1) + 1)


def test_a_dataset_of_three_test_images_shows_three(tmp_path):
    _, below = picture_of(evaluation(test=labelled(3)), tmp_path)
    assert (below[:, 3 * 9 + 1 :] == 128).all()


@pytest.mark.parametrize("values", [Tokens(("a", "b")), RealVectors()], ids=lambda values: values.kind)
def test_what_is_not_an_image_is_not_drawn(tmp_path, values):
    made = evaluation()
    made.data.pool.values = values
    draw_for_comparison(made, tmp_path)
    assert not any(tmp_path.iterdir())


def test_labels_of_a_conditional_model_are_those_of_the_images(tmp_path):
    made = evaluation()
    asked = []
    made.model.decode = lambda z, y, decode=made.model.decode: asked.append(y) or decode(z, None)
    made.conditions = lambda start, n, noise: torch.arange(n) % 3
    draw_for_comparison(made, tmp_path)
    assert torch.equal(asked[0], torch.arange(30) % 3)
