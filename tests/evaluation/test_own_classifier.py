import pytest
import torch
from helpers import FakeData, labelled

from vae_lab.evaluation import own_classifier
from vae_lab.evaluation.own_classifier import LATER, SHORT, seconds_to_train, users, why_without
from vae_lab.examples import Examples
from vae_lab.features.classifier import IMAGES, classifier_features, classifier_for
from vae_lab.features.inception import inception_features
from vae_lab.metrics.conditional_accuracy import ConditionalAccuracy
from vae_lab.metrics.fid import FID
from vae_lab.metrics.label_distribution import LabelDistribution
from vae_lab.metrics.latent_use import LatentUse

CPU = torch.device("cpu")
PARTS = {"use": LatentUse(), "fid": FID(), "labels": LabelDistribution(), "accuracy": ConditionalAccuracy()}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(own_classifier, "seconds_to_train", lambda *_: 100.0)


def decided(choice, seconds_of_run: float, names=("fid",), data=None):
    return why_without(choice, list(names), data or FakeData(labelled(20)), lambda: seconds_of_run, CPU)


def test_scores_in_the_features_of_another_network_do_not_need_it():
    assert users(PARTS, classifier_features, conditional=False) == ["fid", "labels"]
    assert users(PARTS, inception_features, conditional=True) == ["labels", "accuracy"]


def test_a_run_that_takes_longer_trains_it_and_says_so_before():
    without, told = decided("auto", 101)
    assert without == ""
    assert told.endswith("it is trained after the run, in about 1 min 40 s, once for all runs on these images")


def test_a_shorter_run_leaves_it_out_and_says_what_to_type():
    without, told = decided("auto", 99)
    assert "which takes about 1 min 40 s and the run itself 1 min 39 s" in without
    assert without.endswith(LATER)
    assert told == f"No fid: {without}"


def test_a_quick_one_is_always_trained(monkeypatch):
    monkeypatch.setattr(own_classifier, "seconds_to_train", lambda *_: SHORT)
    assert decided("auto", 1)[0] == ""


def test_the_user_decides():
    assert decided(True, 1)[0] == ""
    assert decided(False, 1e6)[0].endswith(LATER)


def test_nothing_is_told_if_nothing_needs_it_or_it_is_at_hand():
    data = FakeData(labelled(20))
    assert decided("auto", 1, names=()) == ("", "")
    assert decided("auto", 1, data=FakeData(Examples(labelled(20).stored, None))) == ("", "")
    assert decided("auto", 1, data=data)[0] != ""
    classifier_for(data, CPU, lambda steps, _: steps)  # trains and keeps it
    assert decided("auto", 1, data=data) == ("", "")


def test_the_time_is_that_of_the_operations():
    data = FakeData(labelled(4000, (1, 28, 28), classes=10))
    weights = 1 * 32 * 9 * 28 * 28 + 2 * 32 * 32 * 9 * 14 * 14 + 32 * 49 * 128 + 128 * 10  # products per image
    passes = 3 * weights - 32 * 9 * 28 * 28  # the gradient of the images is not computed
    assert seconds_to_train(data, CPU) == pytest.approx(2 * passes * IMAGES / (60e9 * torch.get_num_threads()))
