"""How a folder of images is divided: into training, validation and test images, and into classes.

The layouts are ``folder/*.png``, ``folder/<class>/*.png``, and ``folder/train/…`` with ``val/…``, ``test/…`` or both,
with either of these inside.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vae_lab.data.image_files import ImageFiles, counted, shown
from vae_lab.errors import UserError

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
           "testing": "test"}  # fmt: skip


@dataclass
class Split:
    """The images of one split, and the folder that they lie in."""

    root: Path
    images: list[Path]

    @cached_property
    def top(self) -> list[str]:
        """For each image, the name of the folder in ``root`` that it lies in; ``""`` stands for ``root`` itself."""
        depth = len(self.root.parts)
        return [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in self.images]

    @cached_property
    def tops(self) -> Counter[str]:
        """The number of images by the folder in ``root`` that they lie in."""
        return Counter(self.top)


@dataclass
class Layout:
    """The splits of a folder, the classes of its images, and sentences about what its names do not say."""

    splits: dict[str, Split]  # 'train', and 'val' and 'test' where the folder has them
    labels: dict[Path, str] = field(default_factory=dict)  # class by image; empty if there are no class folders
    notes: list[str] = field(default_factory=list)


def layout(found: ImageFiles, labelled: bool) -> Layout:
    """Divide images into the splits and classes that the names of their folders give.

    Args:
        found: the images of a folder.
        labelled: True: folders are classes; False: their names are ignored.

    Raises:
        UserError: there is no folder for training, there are two for one split, splits lie in class folders, or the
            splits have different classes.
    """
    divided = Layout(_splits(found))
    divided.notes += _split_notes(found, divided.splits)
    if labelled:
        divided.labels = _labels(found.folder, divided.splits)
        divided.notes += _class_notes(found, divided)
    return divided


def _splits(found: ImageFiles) -> dict[str, Split]:
    """Return the splits by name; all images are for training unless folders are called as splits are.

    Folders called train, val and test (or training, valid, validation and testing, in any case) are splits if there is
    one for training with another one beside it, or with nothing beside it. Otherwise they are classes like others.
    """
    whole = Split(found.folder, found.images)
    named: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for top in sorted(whole.tops):
        if split := _SPLITS.get(top.casefold()):
            named[split].append(top)
    given = {split: names for split, names in named.items() if names}
    only_splits = sum(map(len, given.values())) == len(whole.tops)
    if only_splits and "train" not in given:
        raise UserError(
            f"{shown(found.folder)} has images in {_listed(whole.tops)}, and none in train; to train on them, "
            f"type dataset.source.path={shown(found.folder / min(whole.tops))}"
        )
    if "train" not in given or not (only_splits or len(given) > 1):
        _refuse_inner_splits(whole)
        return {"train": whole}
    for split, same in given.items():
        if len(same) > 1:
            raise UserError(f"{shown(found.folder)}: {_listed(same)} both mean {split}; make them one folder")
    return {split: Split(found.folder / name, [path for path, top in zip(found.images, whole.top) if top == name])
            for split, (name,) in given.items()}  # fmt: skip


def _refuse_inner_splits(whole: Split) -> None:
    """Refuse ``folder/x/train`` with ``folder/x/test``: training and test images would be mixed."""
    inner, depth = defaultdict(set), len(whole.root.parts)
    for path, top in zip(whole.images, whole.top):
        if len(path.parts) > depth + 2:
            inner[top].add(_SPLITS.get(path.parts[depth + 1].casefold()))
    for top, splits in inner.items():
        if "train" in splits and splits & {"val", "test"}:
            inside = shown(whole.root / top)
            raise UserError(f"{inside} has folders for training and testing; type dataset.source.path={inside}")


def _split_notes(found: ImageFiles, splits: dict[str, Split]) -> list[str]:
    if splits["train"].root == found.folder:
        return []
    notes, train = [], shown(splits["train"].root)
    if "val" in splits:
        val = shown(splits["val"].root)
        notes.append(f"The validation images are those of {val}; dataset.val_share is not used.")
    if "test" not in splits:
        notes.append(f"There is no folder of test images; dataset.source.test_share of {train} is held out for them.")
    beside = len(found.images) - sum(len(split.images) for split in splits.values())
    if beside:
        names = _listed(split.root.name for split in splits.values())
        notes.append(f"{counted(beside, 'image')} left out, because only those in {names} are used.")
    return notes


def _labels(folder: Path, splits: dict[str, Split]) -> dict[Path, str]:
    """Return the class of each image; nothing if the training images lie beside class folders or have none.

    Folder names that are equal as text (é as one character or as two) are one class.
    """
    classes = {split: _classes(part) for split, part in splits.items()}
    for split, found in classes.items():
        differ = found - classes["train"] if found else classes["train"]
        if differ:
            names = " and ".join(shown(splits[name].root.name) for name in ("train", split))
            raise UserError(
                f"{shown(folder)}: {names} have different class folders ({min(differ)}); make them the same"
            )
    if not classes["train"]:
        return {}
    shown_as = {top: shown(top) for split in splits.values() for top in split.tops}
    return {path: shown_as[top] for split in splits.values() for path, top in zip(split.images, split.top)}


def _classes(split: Split) -> set[str]:
    return set() if "" in split.tops else {shown(name) for name in split.tops}


def _class_notes(found: ImageFiles, divided: Layout) -> list[str]:
    """Return sentences about folders that are no classes, and classes that are easily confused."""
    train, classes = divided.splits["train"], sorted(set(divided.labels.values()))
    if not classes:
        folders = [name for name in train.tops if name]
        beside = f"{counted(train.tops[''], 'image')} found beside them"
        return [f"The folders in {shown(train.root)} are no classes, because {beside}."] if folders else []
    notes = []
    if len(classes) == 1:
        notes.append(f"All images lie in one class folder, {classes[0]}, so that they have the same label.")
    full = {split.root / name for split in divided.splits.values() for name in split.tops}
    roots = {split.root for split in divided.splits.values()} | {found.folder}
    empty = [path for path in found.folders if path.parent in roots - {found.folder} and path not in full]
    empty += [path for path in found.folders if path.parent == found.folder and path not in full | roots]
    if empty:
        more = ", …" if len(empty) > 1 else ""
        notes.append(f"{counted(len(empty), 'folder')} left out because no image is in it: {shown(empty[0])}{more}.")
    cases = Counter(name.casefold() for name in classes)
    twice = [name for name in classes if cases[name.casefold()] > 1]
    if twice:
        notes.append(f"Some classes differ only in upper and lower case: {', '.join(twice)}.")
    return notes


def _listed(names: Iterable[str]) -> str:
    return " and ".join(shown(name) for name in names)
