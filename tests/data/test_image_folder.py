import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from PIL import Image

from vae_lab.data.dataset import Dataset
from vae_lab.data.image_folder import ImageFolder
from vae_lab.errors import UserError
from vae_lab.examples import Examples


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def put(path: Path, value: int = 0, size=(8, 8), mode: str = "L") -> Path:
    """Write an image whose pixels all have the same value; ``size`` is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size[1], size[0]), value if mode == "L" else (value,) * 3).save(path)
    return path


def heap(root: Path, n: int = 20, **more) -> Path:
    for i in range(n):
        put(root / "pics" / f"{i:02d}.png", i, **more)
    return root / "pics"


def values(*parts: Examples) -> list[int]:
    return [i for part in parts for i in bytes_of(part)[:, 0, 0, 0].tolist()]


def same(a: Examples, b: Examples) -> bool:
    labels = a.labels is b.labels is None or torch.equal(a.labels, b.labels)
    return torch.equal(bytes_of(a), bytes_of(b)) and labels and a.classes == b.classes


def test_a_flat_folder_is_split_into_train_and_test_without_labels(tmp_path):
    train, test = ImageFolder(str(heap(tmp_path)), test_share=0.2).load(tmp_path)
    assert (len(train), len(test)) == (16, 4)
    assert sorted(values(train, test)) == list(range(20))
    assert train.labels is test.labels is None
    assert train.classes == ()


def test_the_parting_is_always_the_same_and_not_by_name(tmp_path):
    folder = str(heap(tmp_path))
    first, again = (ImageFolder(folder, test_share=0.2).load(tmp_path)[1] for _ in range(2))
    assert values(first) == values(again) != [0, 1, 2, 3]


def test_class_folders_are_the_labels(tmp_path):
    for i in range(10):
        put(tmp_path / "pics" / ("cat" if i % 2 else "ape") / "deeper" / f"{i}.png", i)
    train, test = ImageFolder("pics").load(tmp_path)
    assert train.classes == test.classes == ("ape", "cat")
    assert [i % 2 for i in values(train)] == train.labels.tolist()
    assert [i % 2 for i in values(test)] == test.labels.tolist()


def test_images_next_to_class_folders_make_the_folder_flat(tmp_path):
    put(tmp_path / "pics" / "cat" / "1.png", 1)
    put(tmp_path / "pics" / "2.png", 2)
    train, test = ImageFolder("pics").load(tmp_path)
    assert sorted(values(train, test)) == [1, 2]
    assert train.labels is None


def test_train_and_test_folders_are_kept_apart(tmp_path):
    for i in range(6):
        put(tmp_path / "pics" / ("train" if i < 4 else "test") / f"class{i % 2}" / f"{i}.png", i)
    train, test = ImageFolder("pics").load(tmp_path)
    assert (sorted(values(train)), sorted(values(test))) == ([0, 1, 2, 3], [4, 5])
    assert [i % 2 for i in values(train)] == train.labels.tolist()
    assert train.classes == ("class0", "class1")


def test_train_and_test_of_different_classes_are_refused(tmp_path):
    put(tmp_path / "pics" / "train" / "a" / "1.png")
    put(tmp_path / "pics" / "test" / "b" / "1.png")
    with pytest.raises(UserError, match="different class folders"):
        ImageFolder("pics").load(tmp_path)


def test_a_path_from_here_comes_before_one_in_data_dir(tmp_path, monkeypatch):
    heap(tmp_path / "data", 4)
    assert len(ImageFolder("pics", test_share=0.5).load(tmp_path / "data")[0]) == 2
    heap(tmp_path / "here", 8)
    monkeypatch.chdir(tmp_path / "here")
    assert len(ImageFolder("pics", test_share=0.5).load(tmp_path / "data")[0]) == 4


def test_channels_are_first_and_in_order(tmp_path):
    for i in range(3):
        (tmp_path / "pics").mkdir(exist_ok=True)
        Image.new("RGB", (10, 9), (10, 20, 30)).save(tmp_path / "pics" / f"{i}.png")
    train, _ = ImageFolder("pics").load(tmp_path)
    assert bytes_of(train).shape[1:] == (3, 9, 10)
    assert bytes_of(train)[0, :, 4, 4].tolist() == [10, 20, 30]


@pytest.mark.parametrize(("mode", "asked", "channels"), [("L", None, 1), ("RGB", None, 3), ("L", 3, 3), ("RGB", 1, 1)])
def test_channels_are_the_requested_ones_or_those_of_the_first_image(tmp_path, mode, asked, channels):
    heap(tmp_path, 4, mode=mode)
    train, test = ImageFolder("pics", channels=asked).load(tmp_path)
    assert bytes_of(train).shape[1] == channels
    assert sorted(values(train, test)) == [0, 1, 2, 3]


def test_grey_images_of_16_bits_keep_their_shades(tmp_path):
    (tmp_path / "pics").mkdir()
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    for i in range(2):
        Image.fromarray(ramp).save(tmp_path / "pics" / f"{i}.png")
    train, _ = ImageFolder("pics").load(tmp_path)
    expected = torch.from_numpy((ramp / 257).round().astype(np.uint8))
    assert (bytes_of(train)[0, 0].int() - expected.int()).abs().max() <= 1


def test_scaling_gives_the_size_asked_for_and_cuts_the_centre(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    (tmp_path / "pics").mkdir()
    for i in range(2):
        Image.fromarray(wide).save(tmp_path / "pics" / f"{i}.png")
    train, _ = ImageFolder("pics", height=10).load(tmp_path)
    assert bytes_of(train).shape == (1, 1, 10, 10)
    assert (bytes_of(train) == 200).all()


@pytest.mark.parametrize(("height", "width", "shape"), [(6, None, (6, 6)), (None, 5, (5, 5)), (6, 4, (6, 4))])
def test_one_number_makes_a_square(tmp_path, height, width, shape):
    heap(tmp_path, 3)
    train, _ = ImageFolder("pics", height=height, width=width).load(tmp_path)
    assert bytes_of(train).shape[2:] == shape


def test_mixed_sizes_are_refused_by_name_and_scaled_when_asked(tmp_path):
    folder = heap(tmp_path, 4)
    put(folder / "odd.png", size=(9, 8))
    with pytest.raises(UserError, match=r"odd\.png is 9×8, the first image 8×8; type dataset\.source\.height="):
        ImageFolder("pics").load(tmp_path)
    assert ImageFolder("pics", height=8).load(tmp_path)[0].stored.shape[2:] == (8, 8)


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_an_unreadable_file_is_named(tmp_path, content):
    folder = heap(tmp_path, 4)
    whole = put(tmp_path / "whole.png", size=(64, 64)).read_bytes()
    (folder / "zz.png").write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(UserError, match=r"zz\.png cannot be read as an image"):
        ImageFolder("pics").load(tmp_path)


def test_a_missing_folder_is_reported_with_the_words_to_type(tmp_path):
    with pytest.raises(UserError, match=rf"no folder nowhere here or in {tmp_path}; type dataset\.source\.path="):
        ImageFolder("nowhere").load(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="no image"):
        ImageFolder("pics").load(tmp_path)


def test_other_and_hidden_files_are_left_out(tmp_path):
    folder = heap(tmp_path, 4)
    (folder / "notes.txt").write_text("hello")
    put(folder / "99.png", 99).rename(folder / ".hidden.png")
    assert sorted(values(*ImageFolder("pics").load(tmp_path))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("option", "value"), [("channels", 2), ("channels", 4), ("test_share", 0.0), ("test_share", 1.0)]
)
def test_options_out_of_range_are_refused_by_name(option, value):
    with pytest.raises(UserError, match=rf"dataset\.source\.{option}={value}"):
        ImageFolder("pics", **{option: value})


def test_a_mapped_file_holds_the_same_images_as_memory(tmp_path):
    for i in range(10):
        put(tmp_path / "pics" / f"class{i % 2}" / f"{i}.png", i)
    in_memory, mapped = ImageFolder("pics").load(tmp_path), ImageFolder("pics", memory_gb=0).load(tmp_path)
    assert all(same(a, b) for a, b in zip(in_memory, mapped))
    assert len(list((Path(os.environ["VAE_LAB_CACHE"]) / "images").glob("*.npy"))) == 1


def test_each_size_has_a_separate_mapped_file(tmp_path):
    heap(tmp_path, 6)
    shapes = [ImageFolder("pics", height=h, memory_gb=0).load(tmp_path)[0].stored.shape[2:] for h in (8, 5, 8)]
    assert shapes == [(8, 8), (5, 5), (8, 8)]


def test_a_mapped_file_is_made_once_and_anew_when_an_image_changes(tmp_path, monkeypatch):
    folder, decoded = heap(tmp_path, 6), []
    decode = ImageFolder._decode
    monkeypatch.setattr(ImageFolder, "_decode", lambda *args: (decoded.append(1), decode(*args)))
    for _ in range(2):
        ImageFolder("pics", memory_gb=0).load(tmp_path)
    assert len(decoded) == 1
    put(folder / "00.png", 77)
    os.utime(folder / "00.png", (1, 1))
    assert 77 in values(*ImageFolder("pics", memory_gb=0).load(tmp_path))
    assert len(decoded) == 2


def split_folder(root: Path, *counts: tuple[str, int]) -> Path:
    """Folders of splits; all pixels of image i, counted through all folders, have the value i."""
    i = 0
    for name, count in counts:
        for _ in range(count):
            put(root / "pics" / name / ("ape" if i % 2 else "cat") / f"{i:02}.png", i)
            i += 1
    return root / "pics"


@pytest.mark.parametrize("memory_gb", [0.0, 4.0])
def test_a_folder_of_validation_images_is_the_validation_set(tmp_path, memory_gb):
    split_folder(tmp_path, ("Train", 20), ("valid", 4), ("test", 6))
    data = Dataset("pics", ImageFolder("pics", memory_gb=memory_gb), tmp_path, batch_size=4, seed=0, limit=15)
    assert sorted(values(data.val)) == [20, 21, 22, 23]
    assert sorted(values(data.test)) == list(range(24, 30))
    assert sorted(values(data.pool)) == list(range(24))
    assert len(data.train) == 15
    assert set(values(data.train)) <= set(range(20))
    for part in (data.train, data.val, data.test):
        assert part.labels.tolist() == [int(i % 2 == 0) for i in values(part)]
    assert data.notes == [f"The validation images are those of {tmp_path}/pics/valid; dataset.val_share is not used."]


def test_without_test_images_a_share_of_the_training_images_is_held_out_and_validation_stays_whole(tmp_path):
    split_folder(tmp_path, ("train", 20), ("val", 4))
    data = Dataset("pics", ImageFolder("pics", test_share=0.25), tmp_path, batch_size=4, seed=0)
    assert sorted(values(data.val)) == [20, 21, 22, 23]
    assert len(data.test) == 5
    assert sorted(values(data.train, data.test)) == list(range(20))
    assert len(data.notes) == 2


def test_attributes_go_with_the_images_of_all_splits(tmp_path):
    folder = split_folder(tmp_path, ("train", 8), ("val", 2), ("test", 2))
    rows = "".join(f"{path.relative_to(folder)},{int(path.stem) / 10}\n" for path in folder.rglob("*.png"))
    (folder / "attributes.csv").write_text(f"file,number\n{rows}")
    data = Dataset("pics", ImageFolder("pics"), tmp_path, batch_size=4, seed=0)
    for part in (data.train, data.val, data.test):
        torch.testing.assert_close(part.y[:, 0], torch.tensor(values(part)) / 10)
    assert sorted(values(data.val)) == [8, 9]


def test_a_linked_class_folder_is_a_class(tmp_path):
    for i in range(4):
        put(tmp_path / "elsewhere" / f"{i}.png", i)
        put(tmp_path / "pics" / "ape" / f"{i}.png", 10 + i)
    (tmp_path / "pics" / "cat").symlink_to(tmp_path / "elsewhere")
    train, test = ImageFolder("pics").load(tmp_path)
    assert train.classes == ("ape", "cat")
    assert sorted(values(train, test)) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_colours_after_a_grey_first_image_are_not_dropped_without_a_word(tmp_path):
    folder = heap(tmp_path, 4)
    Image.new("RGB", (8, 8), (10, 20, 30)).save(folder / "z.png")
    with pytest.raises(UserError, match=r"z\.png has colours, and the first image, .*00\.png, is grey; .*channels=3"):
        ImageFolder("pics").load(tmp_path)
    assert bytes_of(ImageFolder("pics", channels=3).load(tmp_path)[0]).shape[1] == 3
    assert bytes_of(ImageFolder("pics", channels=1).load(tmp_path)[0]).shape[1] == 1


def test_notes_are_kept_with_the_mapped_file_which_depends_on_the_options(tmp_path):
    folder = heap(tmp_path, 6)
    Image.new("LA", (8, 8), (100, 0)).save(folder / "z.png")
    for background, value in (("white", 255), ("white", 255), ("black", 0)):
        train, test = ImageFolder("pics", memory_gb=0, background=background).load(tmp_path)
        assert value in values(train, test)
        assert train.notes == (f"1 transparent image is laid over {background}.",)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2000)])
def test_images_of_one_pixel_and_of_any_aspect_are_scaled(tmp_path, size):
    for i in range(3):
        put(tmp_path / "pics" / f"{i}.png", 40 * i, size=size)
    assert bytes_of(ImageFolder("pics").load(tmp_path)[0]).shape[2:] == size
    train, test = ImageFolder("pics", height=28).load(tmp_path)
    assert bytes_of(train).shape[1:] == (1, 28, 28)
    assert sorted(values(train, test)) == [0, 40, 80]


def test_names_that_are_no_text_in_utf_8_are_classes(tmp_path):
    for i, name in enumerate((b"caf\xe9", b"a\nb", b"[red]", "日本".encode())):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/pics/" + name)) / "1.png", 10 * i)
    train, test = ImageFolder("pics", memory_gb=0).load(tmp_path)
    assert sorted(train.classes) == sorted(["caf\\udce9", "a\\nb", "[red]", "日本"])
    assert all(name.encode() for name in train.classes)
    assert len(train) + len(test) == 4
