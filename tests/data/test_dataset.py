from pathlib import Path

import pytest
import torch
from helpers import GivenSource, bytes_of, labelled, places, with_trainer

from vae_lab.data.batches import Groups
from vae_lab.data.dataset import Dataset, _drawn
from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.noise import SeededNoise


def data(n=100, **more) -> Dataset:
    options = {"batch_size": 10, "seed": 0, **more}
    return Dataset("fake", GivenSource(labelled(n), labelled(30, seed=1)), Path(), **options)


def shown(batches) -> list[int]:
    return places(torch.cat([b.target for b in batches]))


def test_validation_is_disjoint_from_training_and_together_they_are_all():
    made = data()
    train, val = places(made.train), places(made.val)
    assert not set(train) & set(val)
    assert sorted(train + val) == list(range(100))
    assert len(val) == 10


@pytest.mark.parametrize(
    "options", [{"seed": 7}, {"limit": 20}, {"batch_size": 3}, {"noise_std": 0.3, "noise_share": 0.5}]
)
def test_no_other_option_changes_validation_or_test(options):
    one, other = data(), data(**options)
    assert torch.equal(bytes_of(one.val), bytes_of(other.val))
    assert torch.equal(bytes_of(one.test), bytes_of(other.test))


def test_validation_is_not_the_head_of_the_dataset():
    assert places(data().val) != list(range(10))


@pytest.mark.parametrize(("share", "held_out"), [(0.1, 10), (0.25, 25), (0.001, 1)])
def test_val_share_is_a_share_of_the_training_images(share, held_out):
    assert len(data(val_share=share).val) == held_out


def test_limit_takes_so_many_training_images_out_of_the_same():
    limited, whole = data(limit=20), data()
    assert len(limited.train) == 20
    assert set(places(limited.train)) <= set(places(whole.train))


def test_labels_go_with_their_images():
    made = data(limit=33)
    for part in (made.train, made.val, made.test):
        assert [i % 3 for i in places(part)] == part.labels.tolist()


def test_a_batch_larger_than_the_training_set_is_refused_with_one_that_works():
    with pytest.raises(
        UserError, match=r"batch_size=91 is more than the 90 training images of fake; type batch_size=9$"
    ):
        data(batch_size=91)
    assert data(batch_size=90).batch_size == 90


def test_the_shape_is_that_of_the_images():
    source = GivenSource(labelled(20, (3, 9, 11)), labelled(5, (3, 9, 11)))
    assert Dataset("fake", source, Path(), 2, 0).x_shape == (3, 9, 11)


def singly(groups):
    return [batch for group in groups for batch in group.batches]


def test_groups_hold_all_batches_in_order():
    batches = with_trainer(data()).train_dataloader().batches
    groups = Groups(batches, values=3 * batches.sampler.batch_size * batches.examples.stored[0].numel())
    assert groups.size == 3
    seen = [(group.first, group.epoch_batches, shown(list(group.batches))) for group in groups]
    assert [first for first, _, _ in seen] == list(range(0, len(batches), 3))
    assert {total for _, total, _ in seen} == {len(batches)}
    assert [place for _, _, part in seen for place in part] == shown(list(batches))
    assert Groups(batches, values=1).size == 1


def test_training_batches_cover_the_training_images_in_a_new_order_each_epoch():
    made = with_trainer(data())
    loader = made.train_dataloader()
    orders = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        orders.append(shown(singly(loader)))
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(places(made.train))
    assert orders[0] != orders[1]


def test_the_seed_changes_the_order_of_training_images():
    assert shown(singly(with_trainer(data(seed=0)).train_dataloader())) != shown(
        singly(with_trainer(data(seed=1)).train_dataloader())
    )


def test_validation_batches_come_in_a_fixed_random_order():
    """Neighbours may be alike, and terms of a batch need batches that represent the split."""
    found = [shown(with_trainer(data(seed=seed)).val_dataloader()) for seed in (0, 1)]
    assert found[0] == found[1]
    assert sorted(found[0]) == places(data().val)
    assert found[0] != places(data().val)


def test_examples_are_scored_in_their_order_or_mixed():
    made = data()
    stored, mixed = (shown(made.batches("test", size=7, mixed=mixed)) for mixed in (False, True))
    assert stored == places(made.test)
    assert sorted(mixed) == stored != mixed


def test_two_processes_share_the_training_images():
    parts = [shown(singly(with_trainer(data(), rank, 2).train_dataloader())) for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1]) == 45
    assert not set(parts[0]) & set(parts[1])


def test_scoring_sees_the_test_images_in_order_and_clean():
    made = data(noise_std=0.5, noise_share=1.0)
    batches = list(made.batches("test", size=7))
    assert shown(batches) == list(range(30))
    torch.testing.assert_close(torch.cat([b.x for b in batches]), bytes_of(made.test).float() / 255)
    assert torch.cat([b.y for b in batches]).tolist() == made.test.labels.tolist()


