from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import FakeTrained, GivenSource, bytes_of, labelled, small_model

from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.sampled import Sampled
from vae_lab.evaluation.scoring import silent
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.neighbours import Neighbours, nearest_in_pixels
from vae_lab.latents.codes import encode
from vae_lab.objectives.elbo import ELBO
from vae_lab.samplers.gmm import GMM
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


@pytest.mark.parametrize("size", [7, 100])
def test_the_nearest_images_are_those_of_all_distances(size):
    train = torch.rand(30, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    samples = torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    expected = torch.cdist(samples.flatten(1), train.flatten(1)).argsort(1)[:, :3]
    images, distances = nearest_in_pixels(samples, train.split(size), 3)
    assert torch.equal(images, train[expected])
    torch.testing.assert_close(distances[:, 0], (samples - train[expected[:, 0]]).flatten(1).norm(dim=1))


def test_fewer_images_than_neighbours():
    train = torch.rand(2, 1, 2, 2)
    assert nearest_in_pixels(torch.rand(3, 1, 2, 2), train.split(1), 5)[0].shape == (3, 2, 1, 2, 2)


def rows_of(figure) -> list[np.ndarray]:
    """The first image of each row."""
    return [np.asarray(axes.images[0].get_array())[1:9, 1:9, 0] for axes in figure.axes]


def names_of(figure) -> list[str]:
    return [axes.texts[0].get_text() for axes in figure.axes]


def test_a_copy_stands_above_its_original():
    made = FakeTrained(labelled(12))
    made.data.train = labelled(20, seed=5)
    train = bytes_of(made.data.train).float() / 255
    made.sample = lambda n, *_: iter([train[[4, 9]][:n]])
    figure = Neighbours(columns=2, nearest=2, spaces=["pixels"])(made)
    rows = rows_of(figure)
    np.testing.assert_allclose(rows[0], train[4, 0], atol=1e-6)
    np.testing.assert_allclose(rows[1], train[4, 0], atol=1e-6)
    assert not np.allclose(rows[2], train[4, 0], atol=1e-3)
    assert names_of(figure) == ["sample", "nearest in\npixels", "2."]
    second = (train[9] - train).flatten(1).norm(dim=1).sort().values[1]
    assert [text.get_text() for text in figure.axes[1].texts[1:]] == ["0", "0"]
    assert figure.axes[2].texts[2].get_text() == f"{second:.3g}"
    assert "in pixels (Euclidean) among 20 images" in figure.get_suptitle().replace("\n", " ")


@pytest.fixture
def trained(request) -> Evaluation:
    model = small_model(**({"conditional": True, "y_size": 3} if request.param else {}))
    objective = ELBO(1.0, 1.0, 1, "B", Constant())
    data = Dataset("fake", GivenSource(labelled(60), labelled(12)), Path(), 5, 0)
    return Evaluation(Job(model, objective), data, 0, torch.device("cpu"))


@pytest.mark.parametrize("trained", [False, True], indirect=True)
def test_the_nearest_in_codes_are_those_of_scaled_active_dimensions(trained, monkeypatch):
    n = len(trained.data.train)
    kl = torch.tensor([1.0, 0.0, 2.0]).expand(n, 3)
    monkeypatch.setattr(trained, "kl", lambda *_, **__: kl)
    figure = Neighbours(columns=3, nearest=1, spaces=["codes"])(trained)
    samples, y = next(trained.sample(3)), trained.y_of_samples(3)
    q, _ = trained.codes("train", n)
    sd = (q.mu.var(0, correction=0) + q.log_var.exp().mean(0)).sqrt()
    own = encode(trained.model, samples, y, trained.noise).mean
    apart = ((own[:, None] - q.mu[None]) / sd)[..., [0, 2]].norm(dim=2)
    train = torch.cat(list(trained.data.clean("train")))
    np.testing.assert_allclose(rows_of(figure)[1], train[apart[0].argmin(), 0], atol=1e-6)
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts[0] == "nearest in\ncodes"
    assert [float(text) for text in texts[1:]] == pytest.approx(apart.min(1).values.tolist(), rel=0.05)


def test_given_images_have_no_codes():
    made = FakeTrained(labelled(12))
    made.sample = lambda n, *_: iter([bytes_of(made.data.test)[:n].float() / 255])
    given = SimpleNamespace(
        **{name: getattr(made, name) for name in ("data", "sample", "available", "title", "sampler")}
    )
    given.learnt_from, given.trained = "pool", None
    assert names_of(Neighbours(columns=2, nearest=1)(given)) == ["sample", "nearest in\npixels"]
    assert Neighbours(columns=2, spaces=["codes"])(given) is None


@pytest.mark.parametrize("trained", [False, True], indirect=True)
def test_samples_of_a_fitted_sampler_have_the_codes_of_their_model(trained, monkeypatch):
    kl = torch.ones(len(trained.data.train), 3)
    monkeypatch.setattr(trained, "kl", lambda *_, **__: kl)
    gmm = GMM(components=1)
    gmm.fit(trained.codes("train")[0].mu, trained.noise("fit"), silent)
    sampled = Sampled(trained, gmm, {}, "gmm")
    assert names_of(Neighbours(columns=2, nearest=1)(sampled)) == ["sample", "nearest in\npixels", "nearest in\ncodes"]
