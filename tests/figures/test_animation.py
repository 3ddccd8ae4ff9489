import io

import pytest
import torch
from PIL import Image

from vae_lab.figures.animation import Animation, encoded, remove_animations, save_animation, tiles


def frames(n: int = 4) -> list[Image.Image]:
    return [Image.new("RGB", (8, 6), (60 * i, 0, 255 - 60 * i)) for i in range(n)]


def read(content: bytes) -> list[tuple[tuple[int, ...], int]]:
    """The colour of the first pixel of each frame, and how long it is shown."""
    found = []
    with Image.open(io.BytesIO(content)) as file:
        assert file.info["loop"] == 0  # for ever
        for place in range(file.n_frames):
            file.seek(place)
            found.append((file.convert("RGB").getpixel((0, 0)), file.info["duration"]))
    return found


def test_a_gif_has_every_frame_in_its_colours_and_rounded_times():
    found = read(encoded(Animation(frames(), milliseconds=84, pause=500)))
    assert [pixel for pixel, _ in found] == [(60 * i, 0, 255 - 60 * i) for i in range(4)]
    assert [time for _, time in found] == [80, 80, 80, 580]


def test_back_and_forth_shows_the_ends_once():
    reds = [pixel[0] for pixel, _ in read(encoded(Animation(frames(), back_and_forth=True)))]
    assert reds == [0, 60, 120, 180, 120, 60]


def test_a_webp_has_as_many_frames():
    found = read(encoded(Animation(frames(), milliseconds=100, kind="webp")))
    assert len(found) == 4
    assert found[3][0] == pytest.approx((180, 0, 75), abs=12)


def test_the_same_frames_give_the_same_file(tmp_path):
    first = save_animation(Animation(frames()), tmp_path / "new", "a")
    assert first == tmp_path / "new" / "a.gif"
    assert first.read_bytes() == save_animation(Animation(frames()), tmp_path, "b").read_bytes()


def test_still_parts_have_one_colour_in_all_frames():
    """Each frame with a palette of its own would flicker."""
    noise = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    noise[:, :, :, :8] = noise[0, :, :, :8]
    moving = Animation([tiles(picture[None], 1, gap=0, pixels=16) for picture in noise])
    with Image.open(io.BytesIO(encoded(moving))) as file:
        left = []
        for place in range(file.n_frames):
            file.seek(place)
            left.append(file.convert("RGB").crop((0, 0, 8, 16)).tobytes())
    assert len(set(left)) == 1


def test_tiles_are_magnified_by_a_whole_number_and_stand_in_rows():
    images = torch.stack([torch.full((1, 2, 2), i / 4) for i in range(4)])
    frame = tiles(images, 3, pixels=8, gap=1)
    assert frame.size == (1 + 3 * 9, 1 + 2 * 9)
    places = [(2, 2), (11, 2), (20, 2), (2, 11)]
    assert [frame.getpixel(at) for at in places] == [(round(255 * i / 4),) * 3 for i in range(4)]
    assert frame.getpixel((11, 11)) == (255, 255, 255)  # the last row is not full


def test_a_long_label_is_written_small_enough_for_its_tile():
    frame = tiles(torch.zeros(2, 1, 28, 28), 2, ["z[1] → ≈ 12.34 nats", ""])
    right = frame.crop((frame.width // 2 + 4, frame.height - 14, frame.width, frame.height))
    assert right.getextrema() == ((255, 255),) * 3  # nothing reaches into the other tile
    left = frame.crop((0, frame.height - 14, frame.width // 2, frame.height))
    assert left.getextrema()[0][0] < 150


def test_a_dot_shows_the_place_and_a_line_that_is_too_long_is_left_out():
    images = torch.ones(2, 1, 28, 28)
    plain, start, end = (tiles(images, 2, position=position) for position in (None, 0.0, 1.0))
    above = start.height - plain.height
    assert start.size == end.size
    dark = [
        [x for x in range(one.width) if one.getpixel((x, above // 2))[0] < 100] for one in (start, end)
    ]  # the dot, on a line of light grey
    assert max(dark[0]) < start.width / 2 < min(dark[1])
    assert tiles(images, 2, footer="seed 0").height > plain.height
    assert tiles(images, 2, footer="a long line " * 30).size == plain.size


def test_animations_of_other_formats_are_removed(tmp_path):
    for kind in ("gif", "webp"):
        save_animation(Animation(frames(), kind=kind), tmp_path, "a")
    save_animation(Animation(frames()), tmp_path, "another")
    remove_animations(tmp_path, "a", but="webp")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.webp", "another.gif"]
