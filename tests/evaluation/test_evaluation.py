from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import FlowPosterior, GivenSource, gen, labelled, small_model

from vae_lab.commands.score import ScoredImages
from vae_lab.data.dataset import Dataset
from vae_lab.data.given_images import GivenImages
from vae_lab.evaluation import scoring as module
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.functional import kl_normal
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.scores import Scores
from vae_lab.training.job import Job

CPU = torch.device("cpu")


def evaluation(seed: int = 0, posterior=None, test: Examples | None = None) -> Evaluation:
    model = small_model(posterior=posterior) if posterior else small_model()
    data = Dataset("fake", GivenSource(labelled(40), test or labelled(12, seed=1)), Path(), 5, 0)
    return Evaluation(Job(model, Autoencoder()), data, seed, CPU)


def drawn(n: int, made: Scoring | None = None, **more) -> torch.Tensor:
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


def test_a_posterior_without_a_mean_is_reconstructed_from_the_mean_of_its_draws():
    """The draws of this posterior come in pairs about the mean of its Gaussian."""
    made, plain = evaluation(posterior=FlowPosterior), evaluation()
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(made.reconstruct(x), plain.reconstruct(x))
    torch.testing.assert_close(made.codes()[0].mu, plain.codes()[0].mu)


def test_the_kl_is_the_models_own_in_closed_form_or_sampled():
    plain, made = evaluation(), evaluation(posterior=FlowPosterior)
    q, _ = plain.codes("train", 20)
    torch.testing.assert_close(plain.kl("train", 20), kl_normal(q.mu, q.log_var))
    assert made.kl("train", 20).shape == (20, 1)
    assert made.kl("train").mean().item() == pytest.approx(plain.kl("train").sum(1).mean().item(), abs=1.5)


def test_codes_are_the_posteriors_of_all_test_images_in_order():
    made = evaluation()
    q, labels = made.codes()
    x = made.data.test.stored.float() / 255
    torch.testing.assert_close(q.mu, made.model.posterior.mu(made.model.encoder(x)))
    torch.testing.assert_close(q.log_var, made.model.posterior.log_var(made.model.encoder(x)))
    assert labels.tolist() == made.data.test.labels.tolist()


def test_codes_of_images_without_labels_have_none():
    assert evaluation(test=Examples(labelled(12).stored, None)).codes()[1] is None


def test_codes_are_of_the_split_and_the_number_that_are_named():
    made = evaluation()
    whole, labels = made.codes("train")
    assert whole.mu.shape == (36, 3)
    some, their_labels = made.codes("train", 5)
    same = (some.mu.unsqueeze(1) == whole.mu).all(2)  # which of all codes each is
    assert same.sum(1).tolist() == [1] * 5
    assert same.any(0).sum() == 5
    assert their_labels.tolist() == labels[same.int().argmax(1)].tolist()


def test_codes_are_computed_once_for_each_split_and_number():
    made = evaluation()
    assert made.codes("test")[0] is made.codes("test")[0]
    assert len(made.codes("val")[0].mu) == 4
    assert len(made.codes("test", 5)[0].mu) == 5
    assert len(made.codes("test", 500)[0].mu) == 12


class Pixels:
    """A network whose features are the pixels times a factor and whose logits the first three; counts its calls."""

    def __init__(self, factor: float = 1.0, sha256: str = "pixels") -> None:
        self.calls, self.factor, self.sha256 = 0, factor, sha256

    def __call__(self, x):
        self.calls += 1
        features = self.factor * x.flatten(1)
        return features, features[:, :3]


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path))


@pytest.fixture
def pixels(monkeypatch) -> Pixels:
    classifier = Pixels()
    monkeypatch.setattr(module, "classifier_for", lambda *_: classifier)
    return classifier


def seen_through(extractor: Pixels, train_seed: int = 0, test_seed: int = 1) -> Evaluation:
    data = Dataset("fake", GivenSource(labelled(40, seed=train_seed), labelled(12, seed=test_seed)), Path(), 5, 0)
    return Evaluation(Job(small_model(), Autoencoder()), data, 0, CPU, features=lambda _: extractor)


def test_features_are_of_the_images_that_are_named(pixels):
    made = evaluation()
    test = made.data.test.stored.float() / 255
    found = {source: made.features(source, 12) for source in ("test", "reconstructions", "samples")}
    torch.testing.assert_close(found["test"], test.flatten(1))
    torch.testing.assert_close(found["reconstructions"], made.reconstruct(test).flatten(1))
    torch.testing.assert_close(found["samples"], drawn(12, made).flatten(1))
    pool = made.data.pool.stored.flatten(1) / 255
    torch.testing.assert_close(made.features("pool", 40), pool)
    torch.testing.assert_close(made.features("train", 36), pool[made.data.train.chosen])
    four = torch.cat(list(made.data.clean("pool", 4)))
    torch.testing.assert_close(made.features("pool", 4), four.flatten(1))


