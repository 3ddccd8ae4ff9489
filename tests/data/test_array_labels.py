import numpy as np
import pytest

from vae_lab.data.array_labels import ClassNames
from vae_lab.errors import UserError


def read(labels, names=None, count=None):
    labels = np.asarray(labels)
    classes = ClassNames(labels, names, "labels=y")
    return classes.names, classes.of(labels, len(labels) if count is None else count, "labels=y").tolist()


def refusal(labels, names=None, count=None) -> str:
    with pytest.raises(UserError) as told:
        read(labels, names, count)
    assert str(told.value).startswith(("labels=y", "dataset.source.classes="))
    return str(told.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">i4", np.float64])
def test_integers_are_named_by_themselves(dtype):
    assert read(np.array([0, 2, 1, 2], dtype)) == (("0", "1", "2"), [0, 2, 1, 2])
    assert read(np.array([1, 3, 2], dtype)) == (("1", "2", "3"), [0, 2, 1])  # as MATLAB counts
    assert read(np.array([False, True])) == (("0", "1"), [0, 1])


@pytest.mark.parametrize("shape", [(4, 1), (1, 4)])
def test_a_row_or_column_of_matlab_is_flat(shape):
    assert read(np.array([0, 1, 1, 0]).reshape(shape), count=4)[1] == [0, 1, 1, 0]


def test_words_are_sorted_and_freed_from_padding():
    assert read(["dog  ", "ape", "dog"]) == (("ape", "dog"), [1, 0, 1])
    assert read(np.array([b"b", b"a"])) == (("a", "b"), [1, 0])
    assert read(["dog", "ape"], ["dog", "cat", "ape"]) == (("dog", "cat", "ape"), [0, 2])


def test_one_hot_rows_are_positions():
    assert read(np.eye(4)[[2, 0, 1]]) == (("0", "1", "2", "3"), [2, 0, 1])
    assert read(np.eye(2)[[1, 0]], ["no", "yes"]) == (("no", "yes"), [1, 0])


def test_names_are_those_of_integers():
    assert read([1, 0], ["shirt", "shoe", "bag"]) == (("shirt", "shoe", "bag"), [1, 0])


@pytest.mark.parametrize(
    ("labels", "names", "told"),
    [
        ([0, 1, 255], None, "goes from 0 to 255 with 3 different values"),
        ([0, 1, 3], ["a", "b", "c"], "label 3 of image 2 is none of the 3 classes 0, 1, 2"),
        (["a", "c"], ["a", "b"], "label c of image 1 is none of the 2 classes a, b"),
        ([0, -1], None, "no class labels"),
        ([0.5, 1], None, "no class labels"),
        ([np.nan, 1], None, "no class labels"),
        ([[0, 1], [1, 1]], None, "its rows are not one-hot"),
        (np.zeros((3, 2, 2)), None, "holds 3 × 2 × 2 values"),
        (np.zeros(0), None, "holds 0 values"),
        ([1j, 2], None, "integers or words"),
        ([0, 1], ["a", "a"], "names a class twice"),
    ],
)
def test_what_is_no_label_is_refused(labels, names, told):
    assert told in refusal(labels, names)


def test_another_number_of_labels_is_refused():
    assert "has 3 labels, and there are 4 images" in refusal([0, 1, 2], count=4)


def test_test_labels_must_be_classes_of_the_training_labels():
    with pytest.raises(UserError, match="label 7 of image 1 is none of the 2 classes 0, 1"):
        ClassNames(np.array([0, 1]), None, "a").of(np.array([1, 7]), 2, "b")
