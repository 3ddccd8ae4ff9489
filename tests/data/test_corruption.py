import pytest
import torch
from helpers import ForbiddenNoise, gen

from vae_lab.data.corruption import Corruption, binarize_once
from vae_lab.noise import SeededNoise

N = 400


def grey(value: float = 0.5, n: int = N) -> torch.Tensor:
    return torch.full((n, 1, 8, 8), value)


def apply(corruption, clean, key=0, training=True):
    return corruption(clean, torch.arange(len(clean)), SeededNoise("cpu", key), training)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_the_share_that_was_asked_for_is_noisy(share):
    x, target = apply(Corruption(N, 0, None, 0.1, share), grey())
    assert (x != target).flatten(1).any(1).sum() == round(share * N)


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_noise_has_the_sigma_that_was_asked_for(sigma):
    x, target = apply(Corruption(N, 0, None, sigma, 1.0), grey())
    assert (x - target).std().item() == pytest.approx(sigma, rel=0.03)
    assert abs((x - target).mean()) < 0.002


def test_noisy_images_stay_between_0_and_1():
    x, _ = apply(Corruption(N, 0, None, 2.0, 1.0), grey())
    assert x.min() == 0
    assert x.max() == 1


def test_the_target_is_clean():
    clean = torch.rand(N, 1, 8, 8, generator=gen())
    _, target = apply(Corruption(N, 0, None, 0.4, 0.5), clean)
    assert torch.equal(target, clean)


def test_the_same_images_are_noisy_whatever_the_noise():
    corruption = Corruption(N, 0, None, 0.1, 0.5)
    (a, target), (b, _) = apply(corruption, grey(), key=1), apply(corruption, grey(), key=2)
    noisy = [(x != target).flatten(1).any(1) for x in (a, b)]
    assert torch.equal(*noisy)
    assert not torch.equal(a, b)


def test_the_seed_chooses_which_images_are_noisy():
    first, again, other = (Corruption(N, seed, None, 0.1, 0.5).noisy for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_noise_follows_the_image_and_not_its_place_in_the_batch():
    corruption = Corruption(N, 0, None, 0.1, 0.5)
    index = torch.randperm(N, generator=gen())[:50]
    x, target = corruption(grey(n=50), index, SeededNoise("cpu", 0), training=True)
    assert torch.equal((x != target).flatten(1).any(1), corruption.noisy[index])


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_no_noise_is_added_in_scoring(binarize):
    x, target = apply(Corruption(N, 0, binarize, 0.4, 1.0), grey(), training=False)
    assert torch.equal(x, target)


def test_without_anything_to_do_nothing_is_drawn():
    clean = grey(n=4)
    x, target = Corruption(4, 0, None, 0.4, 0.0)(clean, torch.arange(4), ForbiddenNoise(), training=True)
    assert x is target is clean


@pytest.mark.parametrize("level", [0.0, 0.2, 0.7, 1.0])
def test_dynamic_pixels_are_black_or_white_with_the_grey_level_as_mean(level):
    x, target = apply(Corruption(N, 0, "dynamic", 0.0, 0.0), grey(level))
    assert set(target.unique().tolist()) <= {0.0, 1.0}
    assert target.mean().item() == pytest.approx(level, abs=0.01)
    assert x is target


def test_dynamic_pixels_change_with_the_noise():
    corruption = Corruption(N, 0, "dynamic", 0.0, 0.0)
    assert not torch.equal(apply(corruption, grey(), 1)[0], apply(corruption, grey(), 2)[0])
    assert torch.equal(apply(corruption, grey(), 1)[0], apply(corruption, grey(), 1)[0])


def test_denoising_binary_images_has_a_binary_target():
    x, target = apply(Corruption(N, 0, "dynamic", 0.3, 1.0), grey())
    assert set(target.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(x, target)


def test_static_pixels_are_drawn_once_for_all():
    pixels = torch.randint(0, 256, (50, 1, 8, 8), generator=gen(), dtype=torch.uint8)
    first = binarize_once(pixels)
    assert set(first.unique().tolist()) == {0, 255}
    assert first.dtype == torch.uint8
    torch.manual_seed(5)
    assert torch.equal(binarize_once(pixels), first)


@pytest.mark.parametrize("level", [0, 60, 128, 255])
def test_static_pixels_have_the_grey_level_as_mean(level):
    drawn = binarize_once(torch.full((300, 1, 10, 10), level, dtype=torch.uint8))
    assert drawn.float().mean().item() == pytest.approx(level, abs=2)