def test_the_pool_is_all_training_images_whatever_the_limit():
    assert places(data(limit=20).pool) == list(range(100))
    assert sum(map(len, data(limit=20).clean("pool"))) == 100


def test_images_of_a_split_are_clean_and_in_order():
    made = data(binarize="static")
    images = torch.cat(list(made.clean("test", size=7)))
    torch.testing.assert_close(images, bytes_of(made.test).float() / 255)


def test_n_images_are_drawn_once_and_stand_in_order():
    made = data()
    drawn = places(torch.cat(list(made.clean("test", 12))))
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 12
    assert shown(made.batches("test", 12, size=5)) == drawn
    assert places(torch.cat(list(data().clean("test", 12)))) == drawn


def test_n_images_meet_no_period_in_the_order_of_all():
    """MNIST's training images are ordered with a period. A fixed stride could pick images of only one kind."""
    drawn = _drawn(60_000, 10_000)
    for part in drawn.split(1000):
        assert 400 < (part % 2).sum() < 600
    assert 0.95 < len(drawn[drawn < 30_000]) / 5000 < 1.05


def test_more_images_than_there_are_means_all_of_them():
    assert sum(map(len, data().clean("test", 1000))) == 30


def test_static_binarisation_is_the_same_in_each_epoch():
    made = with_trainer(data(binarize="static"))
    loader = made.train_dataloader()
    totals = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        x = torch.cat([b.x for b in singly(loader)])
        totals.append(x.sum(0))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(*totals)


@pytest.mark.parametrize("binarize", ["static", "dynamic"])
def test_scoring_of_binarised_images_is_binary_and_repeatable(binarize):
    made = data(binarize=binarize)
    first, again = (torch.cat([b.target for b in made.batches("test")]) for _ in range(2))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(first, again)


@pytest.mark.parametrize("binarize", [None, "static", "dynamic"])
def test_images_from_elsewhere_are_shown_as_the_own_ones_are(binarize):
    grey = torch.full((200, 1, 8, 8), 0.3)
    shown = data(binarize=binarize).as_received(grey, SeededNoise("cpu", 0))
    if binarize is None:
        assert torch.equal(shown, grey)
    else:
        assert set(shown.unique().tolist()) == {0, 1}
        assert shown.mean().item() == pytest.approx(0.3, abs=0.02)


def test_noise_reaches_the_training_share_and_never_validation():
    made = with_trainer(data(noise_std=0.3, noise_share=0.5))
    noisy = sum((b.x != b.target).flatten(1).any(1).sum().item() for b in singly(made.train_dataloader()))
    assert noisy == 45
    assert all(torch.equal(b.x, b.target) for b in made.val_dataloader())


def test_a_fingerprint_is_that_of_the_bytes_that_are_named():
    first = data()
    assert first.fingerprint("test") == data(seed=7, batch_size=3, binarize="static").fingerprint("test")
    assert len(first.fingerprint("test")) == 16
    assert first.fingerprint("test") == first.fingerprint("test", 30) == first.fingerprint("test", 99)
    assert len({first.fingerprint(split, n) for split in ("pool", "train", "val", "test") for n in (None, 3, 4)}) == 12


def test_a_fingerprint_is_of_the_same_images_that_are_read():
    whole, spread = data(), places(torch.cat(list(data().clean("test", 4))))
    part = Examples(whole.test.stored[spread], None)
    alone = Dataset("fake", GivenSource(labelled(100), part), Path(), batch_size=10, seed=0)
    assert alone.fingerprint("test") == whole.fingerprint("test", 4)


@pytest.mark.parametrize("change", [lambda x: x.flip(0), lambda x: x ^ (torch.arange(64).view(1, 8, 8) == 63).byte()])
def test_one_other_byte_or_another_order_gives_another_fingerprint(change):
    test = labelled(30, seed=1)
    changed = Examples(change(test.stored), test.targets, test.classes)
    other = Dataset("fake", GivenSource(labelled(100), changed), Path(), batch_size=10, seed=0)
    assert other.fingerprint("test") != data().fingerprint("test")
    assert other.fingerprint("pool") == data().fingerprint("pool")


def test_the_same_bytes_in_another_shape_have_another_fingerprint():
    def shaped(*x_shape):
        source = GivenSource(*(Examples(labelled(20).stored.reshape(20, *x_shape), None) for _ in range(2)))
        return Dataset("fake", source, Path(), batch_size=2, seed=0).fingerprint("test")

    assert len({shaped(1, 8, 8), shaped(1, 4, 16), shaped(4, 4, 4)}) == 3


@pytest.mark.parametrize("split", ["training", "test"])
def test_labels_that_are_no_class_are_refused_whatever_the_source(split):
    right, wrong = labelled(30), labelled(30)
    wrong.targets = wrong.targets.clone()
    wrong.targets[4] = 3
    parts = (wrong, right) if split == "training" else (right, wrong)
    with pytest.raises(UserError, match=f"the labels of the {split} images hold 3 at position 4"):
        Dataset("fake", GivenSource(*parts), Path(), batch_size=4, seed=0)