def test_logits_are_of_the_extractor_and_class_logits_of_the_classifier(pixels):
    made = seen_through(Pixels(10.0, "other"))
    test = made.data.test.stored.flatten(1) / 255
    torch.testing.assert_close(made.features("test", 12), 10 * test)
    torch.testing.assert_close(made.logits("test", 12), 10 * test[:, :3])
    torch.testing.assert_close(made.class_logits("test", 12), test[:, :3])


def test_an_extractor_that_is_the_classifier_reads_images_once(pixels):
    made = evaluation()
    assert made.extractor is pixels
    made.features("samples", 12)
    made.logits("samples", 12)
    made.class_logits("samples", 12)
    assert pixels.calls == 1


def test_features_are_computed_once(pixels):
    made = evaluation()
    first = made.features("test", 12)
    assert made.features("test", 12) is first
    assert pixels.calls == 1


def test_features_of_real_images_are_remembered_from_one_evaluation_to_the_next():
    first, again = Pixels(), Pixels()
    one, other = seen_through(first), seen_through(again)
    for source, n in (("test", 12), ("pool", 40), ("train", 36)):
        assert torch.equal(one.features(source, n), other.features(source, n))
        assert torch.equal(one.logits(source, n), other.logits(source, n))
    assert first.calls == 3
    assert again.calls == 0
    one.features("samples", 12)
    other.features("samples", 12)
    assert again.calls == 1


def test_another_network_or_other_images_never_use_stored_features():
    seen_through(Pixels()).features("test", 12)
    other_network, other_images, fewer = Pixels(2.0, "twice"), Pixels(), Pixels()
    doubled = seen_through(other_network)
    torch.testing.assert_close(doubled.features("test", 12), 2 * (doubled.data.test.stored.flatten(1) / 255))
    changed = seen_through(other_images, test_seed=7)
    torch.testing.assert_close(changed.features("test", 12), changed.data.test.stored.flatten(1) / 255)
    assert seen_through(fewer).features("test", 6).shape == (6, 64)
    assert [net.calls for net in (other_network, other_images, fewer)] == [1, 1, 1]


def test_progress_shows_a_description_and_the_number_of_batches(pixels):
    shown = []

    def progress(steps, description):
        shown.append((description, len(steps)))
        return steps

    made = evaluation()
    made.progress = progress
    made.features("samples", 2500)
    made.features("test", 12)
    made.codes("train")
    assert shown == [("reading 2,500 samples", 3), ("reading 12 test images", 1), ("encoding 36 images", 1)]


def test_without_labels_there_are_no_features():
    made = evaluation(test=Examples(labelled(12).stored, None))
    assert made.classifier is None
    assert made.extractor is None
    with pytest.raises(ValueError, match="no labels"):
        made.features("test", 5)


def test_given_images_have_no_reconstructions_and_no_codes(tmp_path):
    data = Dataset("fake", GivenSource(labelled(40), labelled(12)), Path(), 5, 0)
    np.save(tmp_path / "given.npy", labelled(6).stored.numpy())
    scoring = ScoredImages(GivenImages(str(tmp_path / "given.npy"), data.x_shape), data, 0, CPU)
    assert drawn(6, scoring).shape == (6, 1, 8, 8)
    assert not hasattr(scoring, "reconstruct")
    assert not hasattr(scoring, "codes")


def test_metrics_run_in_turn_and_their_values_are_of_the_test_set():
    made, seen = evaluation(), []

    def metric(name):
        def score(trained):
            seen.append((name, dict(trained.scores.values), torch.is_inference_mode_enabled()))
            told = {name: "nats"}
            return Scores({name: 1.0}, {name: "how"}, {name: [1]}, [name], {name: (0.5, 2.0)}, told, {name: {"x": [1]}})

        return score

    scores = made.run({"first": metric("a"), "second": metric("b")})
    assert scores.values == {"test/a": 1.0, "test/b": 1.0}
    assert scores.protocol == {"a": "how", "b": "how"}
    assert scores.arrays == {"a": [1], "b": [1]}
    assert scores.intervals == {"test/a": (0.5, 2.0), "test/b": (0.5, 2.0)}
    assert scores.meanings == {"test/a": "nats", "test/b": "nats"}
    assert scores.tables == {"a": {"x": [1]}, "b": {"x": [1]}}
    assert scores.notes == ["a", "b"]
    assert seen == [("a", {}, True), ("b", {"test/a": 1.0}, True)]
    assert made.run({"again": metric("a")}).notes == ["a", "b"]  # the same sentence is said once


def test_a_metric_scored_again_replaces_its_values_alone():
    made = evaluation()
    made.scores = Scores({"test/a": 1.0, "test/b": 2.0})
    assert made.run({"a": lambda _: Scores({"a": 5.0})}).values == {"test/a": 5.0, "test/b": 2.0}
