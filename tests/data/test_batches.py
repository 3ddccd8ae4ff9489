import pytest
import torch
from helpers import bytes_of, labelled, places

from vae_lab.data.batches import Batches, EpochOrder
from vae_lab.data.corruption import Corruption
from vae_lab.examples import Examples, ImageBytes

CPU = torch.device("cpu")


def order_of(n=103, size=10, seed=0, shuffle=True, rank=0, world=1, epoch=0) -> torch.Tensor:
    order = EpochOrder(n, size, seed, shuffle, rank, world)
    order.set_epoch(epoch)
    return torch.cat(list(order))


def batches(images: Examples, corruption=None, size=10, seed=0, shuffle=True, epoch=0) -> list:
    order = EpochOrder(len(images), size, seed, shuffle)
    order.set_epoch(epoch)
    return list(Batches(images, order, corruption or Corruption(len(images), 0, None, 0.0, 0.0), CPU))


def test_an_epoch_shows_every_image_once():
    assert order_of().sort().values.tolist() == list(range(103))


def test_the_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(order_of(seed=1, epoch=2), order_of(seed=1, epoch=2))
    assert not torch.equal(order_of(seed=1, epoch=2), order_of(seed=1, epoch=3))
    assert not torch.equal(order_of(seed=1, epoch=2), order_of(seed=2, epoch=2))


def test_without_shuffling_the_order_is_that_of_the_images():
    assert order_of(shuffle=False, epoch=5).tolist() == list(range(103))


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_train_on_disjoint_shares_of_equal_size(world):
    shares = [order_of(rank=rank, world=world) for rank in range(world)]
    assert {len(share) for share in shares} == {103 // world}
    assert len(torch.cat(shares).unique()) == world * (103 // world)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_score_every_image_once(world):
    shares = [order_of(rank=rank, world=world, shuffle=False) for rank in range(world)]
    assert torch.cat(shares).sort().values.tolist() == list(range(103))


@pytest.mark.parametrize(("n", "size", "world"), [(103, 10, 1), (100, 10, 1), (9, 10, 1), (103, 10, 2), (101, 10, 4)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_length_is_the_number_of_batches(n, size, world, shuffle):
    for rank in range(world):
        order = EpochOrder(n, size, 0, shuffle, rank, world)
        parts = list(order)
        assert len(parts) == len(order)
        assert max(map(len, parts)) <= size


def test_bytes_become_floats_between_0_and_1():
    floats = ImageBytes().ready(torch.tensor([0, 51, 255], dtype=torch.uint8), CPU)
    torch.testing.assert_close(floats, torch.tensor([0.0, 0.2, 1.0]))


def test_scaling_leaves_the_bytes_alone():
    pixels = torch.full((3,), 100, dtype=torch.uint8)
    ImageBytes().ready(pixels, CPU)
    assert pixels.tolist() == [100, 100, 100]


def test_labels_stay_with_their_images():
    images = labelled(53)
    for batch in batches(images):
        assert [i % 3 for i in places(batch.x)] == batch.y.tolist()


def test_batches_hold_the_images_themselves():
    images = labelled(53)
    shown = batches(images)
    found = torch.cat([b.x for b in shown])
    torch.testing.assert_close(found, bytes_of(images)[places(found)].float() / 255)
    assert sorted(places(found)) == list(range(53))
    assert all(b.target is b.x for b in shown)


def test_a_part_is_shown_as_if_it_were_alone():
    part = labelled(53).part(torch.tensor([40, 7, 21]))
    (batch,) = batches(part, shuffle=False)
    assert places(batch.x) == [40, 7, 21]
    assert batch.y.tolist() == [1, 1, 0]


def test_images_without_labels_have_none():
    images = labelled(12)
    assert batches(Examples(images.stored, None))[0].y is None


def test_every_epoch_brings_new_noise_to_the_same_images():
    images = labelled(40)
    corruption = Corruption(40, 0, None, 0.3, 0.5)
    noisy, noise = [], []
    for epoch in (0, 1):
        shown = {i: (b.x[j] - b.target[j]) for b in batches(images, corruption, epoch=epoch)
                 for j, i in enumerate(places(b.target))}  # fmt: skip
        noisy.append({i for i, difference in shown.items() if difference.any()})
        noise.append(shown)
    assert noisy[0] == noisy[1]
    assert len(noisy[0]) == 20
    assert not any(torch.equal(noise[0][i], noise[1][i]) for i in noisy[0])


def test_the_same_epoch_brings_the_same_noise_again():
    images, corruption = labelled(40), Corruption(40, 0, "dynamic", 0.3, 0.5)
    for a, b in zip(batches(images, corruption, epoch=3), batches(images, corruption, epoch=3)):
        assert torch.equal(a.x, b.x)


def test_dynamic_binarisation_is_new_in_each_training_epoch_and_fixed_in_scoring():
    images, corruption = labelled(40), Corruption(40, 0, "dynamic", 0.0, 0.0)

    def total(shuffle: bool, epoch: int) -> torch.Tensor:
        return torch.cat([b.x for b in batches(images, corruption, shuffle=shuffle, epoch=epoch)]).sum(0)

    assert not torch.equal(total(True, 0), total(True, 1))
    assert torch.equal(total(False, 0), total(False, 1))


def test_two_ranks_draw_different_noise():
    images, corruption = (
        Examples(torch.full((8, 1, 8, 8), 128, dtype=torch.uint8), None),
        Corruption(8, 0, None, 0.3, 1),
    )
    first, second = (
        next(iter(Batches(images, EpochOrder(8, 4, 0, True, rank, 2), corruption, CPU))) for rank in (0, 1)
    )
    assert not torch.equal(first.x, second.x)
