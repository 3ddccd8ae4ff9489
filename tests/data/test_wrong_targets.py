from dataclasses import replace

import pytest
import torch
from helpers import labelled

from vae_lab.data.targets import refuse_wrong_targets
from vae_lab.errors import UserError


def refusal(examples) -> str:
    with pytest.raises(UserError) as told:
        refuse_wrong_targets("mine", "test", examples)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_labels_of_the_classes_attributes_and_no_targets_are_accepted():
    for right in (
        labelled(5),
        labelled(5).part(torch.tensor([1, 3])),
        replace(labelled(5), targets=None, classes=()),
        replace(labelled(5), targets=torch.zeros(5, 2), classes=(), attributes=("a", "b")),
    ):
        refuse_wrong_targets("mine", "test", right)


@pytest.mark.parametrize("wrong", [-1, 3, 255])
def test_a_label_that_is_no_class_is_named_with_its_position(wrong):
    targets = torch.tensor([0, 1, 2, wrong, 1])
    told = refusal(replace(labelled(5), targets=targets))
    assert told.startswith(f"dataset=mine: the labels of the test images hold {wrong} at position 3, and integers from")
    assert "from 0 to 2 are needed" in told


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (torch.zeros(4).long(), "are 4 numbers, and 5 are needed"),
        (torch.zeros(5, 1).long(), "are 5 × 1 numbers, and 5 are needed"),
        (torch.zeros(5), "are torch.float32, and integers"),
    ],
)
def test_labels_of_another_number_shape_or_type_are_refused(targets, told):
    assert told in refusal(replace(labelled(5), targets=targets))


def test_attributes_must_be_finite_and_one_per_name():
    attributes = replace(labelled(5), classes=(), attributes=("a", "b"))
    assert "are 5 × 3 numbers, and 5 × 2 are needed" in refusal(replace(attributes, targets=torch.zeros(5, 3)))
    bad = torch.zeros(5, 2)
    bad[4, 1] = torch.nan
    assert "not finite, at position 4" in refusal(replace(attributes, targets=bad))
