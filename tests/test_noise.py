import pytest
import torch

from vae_lab.noise import GivenNoise, MovedNoise, NotedNoise, SeededNoise, drawn, generator


def draw(*key) -> torch.Tensor:
    return SeededNoise("cpu", *key).normal(8)


def test_the_same_key_gives_the_same_draws():
    assert torch.equal(draw(3, "train", 7, 0), draw(3, "train", 7, 0))


@pytest.mark.parametrize("other", [(4, "train", 7, 0), (3, "val", 7, 0), (3, "train", 8, 0), (3, "train", 7, 1)])
def test_every_part_of_the_key_changes_the_draws(other):
    assert not torch.equal(draw(3, "train", 7, 0), draw(*other))


def test_the_order_of_the_key_matters():
    assert not torch.equal(draw(1, 2), draw(2, 1))
    assert not torch.equal(draw(1, "a"), draw("a", 1))


def test_a_key_is_not_the_same_key_with_a_zero_after_it():
    assert not torch.equal(draw(1, "samples"), draw(1, "samples", 0))


def test_draws_go_on_from_call_to_call():
    noise = SeededNoise("cpu", 0)
    parts = torch.cat([noise.normal(20), noise.normal(20)])
    assert not torch.equal(parts[:20], parts[20:])


def test_normal_draws_are_standard_normal():
    z = SeededNoise("cpu", 0, "moments").normal(200_000)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.1


def test_uniform_draws_fill_the_unit_interval_evenly():
    u = SeededNoise("cpu", 0, "moments").uniform(100, 1000)
    assert u.shape == (100, 1000)
    assert u.min() >= 0
    assert u.max() < 1
    shares = torch.histc(u, 10, 0, 1) / u.numel()
    assert (shares - 0.1).abs().max() < 0.005


def test_global_generators_are_neither_read_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(draw(5), first)


def test_permutations_from_a_generator_follow_its_key():
    orders = [torch.randperm(50, generator=generator("cpu", 0, "order", epoch)) for epoch in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_draws_made_beforehand_are_those_that_a_step_makes_itself():
    noted = NotedNoise(SeededNoise("cpu", 5))
    alone = [noted.normal(2, 3), noted.uniform(4), noted.normal(1)]
    given = GivenNoise(drawn(SeededNoise("cpu", 5), noted.asked))
    assert noted.asked == [("normal", (2, 3)), ("uniform", (4,)), ("normal", (1,))]
    torch.testing.assert_close([given.normal(2, 3), given.uniform(4), given.normal(1)], alone, rtol=0, atol=0)


def test_moved_draws_are_those_of_the_device_that_draws():
    moved, noise = MovedNoise(SeededNoise("cpu", 0), torch.device("meta")), SeededNoise("cpu", 0)
    assert moved.normal(2, 3).device.type == "meta"
    assert moved.uniform(4).shape == (4,)
    again = MovedNoise(SeededNoise("cpu", 0), torch.device("cpu"))
    assert torch.equal(again.normal(5), noise.normal(5))
    assert torch.equal(again.uniform(5), noise.uniform(5))
