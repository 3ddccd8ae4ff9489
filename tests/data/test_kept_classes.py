from pathlib import Path

import pytest
import torch
from helpers import GivenSource, labelled

from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.examples import Examples

NAMES = ("zero", "one", "two")


def data(keep=None, **options) -> Dataset:
    pixels = labelled(90).stored
    train = Examples(pixels, torch.arange(90) % 3, NAMES)
    test = Examples(pixels[:30], torch.arange(30) % 3, NAMES)
    return Dataset("fake", GivenSource(train, test), Path(), 5, 0, keep=keep, **options)


@pytest.mark.parametrize(("keep", "kept"), [([2], {2}), (0, {0}), ("one", {1}), (["two", 0], {0, 2})])
def test_training_and_validation_have_the_kept_classes_and_the_test_set_has_all(keep, kept):
    made = data(keep)
    assert set(made.train.labels.tolist()) == set(made.val.labels.tolist()) == kept
    assert set(made.test.labels.tolist()) == {0, 1, 2}
    assert set(made.normal) == kept
    assert len(made.train) + len(made.val) == 30 * len(kept)
    assert len(made.pool) == 90  # for the dataset's classifier
    assert len(made.val) == 3 * len(kept)


def test_a_limit_counts_the_kept_images():
    assert len(data([1], limit=7).train) == 7
    assert set(data([1], limit=7).train.labels.tolist()) == {1}


def test_it_is_told():
    (note,) = data([0, 2]).notes
    assert "training images are of classes zero, two" in note
    assert data().notes == []


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        (["tow"], r"dataset\.keep=\[tow\]: no class tow \(did you mean 'two'\?\); classes: zero, one, two"),
        ([3], r"dataset\.keep=\[3\]: no class 3; classes: zero, one, two"),
        ([0, 1, 2], "keeps every class; name some of zero, one, two, or leave dataset.keep out"),
        ([], "keeps no class"),
    ],
)
def test_what_leaves_nothing_to_detect_is_refused(keep, told):
    with pytest.raises(UserError, match=told):
        data(keep)


def test_images_without_labels_cannot_be_chosen_by_class():
    pixels = Examples(labelled(20).stored, None)
    with pytest.raises(UserError, match=r"fake has no class labels; leave dataset\.keep out"):
        Dataset("fake", GivenSource(pixels, pixels), Path(), 5, 0, keep=[0])
