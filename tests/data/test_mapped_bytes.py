import os
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vae_lab.data.dataset import Dataset
from vae_lab.data.image_folder import ImageFolder
from vae_lab.data.listed_images import Decoding
from vae_lab.data.mapped_bytes import key_of, key_of_code, made_array
from vae_lab.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def pictures(folder: Path, n: int = 12, first: int = 0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i:02d}.png" for i in range(n)]
    for i, file in enumerate(files):
        Image.fromarray(np.full((6, 5), 10 * i + first, np.uint8)).save(file)
    return files


def test_the_origin_of_a_key_stays_when_a_file_changes_and_the_content_does_not(tmp_path):
    files = pictures(tmp_path / "a")
    before, others = key_of(1, files), key_of(2, files)
    os.utime(files[3], ns=(5, 5))
    after = key_of(1, files)
    assert before.split("-")[0] == after.split("-")[0] != others.split("-")[0]
    assert before.split("-")[1] != after.split("-")[1]


def test_files_that_are_out_of_date_are_removed_and_those_of_other_options_stay(tmp_path, cache):
    folder = tmp_path / "a"
    pictures(folder)
    old = ImageFolder(str(folder), memory_gb=0).load(tmp_path)[0]
    ImageFolder(str(folder), height=3, width=3, memory_gb=0).load(tmp_path)
    (folder / "07.png").unlink()
    ImageFolder(str(folder), memory_gb=0).load(tmp_path)
    assert len(list(cache.glob("*.npy"))) == len(list(cache.glob("*.json"))) == 2
    assert old.stored[:, 0, 0, 0].tolist() == [10 * i for i in range(12)]  # a job that has mapped the old file keeps it


def test_the_memory_limit_is_no_part_of_the_name(tmp_path, cache):
    files = pictures(tmp_path / "a")
    for limit in (1e-9, 2e-9):
        Decoding(1, 6, 5, memory_gb=limit).read(files)
    assert len(list(cache.iterdir())) == 1


def test_a_full_disk_is_told_with_the_space_that_is_needed_and_leaves_nothing(tmp_path, cache, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**40, 2**40 - 2**29, 2**29))
    cache.mkdir(parents=True)
    with pytest.raises(UserError) as told:
        made_array(cache / "a.npy", (3 * 2**20, 1024), lambda array: None)
    assert str(told.value).endswith(
        "a.npy cannot be written (No space left on device: 3.0 GiB are needed, and 0.5 GiB are free); "
        "set VAE_LAB_CACHE=<a writable folder with room>"
    )
    assert list(cache.iterdir()) == []


def test_an_interrupted_decoding_leaves_nothing(tmp_path, cache):
    files = pictures(tmp_path / "a")
    files[11].write_bytes(b"no image")
    with pytest.raises(UserError, match=r"11\.png cannot be read"):
        ImageFolder(str(tmp_path / "a"), memory_gb=0).load(tmp_path)
    assert list(cache.glob("*")) == []


def test_mapped_images_give_the_batches_of_images_in_memory_for_every_seed(tmp_path):
    pictures(tmp_path / "a")
    held, mapped = (
        Dataset("a", ImageFolder(str(tmp_path / "a"), memory_gb=limit), tmp_path, batch_size=4, seed=0, noise_std=0.1,
                noise_share=0.5)
        for limit in (1, 0)
    )  # fmt: skip
    for seed in (0, 1):
        one, other = held.reseeded(seed), mapped.reseeded(seed)
        assert other.train.stored.data_ptr() == mapped.train.stored.data_ptr()  # stacked jobs share the file's pages
        for a, b in zip(one.epoch(3, 4), other.epoch(3, 4), strict=True):
            assert torch.equal(a.x, b.x)
            assert torch.equal(a.target, b.target)
    assert held.fingerprint("pool") == mapped.fingerprint("pool")


def test_images_drawn_black_and_white_once_are_mapped_if_they_are_large(tmp_path, cache, monkeypatch):
    pictures(tmp_path / "a")
    source = ImageFolder(str(tmp_path / "a"), memory_gb=0)
    in_memory = Dataset("a", source, tmp_path, batch_size=4, seed=0, binarize="static")
    monkeypatch.setattr("vae_lab.data.corruption.DRAWN_IN_MEMORY", 0)
    mapped = Dataset("a", source, tmp_path, batch_size=4, seed=0, binarize="static")
    assert len(list(cache.glob("*.npy"))) == 2
    for a, b in zip(in_memory.batches("test"), mapped.batches("test"), strict=True):
        assert set(a.x.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(a.x, b.x)


def test_what_code_computes_is_named_by_the_text_of_the_code(tmp_path):
    names = []
    for folder, text in (("one", "a = 1\n"), ("two", "a = 1\n"), ("three", "a = 2\n")):
        package = tmp_path / folder / "drawing"
        package.mkdir(parents=True)
        (package / "it.py").write_text(text)
        os.utime(package / "it.py", ns=(len(names), len(names)))
        names.append(key_of_code(5, package))
    assert names[0] == names[1] != names[2]
    assert names[1].split("-")[0] == names[2].split("-")[0] != key_of_code(6, package).split("-")[0]
