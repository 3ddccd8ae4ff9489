import torch
from helpers import bytes_of, labelled, places

from vae_lab.examples import Examples


def test_a_part_holds_its_images_and_labels_and_shares_the_bytes():
    whole = labelled(20)
    part = whole.part(torch.tensor([5, 2, 11]))
    assert len(part) == 3
    assert places(part) == [5, 2, 11]
    assert part.labels.tolist() == [2, 2, 2]
    assert part.stored is whole.stored
    assert part.classes == whole.classes


def test_a_part_of_a_part_is_counted_in_the_part():
    part = labelled(20).part(torch.arange(10, 20)).part(torch.tensor([0, 3]))
    assert places(part) == [10, 13]
    pixels, labels = part.at(torch.tensor([1]))
    assert places(pixels) == [13]
    assert labels.tolist() == [1]


def test_a_whole_is_all_of_it():
    whole = labelled(20)
    assert len(whole) == 20
    assert torch.equal(bytes_of(whole), whole.stored)


def test_images_without_labels_have_none_in_any_part():
    part = Examples(labelled(20).stored, None).part(torch.arange(3))
    assert part.labels is None
    assert part.at(torch.tensor([0]))[1] is None
