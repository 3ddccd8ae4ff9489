import pytest
import torch
from helpers import FakeExtractor, gen, scored

from vae_lab.metrics.fid import frechet
from vae_lab.metrics.val_fid import ValidationFID


def test_it_is_the_fid_to_the_validation_images_and_says_so():
    a, b = torch.randn(60, 6, generator=gen(1)), torch.randn(60, 6, generator=gen(2)) + 1
    trained = scored(60, FakeExtractor(), samples=a, val=b)
    found = ValidationFID(bootstrap=20)(trained)
    assert (found.split, set(found.values)) == ("val", {"fid"})
    assert found.values["fid"] == pytest.approx(frechet(a, b))
    low, high = found.intervals["fid"]
    assert low < found.values["fid"] < high
    assert found.meanings["fid"].endswith("lower is better")
    protocol = found.protocol["val_fid"]
    assert (protocol["images"], protocol["split"]) == (60, "val")
    assert protocol["reference"] == "60 of 60 validation images of fake"


def test_too_few_validation_images_are_noted_and_give_no_score():
    few = torch.randn(6, 6, generator=gen(1))
    found = ValidationFID()(scored(6, FakeExtractor(), samples=few, val=few))
    assert found.values == {}
    assert found.notes == ["No val/fid: 6 images are too few for a covariance of 6 features."]
