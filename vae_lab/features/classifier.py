"""The frozen classifier whose features and labels are used to score images.

Inception's ImageNet features say little about digits, so images are scored by a small network that is trained on the
labels of the dataset. The classifiers of MNIST and Fashion-MNIST are part of the package; for other labelled datasets
one is trained once and cached, on few images, since it has to tell images apart and not to be the best (what more
would buy: docs/classifiers.md). Scores by different classifiers cannot be compared, so every score is saved with the
SHA-256 of the weights.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from vae_lab.config.names import slug
from vae_lab.data.cache import Unwritable, cache_dir, made_once, refuse_unwritable
from vae_lab.examples import Data, Examples
from vae_lab.scores import Extractor, Generated
from vae_lab.system.files import write_atomically
from vae_lab.types import Progress, Shape

SHIPPED = Path(__file__).parent.parent / "assets"
FOLDER = "classifiers"  # in the cache
IMAGES = 128_000  # images that a classifier is trained on where none is shipped, among them repeated ones
REPEATS = 40  # largest number of times that an image is used
HASHED = 60_000  # images whose values name a cached classifier


class ConvClassifier(nn.Module):
    """Three 3×3 convolutions, a hidden layer whose outputs are the features, and a linear layer for the logits.

    It maps images [N, C, H, W] in [0, 1] of any size from 8×8 to features [N, 128] and logits [N, classes]. Large
    images are first averaged down to about 32×32. There is no batch normalisation: with its frozen statistics, the
    network would misclassify images that are paler or softer than its training images, as samples of a VAE are.
    """

    num_features = 128
    suffix = ""

    def __init__(self, x_shape: Shape, classes: int, name: str = "untrained") -> None:
        super().__init__()
        self.name, self.sha256, self.test_accuracy = name, "", float("nan")
        places = (min(7, x_shape[1] // 4), min(7, x_shape[2] // 4))
        factor = max(1, round(min(x_shape[1:]) / 32))  # 64×64 pixels would take four times as long at full size
        self.body = nn.Sequential(
            *([nn.AvgPool2d(factor)] if factor > 1 else []),
            # A ReLU after max pooling gives what one before it gives, and has fewer numbers to go through.
            nn.Conv2d(x_shape[0], 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1), nn.AdaptiveMaxPool2d(places), nn.ReLU(inplace=True),
            nn.Flatten(), nn.Linear(32 * places[0] * places[1], self.num_features), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(self.num_features, classes)
        self.to(memory_format=torch.channels_last)

    @property
    def about(self) -> dict[str, str | float]:
        """Entries for protocols."""
        features = f"{self.name} classifier, {self.num_features}-d"
        return {"features": features, "extractor_sha256": self.sha256, "classifier_test_accuracy": self.test_accuracy}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to features and logits."""
        features = self.body(x)
        return features, self.head(self.dropout(features))


