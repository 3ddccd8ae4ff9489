"""The frozen classifier whose features and labels are used to score images.

Inception's ImageNet features say little about digits, so images are scored by a small network that is trained on the
labels of the dataset, or on its attributes. The classifiers of MNIST and Fashion-MNIST are part of the package; for
other datasets with labels or attributes one is trained once and cached, on few images, since it has to tell images
apart and not to be the best (what more would buy: docs/classifiers.md). Scores by different classifiers cannot be
compared, so every score is saved with the SHA-256 of the weights.
"""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError

from vae_lab.config.names import slug
from vae_lab.data.cache import Unwritable, cache_dir, made_once, refuse_unwritable
from vae_lab.examples import Data
from vae_lab.features.conv_classifier import ConvClassifier, freeze, load_classifier, save_classifier
from vae_lab.features.learning import train_classifier
from vae_lab.scores import Extractor, Generated
from vae_lab.types import Progress

SHIPPED = Path(__file__).parent.parent / "assets"
FOLDER = "classifiers"  # in the cache
IMAGES = 128_000  # images that a classifier is trained on where none is shipped, among them repeated ones
REPEATS = 40  # largest number of times that an image is used
HASHED = 60_000  # images whose values name a cached classifier


def classifier_for(data: Data, device: torch.device, progress: Progress) -> ConvClassifier | None:
    """Return the classifier of a dataset; None if it has neither attributes nor two classes.

    It is loaded from the package or the cache if it is there; otherwise it is trained and cached.
    """
    if not can_be_read(data):
        return None
    shipped = _shipped(data)
    if shipped.exists():
        return load_classifier(shipped, data.x_shape, len(read_from(data))).to(device)

    def make(path: Path) -> None:
        net = train_classifier(data.pool, data.test, _name(data), to_be_seen(data), 0, device, progress)
        save_classifier(net, path)

    def read(path: Path) -> ConvClassifier | None:
        try:
            return load_classifier(path, data.x_shape, len(read_from(data)))
        except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError):  # damaged
            return None

    return made_once(_cached(data), make, read).to(device)


def can_be_read(data: Data) -> bool:
    """Return whether a dataset has attributes or class labels to train a classifier on."""
    labels = data.pool.labels is not None and data.test.labels is not None
    return bool(data.attributes) or (labels and len(data.classes) > 1)


def read_from(data: Data) -> tuple[str, ...]:
    """Return what the classifier of a dataset has a logit for: the names of the attributes or of the classes."""
    return data.attributes or data.classes


def is_at_hand(data: Data) -> bool:
    """Return whether the classifier of a dataset need not be trained."""
    return _shipped(data).exists() or _is_cached(data)


def why_unsaved(data: Data) -> str:
    """Say why the classifier of a dataset could not be saved; empty if it can be, or is at hand."""
    if _shipped(data).exists():
        return ""
    try:
        refuse_unwritable(FOLDER)
    except Unwritable as why:
        return "" if _is_cached(data) else str(why)
    return ""


def to_be_seen(data: Data) -> int:
    """Return the number of images that the classifier of a dataset is trained on."""
    return min(IMAGES, REPEATS * len(data.pool))


def classifier_beforehand(data: Data, required: bool = True) -> ConvClassifier | None:
    """Return an untrained classifier if :func:`classifier_for` will return a trained one; None if it will return None.

    Args:
        data: the dataset.
        required: whether the scores that need the classifier may not be left out.

    Raises:
        Unwritable: the classifier is required, would have to be trained, and could not be saved.
    """
    if not can_be_read(data):
        return None
    why = why_unsaved(data) if required else ""
    if why:
        raise Unwritable(f"the classifier of {data.name} has to be trained and saved, but {why}, or type "
                         "classifier=false, which leaves out the scores that need it")  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        return freeze(ConvClassifier(data.x_shape, len(read_from(data)), _name(data)))


def _name(data: Data) -> str:
    return f"{data.name} attribute" if data.attributes else data.name


def _shipped(data: Data) -> Path:
    return SHIPPED / f"{slug(_name(data))}_classifier.safetensors"


def _cached(data: Data) -> Path:
    return cache_dir(FOLDER) / f"{slug(data.name)}-{_fingerprint(data)}.safetensors"


def _is_cached(data: Data) -> bool:
    try:
        return _cached(data).exists()
    except Unwritable:  # there is no cache
        return False


def classifier_features(generated: Generated) -> Extractor | None:
    """Return the extractor of ``features=classifier``, the classifier of the dataset; None if there is none."""
    return generated.classifier


def _fingerprint(data: Data) -> str:
    """Return a hash of the classifier's training images and their labels or attributes, and of its layers."""
    network = ConvClassifier(data.x_shape, len(read_from(data)))
    digest = hashlib.sha256(f"{network}{IMAGES}{read_from(data)}{data.fingerprint('pool', HASHED)}".encode())
    assert data.pool.y is not None
    digest.update(data.pool.y.numpy().tobytes())
    return digest.hexdigest()[:16]
