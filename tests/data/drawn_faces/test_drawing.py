import pytest
import torch
from torch.nn import functional as F

from vae_lab.data.drawn_faces.drawing import draw
from vae_lab.data.drawn_faces.face import NAMES, STYLES

CONTINUOUS = [name for name in NAMES if name != "hair_style"]
USUAL = {"skin": 0.3, "hair_colour": 0.3, "eye_opening": 0.6, "background": 0.6}


def faces(**values):
    """Factors of faces: the usual ones, and a list or a number of each that is given."""
    count = max([len(v) for v in values.values() if isinstance(v, list)], default=1)
    columns = {**dict.fromkeys(NAMES, 0.0), **USUAL, **values}
    return torch.stack([torch.as_tensor(columns[name]).float().expand(count) for name in NAMES], 1)


def levels(factors):
    """Faces as numbers from 0 to 255."""
    return draw(factors).float()


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("style", range(len(STYLES)))
def test_a_small_change_of_a_factor_changes_pixels_by_little(name, style):
    low = -1 if name in ("smile", "yaw", "eye_distance", "light") else 0
    values = torch.linspace(low, 1, 401)  # steps of 1/400 of the range
    around = {"glasses": 1.0, "yaw": 0.3, "smile": 0.5, "hair_style": style, name: values[::20].tolist()}
    here = faces(**around)
    there = here.clone()
    there[:-1, NAMES.index(name)] += float(values[1] - values[0])
    change = (levels(here) - levels(there)).abs()
    assert change.max() <= 24
    assert change.mean() < 0.6
    assert (levels(here)[0] - levels(here)[-1]).abs().max() > 25  # while over the whole range, it does change the image


def test_a_face_is_the_mean_of_the_same_face_in_four_times_the_size():
    factors = faces(hair_style=list(range(6)), glasses=[0, 1, 0, 1, 0, 1], smile=0.6, yaw=0.2, light=0.5)
    large = F.avg_pool2d(draw(factors, 256).float(), 4)
    difference = (large - levels(factors)).abs()
    assert difference.mean() < 2  # of 255
    hard = F.interpolate(draw(factors, 256).float(), scale_factor=0.25, mode="nearest")  # one sample per pixel
    assert difference.square().mean() < 0.3 * (large - hard).square().mean()


def test_a_face_does_not_depend_on_those_drawn_with_it():
    factors = torch.rand(70, 10, generator=torch.Generator().manual_seed(0))
    factors[:, NAMES.index("hair_style")] = torch.arange(70.0) % 6
    together = draw(factors)
    assert torch.equal(together, draw(factors))
    for place in (0, 33, 69):
        alone = draw(factors[place : place + 1])[0]
        assert (alone.int() - together[place].int()).abs().max() <= 1


def test_drawing_leaves_the_number_of_threads_alone():
    threads = torch.get_num_threads()
    draw(faces())
    assert torch.get_num_threads() == threads


def test_a_face_turned_and_lit_from_the_other_side_is_the_mirror_image():
    styles = [STYLES.index(name) for name in ("cropped", "curls")]  # others have a parting or single strands
    right = levels(faces(hair_style=styles, yaw=0.7, light=0.8, smile=0.7))
    left = levels(faces(hair_style=styles, yaw=-0.7, light=-0.8, smile=0.7))
    assert (right - left.flip(3)).abs().mean() < 2
    assert (right - left).abs().mean() > 15


def test_light_brightens_its_side():
    from_left, from_right = levels(faces(light=[-1.0, 1.0])).mean(1)[:, 20:44]
    left, right = slice(18, 26), slice(38, 46)  # the cheeks
    assert from_left[:, left].mean() > from_left[:, right].mean() + 20
    assert from_right[:, right].mean() > from_right[:, left].mean() + 20


def test_a_wide_smile_shows_teeth():
    flat, wide = levels(faces(smile=[0.0, 1.0])).amin(1)[:, 40:50, 24:40]  # around the mouth
    assert wide.max() > 215 > flat.max() + 10


def test_glasses_darken_only_where_they_are():
    without, worn = levels(faces(glasses=[0.0, 1.0]))
    changed = (without - worn).abs().amax(0) > 2
    rows, columns = changed.nonzero(as_tuple=True)
    assert 20 < rows.min() < rows.max() < 42
    assert 10 < columns.min() < columns.max() < 54
