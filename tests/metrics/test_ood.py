from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, GivenSource, bytes_of, gen, labelled, small_model
from torch import nn

from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.likelihoods import MSE
from vae_lab.metrics.anomaly_scores.terms import KL, Recon
from vae_lab.metrics.anomaly_scores.waic import WAIC
from vae_lab.metrics.common.foreign_images import ForeignImages
from vae_lab.metrics.ood import OOD
from vae_lab.types import Latents, Normal

PLAIN = SimpleNamespace(variational=False)


class Brightness(nn.Module):
    """Knows images of one grey: recon is the distance to it, KL falls with brightness."""

    likelihood = MSE()
    conditional = False

    def infer(self, x, y, k, noise, densities=False):
        bright = x.flatten(1).mean(1, keepdim=True)
        q = Normal(torch.zeros(1, len(x), 1), torch.zeros(1, len(x), 1))
        self.seen = x
        return Latents((torch.zeros(k, len(x), 1),), ((1 - bright).unsqueeze(0),), (q,))

    def decode(self, z, y):
        return torch.zeros(z[0].shape[0], z[0].shape[1], *self.seen.shape[1:])  # the mean is ½


def dots(n: int = 40, seed: int = 0) -> Examples:
    """Grey images with a little noise, darker below, so that turning shows."""
    pixels = torch.randint(118, 138, (n, 1, 8, 8), generator=gen(seed), dtype=torch.uint8)
    return Examples(pixels, None)


def trained(images: Examples | None = None, **given) -> FakeTrained:
    return FakeTrained(images or dots(), model=Brightness(), **given)


class Present:
    def __init__(self, images: Examples | UserError | None) -> None:
        self.images, self.asked = images, []

    def present(self, root):
        self.asked.append(root)
        if isinstance(self.images, UserError):
            raise self.images
        return self.images


def test_noise_far_from_grey_images_is_detected_by_recon_and_not_by_a_blind_score():
    scores = OOD()(trained())
    assert scores.values["ood_auroc_uniform_recon"] == scores.values["ood_auroc_uniform_elbo"] == 1
    for by in ("recon", "kl", "elbo"):  # turning changes neither, but for rounding
        assert scores.values[f"ood_auroc_rotated_{by}"] == pytest.approx(0.5, abs=0.05)
        low, high = scores.intervals[f"ood_auroc_rotated_{by}"]
        assert high - low < 0.1  # turned images are drawn with their originals; it would be 0.25 else


def test_images_of_the_same_kind_are_not_distinguished():
    others = {"twin": Present(dots(400, seed=3))}
    scores = OOD(others=others)(trained(dots(400)))
    for by in ("elbo", "recon", "kl"):
        low, high = scores.intervals[f"ood_auroc_twin_{by}"]
        assert low < 0.5 < high
        assert high - low < 0.15


def test_gaussian_noise_has_the_moments_of_the_test_images():
    images = labelled(60)
    grey = bytes_of(images).double() / 255
    protocol = OOD()(trained(images)).protocol["ood"]["gaussian"]
    assert protocol["mean"] == pytest.approx(grey.mean().item(), rel=1e-5)
    assert protocol["sigma"] == pytest.approx(grey.std(correction=0).item(), rel=1e-5)


def test_turned_images_are_upside_down():
    made = trained()
    x = next(made.data.batches("test")).x
    (turned,) = ForeignImages(made, 40, {}).batches("rotated")
    assert torch.equal(turned, x.flip(2, 3))
    assert not torch.equal(turned, x)


def test_the_first_dataset_that_is_present_and_fits_is_taken_and_the_rest_not_read():
    absent, wrong, right, later = Present(None), Present(labelled(5, (3, 8, 8))), Present(dots(50, 4)), Present(dots())
    own = Present(dots())
    others = {"fake": own, "absent": absent, "left_out": None, "wrong": wrong, "right": right, "later": later}
    scores = OOD(others=others)(trained())
    assert scores.protocol["ood"]["other"] == "right"
    assert [len(source.asked) for source in (own, absent, wrong, right, later)] == [0, 1, 1, 1, 0]
    assert "ood_auroc_right_elbo" in scores.values
    assert scores.notes == []


