from pathlib import Path

import pytest
import torch
from helpers import FlowPosterior, GivenSource, gen, labelled, small_model

from vae_lab import evaluation as module
from vae_lab.data.image_data import ImageData
from vae_lab.evaluation import Evaluation
from vae_lab.job import Job
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.types import Images, Scores

CPU = torch.device("cpu")


def evaluation(seed: int = 0, posterior=None, test: Images | None = None) -> Evaluation:
    model = small_model(posterior=posterior) if posterior else small_model()
    data = ImageData("fake", GivenSource(labelled(40), test or labelled(12, seed=1)), Path(), 5, 0)
    return Evaluation(Job(model, Autoencoder()), data, seed, CPU)


def drawn(n: int, made: Evaluation | None = None, **more) -> torch.Tensor:
    return torch.cat(list((made or evaluation()).sample(n, **more)))


def test_the_model_is_in_evaluation_mode():
    assert not evaluation().model.training


@pytest.mark.parametrize("n", [1, 4, 5, 13])
def test_the_first_samples_are_the_same_whatever_their_number(n):
    assert torch.equal(drawn(n, size=5), drawn(15, size=5)[:n])


def test_no_sample_comes_twice():
    images = drawn(15, size=5).flatten(1)
    assert len(images.unique(dim=0)) == 15


def test_samples_are_decoded_draws_of_the_prior():
    made = evaluation()
    images = drawn(3000, made)
    z = torch.randn(3000, 3, generator=gen())
    expected = made.model.likelihood.mean(made.model.decode((z.unsqueeze(0),), None))[0]
    torch.testing.assert_close(images.mean(0), expected.mean(0).detach(), atol=0.01, rtol=0)
    assert images.min() >= 0
    assert images.max() <= 1


def test_samples_depend_on_seed_and_purpose_and_nothing_else():
    torch.manual_seed(1)
    first = drawn(4)
    torch.manual_seed(2)
    assert torch.equal(drawn(4), first)
    assert not torch.equal(drawn(4, evaluation(seed=1)), first)
    assert not torch.equal(drawn(4, purpose="other"), first)


def test_noise_depends_on_seed_and_purpose():
    draws = [evaluation(seed).noise(purpose).normal(5) for seed, purpose in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])


def test_reconstructions_are_decoded_posterior_means():
    made = evaluation()
    x = torch.rand(4, 1, 8, 8)
    mu = made.model.posterior.mu(made.model.encoder(x))
    torch.testing.assert_close(made.reconstruct(x), torch.sigmoid(made.model.decoder(mu)), check_stride=False)
    assert torch.equal(made.reconstruct(x), made.reconstruct(x))


def test_a_posterior_without_a_mean_is_reconstructed_from_a_draw():
    made = evaluation(posterior=FlowPosterior)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(made.reconstruct(x), made.reconstruct(x))
    assert made.codes()[0].mu.shape == (12, 3)


def test_codes_are_the_posteriors_of_all_test_images_in_order():
    made = evaluation()
    q, labels = made.codes()
    x = made.data.test.pixels.float() / 255
    torch.testing.assert_close(q.mu, made.model.posterior.mu(made.model.encoder(x)))
    torch.testing.assert_close(q.log_var, made.model.posterior.log_var(made.model.encoder(x)))
    assert labels.tolist() == made.data.test.labels.tolist()


def test_codes_of_images_without_labels_have_none():
    assert evaluation(test=Images(labelled(12).pixels, None)).codes()[1] is None


class Pixels:
    """A classifier whose features are the pixels, and which counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x.flatten(1), x.flatten(1)[:, :3]


@pytest.fixture
def pixels(monkeypatch) -> Pixels:
    classifier = Pixels()
    monkeypatch.setattr(module, "classifier_for", lambda *_: classifier)
    return classifier


def test_features_are_of_the_images_that_are_named(pixels):
    made = evaluation()
    test = made.data.test.pixels.float() / 255
    found = {source: made.features(source, 12)[0] for source in ("test", "reconstructions", "samples")}
    torch.testing.assert_close(found["test"], test.flatten(1))
    torch.testing.assert_close(found["reconstructions"], made.reconstruct(test).flatten(1))
    torch.testing.assert_close(found["samples"], drawn(12, made).flatten(1))
    torch.testing.assert_close(made.features("pool", 40)[0], made.data.pool.pixels.flatten(1) / 255)


def test_features_are_computed_once(pixels):
    made = evaluation()
    first = made.features("test", 12)
    assert made.features("test", 12) is first
    assert pixels.calls == 1


def test_without_labels_there_are_no_features():
    made = evaluation(test=Images(labelled(12).pixels, None))
    assert made.classifier is None
    with pytest.raises(ValueError, match="no labels"):
        made.features("test", 5)


def test_metrics_run_in_turn_and_their_values_are_of_the_test_set():
    made, seen = evaluation(), []

    def metric(name):
        def score(trained):
            seen.append((name, dict(trained.scores.values), torch.is_inference_mode_enabled()))
            return Scores({name: 1.0}, {name: "how"}, {name: [1]}, [name])

        return score

    scores = made.run({"first": metric("a"), "second": metric("b")})
    assert scores.values == {"test/a": 1.0, "test/b": 1.0}
    assert scores.protocol == {"a": "how", "b": "how"}
    assert scores.arrays == {"a": [1], "b": [1]}
    assert scores.notes == ["a", "b"]
    assert seen == [("a", {}, True), ("b", {"test/a": 1.0}, True)]


def test_a_metric_scored_again_replaces_its_values_alone():
    made = evaluation()
    made.scores = Scores({"test/a": 1.0, "test/b": 2.0})
    assert made.run({"a": lambda _: Scores({"a": 5.0})}).values == {"test/a": 5.0, "test/b": 2.0}
