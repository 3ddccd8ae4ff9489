import os
from pathlib import Path

import pytest
from PIL import Image

from vae_lab.data.image_files import formats, image_files, shown, suffixes
from vae_lab.errors import UserError


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in image_files(folder, "images=x").images]


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        image_files(folder, "images=x")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_all_suffixes_of_formats_that_hold_only_pixels_are_read_whatever_their_case(tmp_path):
    for i, suffix in enumerate(sorted(suffixes())):
        put(tmp_path / f"{i:02}{suffix}")
    put(tmp_path / "99.JPG")
    assert len(names(tmp_path)) == len(suffixes()) + 1
    assert {".jfif", ".jpe", ".tiff", ".webp", ".png"} <= suffixes()
    assert not {".eps", ".ps", ".pdf", ".wmf", ".svg", ".psd", ".h5", ".fits"} & suffixes()
    assert not {"EPS", "WMF", "PSD", "HDF5", "MPEG"} & set(formats())
    Image.init()
    assert set(formats()) <= set(Image.OPEN)


def test_hidden_files_and_those_that_systems_add_are_ignored_without_a_word(tmp_path):
    put(tmp_path / "a.png")
    for name in (".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints/a-checkpoint.png",
                 "__MACOSX/a.png", "sub/.hidden/b.png", "sub/@eaDir/b.png"):  # fmt: skip
        put(tmp_path / name)
    found = image_files(tmp_path, "images=x")
    assert names(tmp_path) == ["a.png"]
    assert found.notes == []


def test_a_hidden_folder_that_was_asked_for_is_read(tmp_path):
    put(tmp_path / ".cache" / "a.png")
    assert names(tmp_path / ".cache") == ["a.png"]


def test_other_files_are_counted_by_suffix(tmp_path):
    for name in ("a.png", "b.txt", "c.TXT", "d.svg", "LICENSE", "attributes.csv", "sub/attributes.csv"):
        put(tmp_path / name)
    (note,) = image_files(tmp_path, "images=x").notes
    assert note == (f"5 files were left out in {tmp_path}, because only images are read: 2 .txt, 1 .csv, 1 .svg, "
                    "1 without a suffix.")  # fmt: skip


def test_a_folder_without_images_says_what_it_has(tmp_path):
    put(tmp_path / "a.heic")
    put(tmp_path / "b.mat")
    assert refusal(tmp_path).startswith("images=x: no image (.png, ")
    assert refusal(tmp_path).endswith(f"in {tmp_path}; its files: 1 .heic, 1 .mat")


def test_links_to_files_and_folders_are_followed(tmp_path):
    put(tmp_path / "elsewhere" / "cat" / "1.png")
    put(tmp_path / "elsewhere" / "2.png")
    (tmp_path / "pics" / "dog").mkdir(parents=True)
    (tmp_path / "pics" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "pics" / "dog" / "2.png").symlink_to("../../elsewhere/2.png")
    assert names(tmp_path / "pics") == ["cat/1.png", "dog/2.png"]


def test_links_in_a_circle_end(tmp_path):
    put(tmp_path / "a" / "1.png")
    put(tmp_path / "b" / "2.png")
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to-a").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    found = image_files(tmp_path, "images=x")
    assert names(tmp_path) == ["a/1.png", "a/to-b/2.png", "b/2.png", "b/to-a/1.png"]
    assert found.notes[0].startswith("4 links were not followed")
    (tmp_path / "self").symlink_to("self")
    assert len(names(tmp_path)) == 4


@pytest.mark.parametrize("target", ["gone.png", "broken.png"])
def test_an_image_that_is_a_link_to_nowhere_is_named(tmp_path, target):
    put(tmp_path / "a.png")
    (tmp_path / "broken.png").symlink_to(target)
    assert "broken.png cannot be read as an image (it is a link to" in refusal(tmp_path)


def test_pipes_are_never_opened_and_folders_called_like_images_are_folders(tmp_path):
    put(tmp_path / "thumbs.png" / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == ["thumbs.png/a.png"]
    assert "1 .png" in image_files(tmp_path, "images=x").notes[0]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    put(tmp_path / "closed" / "a.png")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert f"{tmp_path}/closed cannot be read (Permission denied)" in refusal(tmp_path)


def test_any_name_is_shown_in_one_line_of_text(tmp_path):
    odd = [b"caf\xe9.png", b"a\nb.png", "ü\u0308 日本 🐈.png".encode(), b"[red].png"]
    for name in odd:
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    found = image_files(tmp_path, "images=x").images
    texts = {shown(path.name) for path in found}
    assert len(found) == len(texts) == 4
    assert "caf\\udce9.png" in texts
    assert "a\\nb.png" in texts
    assert all(text.encode().decode() == text and text.isprintable() for text in texts)
