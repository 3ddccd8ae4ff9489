from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from PIL import Image

from vae_lab.data.dataset import Dataset
from vae_lab.data.mvtec import MVTec
from vae_lab.errors import UserError

SIDE = 32  # of the files; images are scaled to 8×8, so that a pixel is 4×4 of a file


def _save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def root(tmp_path) -> Path:
    """The published layout: good images are grey level 10·i, the defect is a white square of 8×8 at the upper left."""
    folder = tmp_path / "mvtec_anomaly_detection" / "bottle"
    for i in range(6):
        _save(folder / "train" / "good" / f"{i:03d}.png", np.full((SIDE, SIDE, 3), 10 * i, np.uint8))
    for i in range(2):
        _save(folder / "test" / "good" / f"{i:03d}.png", np.full((SIDE, SIDE, 3), 100 + i, np.uint8))
    for kind, count, left in (("scratch", 1, 8), ("broken", 2, 0)):
        for i in range(count):
            pixels, mask = np.full((SIDE, SIDE, 3), 50 + i, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
            pixels[:8, left : left + 8] = mask[:8, left : left + 8] = 255
            _save(folder / "test" / kind / f"{i:03d}.png", pixels)
            _save(folder / "ground_truth" / kind / f"{i:03d}_mask.png", mask)
    return tmp_path


def source(**options) -> MVTec:
    return MVTec("bottle", **{"height": 8, "width": 8, **options})


def test_defects_are_the_labels_of_the_test_images_alone(root):
    train, test = source().load(root)
    assert train.labels is None
    assert train.x_shape == test.x_shape == (3, 8, 8)
    assert bytes_of(train)[:, 0, 4, 4].tolist() == [0, 10, 20, 30, 40, 50]
    assert test.classes == ("good", "broken", "scratch")
    assert test.labels.tolist() == [0, 0, 1, 1, 2]
    assert bytes_of(test)[:, 1, 7, 7].tolist() == [100, 101, 50, 51, 50]


def test_masks_have_the_size_of_the_images_and_are_empty_for_good_ones(root):
    _, test = source().load(root)
    masks = test.masks_at(torch.arange(5))
    assert masks.shape == (5, 1, 8, 8)
    assert masks.dtype == torch.uint8
    expected = torch.zeros(5, 1, 8, 8, dtype=torch.uint8)
    expected[2:4, :, :2, :2] = expected[4, :, :2, 2:4] = 255
    assert torch.equal(masks, expected)
    assert torch.equal(test.part(torch.tensor([4, 0])).masks_at(torch.tensor([0])), expected[4:])


def test_the_mask_lies_where_the_defect_is_after_a_crop(root):
    _, test = source(crop=24).load(root)  # 4 pixels are cut off at every side, 3 of the file are one of the image
    image, mask = bytes_of(test)[2, 0], test.masks_at(torch.tensor([2]))[0, 0]
    assert mask[0, 0] == image[0, 0] == 255
    assert (mask > 0).sum() == 1
    assert (image > 150).sum() == 1


def test_a_defect_smaller_than_a_pixel_keeps_the_pixels_that_it_covers_most(root):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[17, 20] = 255  # one of the 16 values of a pixel
    _save(root / "mvtec_anomaly_detection/bottle/ground_truth/scratch/000_mask.png", mask)
    _, test = source().load(root)
    assert test.masks_at(torch.tensor([4]))[0, 0].nonzero().tolist() == [[4, 5]]


def test_the_dataset_names_the_defects_and_stays_without_labels_for_training(root):
    data = Dataset("mvtec", source(), root, batch_size=2, seed=0)
    assert data.classes == ("good", "broken", "scratch")
    assert data.y_size == 0
    assert (len(data.train), len(data.val), len(data.test)) == (5, 1, 5)
    assert data.test.preparation == {"category": "bottle", "crop": "whole images"}


def test_a_category_may_be_the_path_of_its_folder(root):
    folder = root / "mvtec_anomaly_detection" / "bottle"
    assert len(MVTec(str(folder)).load(Path("elsewhere"))[1]) == 5


def test_without_ground_truth_there_are_no_masks_and_a_note_says_so(root):
    (root / "mvtec_anomaly_detection/bottle/ground_truth").rename(root / "away")
    _, test = source().load(root)
    assert test.masks is None
    assert "no folder ground_truth" in test.notes[0]
    with pytest.raises(ValueError, match="no masks"):
        test.masks_at(torch.tensor([0]))


def test_what_a_message_asks_for_is_an_option(root):
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    _save(root / "mvtec_anomaly_detection/bottle/train/good/000.png", clear)
    with pytest.raises(UserError, match=r"type dataset\.source\.background=white"):
        source().load(root)
    assert bytes_of(source(background="white").load(root)[0])[0].min() == 255


def test_a_missing_mask_is_named(root):
    (root / "mvtec_anomaly_detection/bottle/ground_truth/broken/001_mask.png").unlink()
    with pytest.raises(UserError, match=r"broken/001\.png has no mask; put it into .*broken/001_mask\.png"):
        source().load(root)


def test_a_mask_of_another_size_is_refused(root):
    _save(root / "mvtec_anomaly_detection/bottle/ground_truth/broken/001_mask.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(UserError, match=r"001_mask\.png is 9×9, and its image is 32×32"):
        source().load(root)


def test_a_missing_category_is_told_with_what_to_download(root):
    with pytest.raises(
        UserError, match=r"mvtec: cable is not in .*; type one of .*, or download a category such as bottle\.tar\.xz"
    ):
        MVTec("cable").load(root)


def test_a_packed_archive_and_a_web_page_in_its_place_are_named(root):
    archive = root / "mvtec_anomaly_detection" / "cable.tar.xz"
    archive.write_bytes(b"\n<!DOCTYPE html><html>quota exceeded</html>")
    with pytest.raises(UserError, match=r"cable\.tar\.xz is a web page \(HTML\) .*; download it again from"):
        MVTec("cable").load(root)


def test_the_folder_of_all_categories_is_refused_with_one_of_them(root):
    with pytest.raises(UserError, match=r"needs the folders .*; type dataset\.source\.category=.*bottle"):
        MVTec("mvtec_anomaly_detection").load(root)


def test_masks_and_images_that_do_not_fit_are_mapped(root, tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))
    _, small = source().load(root)
    _, mapped = source(memory_gb=1e-9).load(root)
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 2
    assert torch.equal(bytes_of(small), bytes_of(mapped))
    assert torch.equal(small.masks_at(torch.arange(5)), mapped.masks_at(torch.arange(5)))


def test_a_mask_without_a_defect_is_refused(root):
    black = root / "mvtec_anomaly_detection/bottle/ground_truth/broken/001_mask.png"
    _save(black, np.zeros((SIDE, SIDE), np.uint8))
    with pytest.raises(UserError, match=r"broken/001_mask\.png is black everywhere, .*; repair the mask, or move"):
        source().load(root)


def test_without_good_test_images_it_is_told_what_to_do(root):
    (root / "mvtec_anomaly_detection/bottle/test/good").rename(root / "away")
    with pytest.raises(
        UserError, match=r"has no folder test/good.*; make it, and move some images of train/good there"
    ):
        source().load(root)


def test_the_categories_that_are_there_are_named(root):
    with pytest.raises(UserError, match=r"botle is not in .* \(did you mean 'bottle'\?\); type one of .*\(bottle\)"):
        MVTec("botle").load(root)
