import math
from pathlib import Path

import pytest
import torch

from vae_lab.data.dataset import Dataset
from vae_lab.data.sprites import RADIUS, SCALES, SIZE, MovedSprites, Sprites, render
from vae_lab.errors import UserError

TOTAL = 737_280


@pytest.fixture(scope="module")
def whole():
    return Sprites().load(Path())


@pytest.fixture(scope="module")
def sprites(whole):
    """The canvases, indexed by shape, scale and orientation."""
    return whole[0].stored.canvases.unflatten(0, (3, SCALES, 40))


def place(shape=0, scale=0, orientation=0, x=0, y=0) -> torch.Tensor:
    return torch.tensor((((shape * SCALES + scale) * 40 + orientation) * 32 + x) * 32 + y)


def middle(image: torch.Tensor) -> tuple[float, float]:
    """The column and the row of the centre of mass."""
    rows, columns = torch.nonzero(image, as_tuple=True)
    return columns.double().mean().item(), rows.double().mean().item()


def test_there_is_one_image_for_each_combination_of_dsprites_factors(whole):
    train, test = whole
    factors = train.factors
    assert dict(zip(factors.names, factors.sizes)) == {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
    assert math.prod(factors.sizes) == len(factors.stored) == TOTAL == len(train) + len(test)
    assert len(test) == 10_000
    assert factors.stored is train.stored is test.stored
    assert not torch.isin(test.chosen, train.chosen).any()


def test_the_first_test_images_show_every_factor(whole):
    first = torch.stack(torch.unravel_index(whole[1].chosen[:50], whole[1].factors.sizes), 1)
    assert all(len(values.unique()) > 2 for values in first.T)


def test_they_take_a_few_megabytes(whole):
    assert whole[0].stored.nbytes == 720 * 95 * 95


def test_images_are_black_and_white(whole):
    pixels, labels = whole[0].at(torch.arange(0, 700_000, 5_003))
    assert pixels.shape == (140, 1, SIZE, SIZE)
    assert pixels.dtype == torch.uint8
    assert set(pixels.unique().tolist()) == {0, 255}
    assert len(labels) == 140


def test_labels_are_the_shapes(whole):
    train = whole[0]
    assert train.classes == ("square", "ellipse", "heart")
    assert torch.equal(train.labels, train.chosen // (TOTAL // 3))


def test_no_sprite_touches_the_border(whole):
    windows = whole[0].stored.windows
    assert all(int(windows.select(axis, edge).max()) == 0 for axis in (3, 4) for edge in (0, -1))


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_a_step_in_x_or_y_moves_the_sprite_by_one_pixel(whole, shape):
    pixels = whole[0].stored
    image = pixels[place(shape, 3, 7, 10, 20)][0]
    assert torch.equal(pixels[place(shape, 3, 7, 11, 20)][0], image.roll(1, 1))  # right
    assert torch.equal(pixels[place(shape, 3, 7, 10, 21)][0], image.roll(1, 0))  # down
    assert torch.equal(pixels[place(shape, 3, 7, 0, 31)][0], image.roll((11, -10), (0, 1)))


def test_positions_lie_around_the_middle(whole):
    pixels = whole[0].stored
    first, last = (middle(pixels[place(0, 5, 0, at, at)][0]) for at in (0, 31))
    assert first == pytest.approx((16, 16))
    assert last == pytest.approx((47, 47))


def test_scale_is_the_length_of_a_side(sprites):
    sides = (sprites[0, :, 0] > 0).any(1).sum(1)
    assert sides.tolist() == [11, 13, 15, 17, 19, 21]  # odd, so that the centre is the middle of a pixel
    widest = 2 * RADIUS * math.sqrt(0.5)
    assert sides[-1] == pytest.approx(widest, abs=1)


def test_area_grows_with_the_square_of_scale(sprites):
    area = (sprites > 0).flatten(3).sum(3).double().mean(2)  # averaged over orientation, [shape, scale]
    for shape in area:
        torch.testing.assert_close(shape / shape[-1], torch.linspace(0.5, 1, SCALES).double() ** 2, rtol=0.03, atol=0)
    assert area[1, -1] == pytest.approx(math.pi * 0.6 * RADIUS**2, rel=0.01)


def test_orientation_has_the_symmetry_of_the_shape(sprites):
    square, ellipse, heart = sprites[:, -1]
    assert torch.equal(square, square.roll(10, 0))
    assert not torch.equal(square[0], square[5])
    assert torch.equal(ellipse, ellipse.roll(20, 0))
    assert not torch.equal(ellipse[0], ellipse[10])
    assert len({bytes(turned.flatten().tolist()) for turned in heart}) == 40


def test_a_quarter_of_the_orientations_is_a_quarter_turn(sprites):
    for shape in sprites[:, -1]:
        assert torch.equal(shape[10], shape[0].rot90(-1))


def test_a_heart_stands_on_its_tip(sprites):
    heart = sprites[2, -1, 0] > 0
    assert torch.equal(heart, heart.flip(1))
    rows = torch.nonzero(heart.any(1)).flatten()
    assert heart[rows[0] + 3].sum() > 3 * heart[rows[-1]].sum()


def test_any_shape_of_index_and_device_will_do(whole):
    pixels = whole[0].stored
    index = torch.tensor([[5, 9], [TOTAL - 1, 0]])
    assert pixels[index].shape == (2, 2, 1, SIZE, SIZE)
    assert torch.equal(pixels[index][1, 0], pixels[torch.tensor(TOTAL - 1)])
    assert torch.equal(pixels.to(torch.device("cpu"))[index], pixels[index])


def test_smaller_grids_are_parts_of_the_same():
    train, test = Sprites(orientations=4, positions=5).load(Path())
    assert train.factors.sizes == (3, 6, 4, 5, 5)
    assert len(train) + len(test) == 1800
    assert train.factors.label == "procedural sprites (72 rendered shapes × 5² positions), not dSprites"


def test_rendering_is_deterministic():
    assert torch.equal(render(4, 67), render(4, 67))
    assert len(MovedSprites(render(4, 67))) == 3 * 6 * 4 * 4 * 4


def test_a_limit_and_the_pool_work_on_images_made_on_demand():
    data = Dataset("sprites", Sprites(), Path(), 128, 0, val_share=0.01, limit=50_000)
    assert (len(data.train), len(data.val), len(data.test)) == (50_000, 7_273, 10_000)
    batch = next(data.batches("train", 6))
    assert batch.x.shape == (6, 1, SIZE, SIZE)
    assert data.fingerprint("pool", 200) == data.fingerprint("pool", 200) != data.fingerprint("test", 200)


def test_binarising_them_again_is_refused():
    with pytest.raises(
        UserError, match=r"binarize=static: the images of sprites are black and white already; leave it out$"
    ):
        Dataset("sprites", Sprites(4, 4), Path(), 8, 0, binarize="static")
