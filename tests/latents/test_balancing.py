import pytest
import torch
from worlds import NAMES, correlated

from vae_lab.latents.balancing import EmptyCell, balance_of, balanced_weights, cell_counts


def test_every_combination_has_the_same_weight_on_both_sides():
    present = correlated(500, 0.6)
    weights = balanced_weights(present[:, 0], present[:, 1:], NAMES[0], NAMES[1:])
    for side in (False, True):
        for hat in (False, True):
            for smile in (False, True):
                cell = (present == torch.tensor([side, hat, smile])).all(1)
                assert weights[cell].sum().item() == pytest.approx(0.25)
                assert weights[cell].unique().numel() == 1


def test_counts_are_those_of_the_combinations():
    present = torch.tensor([True, True, False])
    others = torch.tensor([[True, False], [True, False], [False, True]])
    assert cell_counts(present, others).tolist() == [[0, 0, 1, 0], [0, 2, 0, 0]]


def test_empty_combinations_are_refused_and_named():
    both = torch.tensor([True, True, False, False])
    with pytest.raises(EmptyCell) as caught:
        balanced_weights(both, both[:, None], "glasses", ["hat"])  # glasses and hats always go together
    assert str(caught.value) == "there are 0 training examples without glasses, with hat, and of 1 other combination"
    with pytest.raises(EmptyCell) as caught:
        balanced_weights(both, torch.tensor([[True], [False], [True], [True]]), "glasses", ["hat"])
    assert str(caught.value) == "there are 0 training examples without glasses, without hat"


def test_the_attributes_that_go_with_it_are_balanced_first():
    present = correlated(64, 0.5)
    found = balance_of(present, 0, least=5)
    assert found.balanced[0] == 1
    assert found.smallest == int(cell_counts(present[:, 0], present[:, found.balanced]).min()) >= 5
    few = balance_of(present, 0, least=12)  # there are not enough examples for both
    assert len(few.balanced) + len(few.left_out) == 2
    assert all(count < 12 for count in few.left_out.values())


def test_an_attribute_that_excludes_it_is_left_out():
    shape = torch.eye(3).bool()[torch.arange(90) % 3]
    found = balance_of(torch.cat([shape, (torch.arange(90) % 2 == 0)[:, None]], 1), 0)
    assert found.balanced == [3]
    assert found.left_out == {1: 0, 2: 0}
