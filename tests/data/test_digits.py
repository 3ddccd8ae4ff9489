from pathlib import Path

import torch
from helpers import bytes_of
from sklearn.datasets import load_digits

from vae_lab.data.digits import Digits


def rows(*parts) -> list[tuple]:
    return sorted((*x.flatten().tolist(), y.item()) for p in parts for x, y in zip(bytes_of(p), p.labels))


def test_train_and_test_are_all_of_the_digits_with_their_labels():
    train, test = Digits().load(Path())
    assert (len(train), len(test)) == (1437, 360)
    data = load_digits()
    grey = (data.images.reshape(1797, 64) / 16 * 255).round().astype(int)
    assert rows(train, test) == sorted((*x, y) for x, y in zip(grey.tolist(), data.target.tolist()))


def test_the_grey_levels_fill_the_range_of_bytes():
    train, _ = Digits().load(Path())
    assert bytes_of(train).dtype == torch.uint8
    assert bytes_of(train).shape[1:] == (1, 8, 8)
    assert bytes_of(train).min() == 0
    assert bytes_of(train).max() == 255


def test_the_parting_is_always_the_same():
    first, again = Digits().load(Path()), Digits().load(Path("elsewhere"))
    assert all(torch.equal(bytes_of(a), bytes_of(b)) for a, b in zip(first, again))


def test_every_class_is_in_both_parts():
    for part in Digits().load(Path()):
        assert part.labels.unique().tolist() == list(range(10))
        assert part.classes == tuple("0123456789")
