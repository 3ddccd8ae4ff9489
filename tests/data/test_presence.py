import torch

from vae_lab.data.presence import Presence, exclusive


def test_labels_and_numbers_are_present_in_their_upper_half():
    values = torch.tensor([[0.0, -1.0, 10.0], [1.0, 1.0, 20.0], [0.0, -1.0, 14.0]])
    presence = Presence.of(values)
    assert presence.middles.tolist() == [0.5, 0.0, 15.0]
    assert presence(values).tolist() == [[False, False, False], [True, True, True], [False, False, False]]
    assert presence(torch.tensor([[0.7, 0.0, 16.0]])).tolist() == [[True, False, True]]


def test_classes_and_implications_are_exclusive():
    shape = torch.eye(3).bool()[torch.arange(12) % 3]  # one of three classes
    free, implied = torch.arange(12) >= 6, torch.arange(12) >= 9
    found = exclusive(torch.cat([shape, free[:, None], implied[:, None]], 1))
    assert found[:3, :3].all()  # no example is of two classes
    assert found[3].tolist() == [False, False, False, True, True]  # the last one implies the fourth
    assert not found[:3, 3:].any()
