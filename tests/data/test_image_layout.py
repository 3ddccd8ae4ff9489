from pathlib import Path

import pytest

from vae_lab.data.image_files import image_files
from vae_lab.data.image_layout import Layout, layout
from vae_lab.errors import UserError


def tree(root: Path, *files: str, folders: tuple[str, ...] = ()) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for name in folders:
        (root / name).mkdir(parents=True)
    return root


def divided(root: Path, *files: str, labelled: bool = True, **more) -> Layout:
    return layout(image_files(tree(root, *files, **more), "images=x"), labelled)


def splits(found: Layout) -> dict[str, list[str]]:
    return {name: [path.name for path in split.images] for name, split in found.splits.items()}


def refusal(root: Path, *files: str) -> str:
    with pytest.raises(UserError) as refused:
        divided(root, *files)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ("train test", "train test"),
        ("Train Test", "train test"),
        ("TRAIN VAL", "train val"),
        ("train valid test", "train val test"),
        ("training validation testing", "train val test"),
        ("training Testing", "train test"),
        ("train", "train"),
    ],
)
@pytest.mark.parametrize("inside", ["", "ape/", "ape/deeper/"])
def test_folders_called_as_splits_are_splits(tmp_path, folders, expected, inside):
    found = divided(tmp_path, *(f"{folder}/{inside}{folder}.png" for folder in folders.split()))
    assert splits(found) == dict(zip(expected.split(), [[f"{folder}.png"] for folder in folders.split()]))
    assert set(found.labels.values()) == ({"ape"} if inside else set())


def test_what_a_given_and_a_missing_split_mean_is_said(tmp_path):
    val, test, beside = divided(tmp_path, "train/1.png", "valid/2.png", "extra/3.png", "4.png").notes
    assert val == f"The validation images are those of {tmp_path}/valid; dataset.val_share is not used."
    assert test == (f"There is no folder of test images; dataset.source.test_share of {tmp_path}/train is held out for "
                    "them.")  # fmt: skip
    assert beside == "2 images were left out, because only those in train and valid are used."
    assert divided(tmp_path / "b", "train/1.png", "test/2.png").notes == []


@pytest.mark.parametrize("names", [("bus", "train"), ("bus", "train", "car"), ("test", "control"), ("val", "x")])
def test_a_class_may_be_called_like_a_split(tmp_path, names):
    found = divided(tmp_path, *(f"{name}/1.png" for name in names))
    assert set(found.labels.values()) == set(names)
    assert list(found.splits) == ["train"]
    assert found.notes == []


def test_splits_without_training_images_are_refused_with_what_to_type(tmp_path):
    assert refusal(tmp_path / "a", "test/1.png").endswith(f"type dataset.source.path={tmp_path}/a/test")
    assert "has images in test and val, and none in train" in refusal(tmp_path / "b", "test/1.png", "val/2.png")


@pytest.mark.parametrize("names", [("train", "Train", "test"), ("train", "val", "valid"), ("train", "training")])
def test_two_folders_for_one_split_are_refused(tmp_path, names):
    assert "both mean" in refusal(tmp_path, *(f"{name}/1.png" for name in names))


@pytest.mark.parametrize(
    ("train", "test"), [("ape/1.png", "cat/2.png"), ("ape/1.png", "2.png"), ("1.png", "cat/2.png")]
)
@pytest.mark.parametrize("split", ["test", "val"])
def test_splits_of_different_classes_are_refused(tmp_path, train, test, split):
    told = refusal(tmp_path, f"train/{train}", f"{split}/{test}")
    assert f"train and {split} have different class folders (" in told


def test_a_split_may_lack_a_class_of_the_training_images(tmp_path):
    found = divided(tmp_path, "train/ape/1.png", "train/cat/2.png", "test/cat/3.png")
    assert set(found.labels.values()) == {"ape", "cat"}


@pytest.mark.parametrize("other", ["val", "Test"])
def test_splits_inside_of_one_folder_or_of_each_class_are_refused_with_the_folder_to_type(tmp_path, other):
    told = refusal(tmp_path, "ape/train/1.png", f"ape/{other}/2.png", "cat/3.png")
    assert told.endswith(
        f"{tmp_path}/ape has folders for training and testing; type dataset.source.path={tmp_path}/ape"
    )


def test_one_class_empty_folders_and_names_that_differ_in_case_are_noted(tmp_path):
    one = divided(tmp_path / "a", "ape/1.png", folders=("cat", "dog/deeper")).notes
    assert one[0] == "All images lie in one class folder, ape, so that they have the same label."
    assert one[1] == f"2 folders were left out because no image is in it: {tmp_path}/a/cat, …."
    cases = divided(tmp_path / "b", "train/Cat/1.png", "train/cat/2.png", "train/ape/3.png", "test/cat/4.png")
    assert cases.notes == ["Some classes differ only in upper and lower case: Cat, cat."]
    assert divided(tmp_path / "c", "train/ape/1.png", "train/cat/1.png", folders=("test/cat",)).notes[1:] == [
        f"1 folder was left out because no image is in it: {tmp_path}/c/test."
    ]


def test_images_beside_class_folders_are_noted(tmp_path):
    found = divided(tmp_path, "ape/1.png", "2.png", "3.png")
    assert found.labels == {}
    assert found.notes == [f"The folders in {tmp_path} are no classes, because 2 images were found beside them."]


def test_names_of_classes_that_are_equal_as_text_are_one_class(tmp_path):
    found = divided(tmp_path, "train/caf\u00e9/1.png", "train/ape/2.png", "test/cafe\u0301/3.png", "test/ape/4.png")
    assert sorted(set(found.labels.values())) == ["ape", "caf\u00e9"]


def test_without_labels_the_splits_stay(tmp_path):
    found = divided(tmp_path, "train/ape/1.png", "test/cat/2.png", labelled=False)
    assert splits(found) == {"train": ["1.png"], "test": ["2.png"]}
    assert found.labels == {}