def train_classifier(
    train: Examples,
    test: Examples,
    name: str,
    seen: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = lambda steps, _: steps,
) -> ConvClassifier:
    """Train a classifier with AdamW and a one-cycle learning rate on slightly rotated, moved and scaled images.

    Its accuracy is measured once, on the test images after training.

    Args:
        train: training images with class labels.
        test: test images with class labels.
        name: name of the dataset.
        seen: number of images to train on; an image is used again when all have been.
        seed: determines the initial weights and the order and the distortion of the images.
        device: the device to train on.
        progress: shows the progress.

    Returns:
        The classifier, frozen.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ConvClassifier(tuple(train.stored.shape[1:]), len(train.classes), name).to(device)
        move = v2.RandomAffine(degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1))
        size = min(64, max(16, len(train) // 20), len(train))
        steps = max(1, seen // size)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        order: Tensor = torch.empty(0, dtype=torch.long)
        for _ in progress(range(steps), f"training the classifier of {name}, once for all runs"):
            if len(order) < size:
                order = torch.randperm(len(train))
            index, order = order[:size], order[size:]
            pixels, y = train.at(index)
            assert y is not None
            x = pixels.to(device).float() / 255
            x = torch.cat([move(part) for part in x.chunk(8)])
            loss = F.cross_entropy(net(x)[1], y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    freeze(net)
    net.test_accuracy = accuracy(net, test)
    return net


def freeze(net: ConvClassifier) -> ConvClassifier:
    """Put the network into evaluation mode and turn off its gradients."""
    net.eval().requires_grad_(False)
    return net


@torch.no_grad()
def accuracy(net: ConvClassifier, images: Examples) -> float:
    """Return the fraction of images that the network classifies correctly."""
    device, correct = next(net.parameters()).device, 0
    for index in torch.arange(len(images)).split(1000):
        pixels, y = images.at(index)
        assert y is not None
        correct += int((net(pixels.to(device).float() / 255)[1].argmax(1).cpu() == y).sum())
    return correct / len(images)


def save_classifier(net: ConvClassifier, path: Path) -> None:
    """Write the weights, with the name and the accuracy of the classifier, atomically to a file."""
    about = {"name": net.name, "test_accuracy": net.test_accuracy}
    state = {key: value.contiguous() for key, value in net.state_dict().items()}
    with write_atomically(path, "wb") as file:
        file.write(save(state, metadata={"about": json.dumps(about)}))


def load_classifier(path: Path, x_shape: Shape, classes: int) -> ConvClassifier:
    """Load a frozen classifier and the hash of its file."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    net = ConvClassifier(x_shape, classes, about["name"])
    net.load_state_dict(load_file(path))
    net.test_accuracy = about["test_accuracy"]
    net.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return freeze(net)


def classifier_for(data: Data, device: torch.device, progress: Progress) -> ConvClassifier | None:
    """Return the classifier of a dataset; None if the dataset has fewer than two classes.

    It is loaded from the package or the cache if it is there; otherwise it is trained and cached.
    """
    if not has_classes(data):
        return None
    shipped = _shipped(data)
    if shipped.exists():
        return load_classifier(shipped, data.x_shape, len(data.classes)).to(device)

    def make(path: Path) -> None:
        net = train_classifier(data.pool, data.test, data.name, to_be_seen(data), 0, device, progress)
        save_classifier(net, path)

    def read(path: Path) -> ConvClassifier | None:
        try:
            return load_classifier(path, data.x_shape, len(data.classes))
        except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError):  # damaged
            return None

    return made_once(_cached(data), make, read).to(device)


def has_classes(data: Data) -> bool:
    """Return whether a dataset has class labels to train a classifier on."""
    return data.pool.labels is not None and data.test.labels is not None and len(data.classes) > 1


def is_at_hand(data: Data) -> bool:
    """Return whether the classifier of a dataset with classes need not be trained."""
    return _shipped(data).exists() or _is_cached(data)


def why_unsaved(data: Data) -> str:
    """Say why the classifier of a dataset with classes could not be saved; empty if it can be, or is at hand."""
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
    if not has_classes(data):
        return None
    why = why_unsaved(data) if required else ""
    if why:
        raise Unwritable(f"the classifier of {data.name} has to be trained and saved, but {why}, or type "
                         "classifier=false, which leaves out the scores that need it")  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        return freeze(ConvClassifier(data.x_shape, len(data.classes), data.name))


def _shipped(data: Data) -> Path:
    return SHIPPED / f"{slug(data.name)}_classifier.safetensors"


def _cached(data: Data) -> Path:
    return cache_dir(FOLDER) / f"{slug(data.name)}-{_fingerprint(data)}.safetensors"


def _is_cached(data: Data) -> bool:
    try:
        return _cached(data).exists()
    except Unwritable:  # there is no cache
        return False


def classifier_features(generated: Generated) -> Extractor | None:
    """Return the extractor of ``features=classifier``, the classifier of the dataset; None if there are no labels."""
    return generated.classifier


def _fingerprint(data: Data) -> str:
    """Return a hash of the classifier's training images and labels, and of its layers."""
    network = ConvClassifier(data.x_shape, len(data.classes))
    digest = hashlib.sha256(f"{network}{IMAGES}{data.classes}{data.fingerprint('pool', HASHED)}".encode())
    assert data.pool.labels is not None
    digest.update(data.pool.labels.numpy().tobytes())
    return digest.hexdigest()[:16]