def test_without_another_dataset_there_is_a_note_and_the_rest_is_scored():
    broken = Present(UserError("dataset=kmnist: the test files are corrupt"))
    scores = OOD(others={"absent": Present(None), "kmnist": broken})(trained())
    assert "none of absent, kmnist lies in" in scores.notes[0]
    assert "1×8×8" in scores.notes[0]
    assert "corrupt" in scores.notes[1]
    assert {panel["kind"] for panel in scores.arrays["ood_roc"]} == {"uniform", "gaussian", "rotated"}


def test_an_autoencoder_is_scored_by_recon_alone():
    scores = OOD()(trained(objective=PLAIN))
    assert set(scores.values) == {f"ood_auroc_{kind}_recon" for kind in ("uniform", "gaussian", "rotated")}


def test_every_value_has_an_interval_a_meaning_and_a_curve():
    scores = OOD(images=20)(trained())
    assert set(scores.values) == set(scores.intervals) == set(scores.meanings)
    for panel in scores.arrays["ood_roc"]:
        for by, found in panel["found"].items():
            assert len(found) == 101
            assert f"ood_auroc_{panel['kind']}_{by}" in scores.values
    assert scores.protocol["ood"]["images"] == 20


def test_scores_depend_on_the_seed_and_nothing_else():
    def found(seed: int = 0):
        made = FakeTrained(dots(), model=small_model().eval(), seed=seed)
        return OOD(others={"twin": Present(dots(400, 3))}, images=30)(made).values

    torch.manual_seed(1)
    first = found()
    torch.manual_seed(2)
    assert found() == first
    assert found(seed=1) != first


def test_noise_is_black_and_white_where_the_data_is():
    data = Dataset("fake", GivenSource(dots(), dots()), Path(), 5, 0, binarize="dynamic")
    made = trained(data=data)
    other = dots(50, 4)
    for kind in ("uniform", "gaussian", "rotated", "twin"):
        for x in ForeignImages(made, 40, {"twin": Present(other)}).batches(kind):
            assert set(x.unique().tolist()) == {0, 1}


def of_classes() -> Dataset:
    """Dim images of class 0, on which a model is trained, and bright ones of class 1."""
    grey = torch.randint(100, 120, (40, 1, 8, 8), generator=gen(5), dtype=torch.uint8)
    pixels = torch.cat([grey, grey + 100])
    images = Examples(pixels, torch.arange(2).repeat_interleave(40), ("dim", "bright"))
    return Dataset("fake", GivenSource(images, images), Path(), 5, 0, keep=[0])


def test_test_images_of_classes_that_were_left_out_are_a_kind_of_their_own():
    scores = OOD(kinds=["other_classes"])(trained(data=of_classes()))
    assert scores.values == {
        "ood_auroc_other_classes_elbo": 1, "ood_auroc_other_classes_recon": 1, "ood_auroc_other_classes_kl": 0,
    }  # fmt: skip
    assert scores.protocol["ood"]["normal"] == ["dim"]
    assert scores.notes == []
    table = scores.tables["ood"]
    assert table["kind"] == ["other_classes"] * 3
    assert table["score"] == ["elbo", "recon", "kl"]
    assert table["fpr95"] == [0, 0, 1]
    assert table["normal"] == table["anomalies"] == [40] * 3


def test_scores_may_be_chosen_and_one_that_makes_no_sense_is_told():
    made = OOD(kinds=["rotated"], scores={"mine": Recon(1), "kl": KL(), "waic": WAIC()})
    scores = made(trained())
    assert set(scores.values) == {"ood_auroc_rotated_mine", "ood_auroc_rotated_kl"}
    assert scores.notes == [
        "No ood_auroc by waic: it needs several runs that differ in their seed; "
        "type run=<folder of a sweep over seeds>."
    ]
    assert scores.protocol["ood"]["scores"] == {"mine": {"latent_samples": 1}, "kl": {"latent_samples": 4}}
