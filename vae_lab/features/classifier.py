"""The frozen classifier whose features and labels the scores of images stand on.

Inception's ImageNet features say little about digits, so images are scored by a small network trained on the dataset's
own labels. The one for MNIST ships with the package; for other labelled datasets it is trained once and cached. Scores
by different classifiers cannot be compared: the SHA-256 of the weights stands beside every one of them.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from vae_lab.data.cache import cache_dir
from vae_lab.examples import Data, Examples
from vae_lab.scores import Extractor, Generated
from vae_lab.types import Shape

SHIPPED = Path(__file__).parent.parent / "assets"
MAX_IMAGES = 60_000  # training images that an epoch on demand uses at most


class ConvClassifier(nn.Module):
    """Three 3×3 convolutions, one hidden layer whose outputs are the features, one linear layer on them.

    No batch normalisation: its frozen statistics make such a network misread images that are paler or softer than those
    it has learnt, as samples of a VAE are. Takes images [N, C, H, W] in [0, 1] of any size from 8×8 up, large ones
    averaged down to about 32×32; gives features [N, 128] and logits [N, classes].
    """

    num_features = 128
    suffix = ""

    def __init__(self, x_shape: Shape, classes: int, name: str = "untrained") -> None:
        super().__init__()
        self.name, self.sha256, self.test_accuracy = name, "", float("nan")
        places = (min(7, x_shape[1] // 4), min(7, x_shape[2] // 4))
        smaller = max(1, round(min(x_shape[1:]) / 32))  # 64×64 at full size would cost four times as much
        self.body = nn.Sequential(
            *([nn.AvgPool2d(smaller)] if smaller > 1 else []),
            nn.Conv2d(x_shape[0], 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(places),
            nn.Flatten(), nn.Linear(32 * places[0] * places[1], self.num_features), nn.ReLU(),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(self.num_features, classes)
        self.to(memory_format=torch.channels_last)

    @property
    def about(self) -> dict[str, Any]:
        """For protocols."""
        features = f"{self.name} classifier, {self.num_features}-d"
        return {"features": features, "extractor_sha256": self.sha256, "classifier_test_accuracy": self.test_accuracy}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images to (features, logits)."""
        features = self.body(x) if self.training else self._body_in_place(x)
        return features, self.head(self.dropout(features))

    def _body_in_place(self, x: Tensor) -> Tensor:
        """The same numbers in 0.7 of the time: each ReLU in place, and after the largest were picked, not before."""
        waits = False
        for layer in self.body:
            if isinstance(layer, nn.ReLU):
                waits = True
                continue
            if waits and not isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d):
                x, waits = x.relu_(), False
            x = layer(x)
        return x.relu_() if waits else x


def train_classifier(
    train: Examples,
    test: Examples,
    name: str,
    epochs: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[Iterable[int], str], Iterable[int]] = lambda steps, _: steps,
) -> ConvClassifier:
    """Adam with a one-cycle learning rate on slightly turned, moved and scaled images.

    Accuracy is measured once, on the test images, after training.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ConvClassifier(tuple(train.stored.shape[1:]), len(train.classes), name).to(device)
        move = v2.RandomAffine(degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1))
        size = min(128, max(16, len(train) // 20))
        steps = epochs * (min(len(train), MAX_IMAGES) // size)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        order: Tensor = torch.empty(0, dtype=torch.long)
        for _ in progress(range(steps), f"training the classifier of {name}"):
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
    """For good: evaluation mode, no gradients."""
    net.eval().requires_grad_(False)
    return net


@torch.no_grad()
def accuracy(net: ConvClassifier, images: Examples) -> float:
    """Share of images whose label the network reads right."""
    device, right = next(net.parameters()).device, 0
    for index in torch.arange(len(images)).split(1000):
        pixels, y = images.at(index)
        assert y is not None
        right += int((net(pixels.to(device).float() / 255)[1].argmax(1).cpu() == y).sum())
    return right / len(images)


def save_classifier(net: ConvClassifier, path: Path) -> None:
    """Weights and what they are, atomically."""
    about: dict[str, Any] = {"name": net.name, "test_accuracy": net.test_accuracy}
    unfinished = path.with_suffix(".part")
    state = {key: value.contiguous() for key, value in net.state_dict().items()}
    save_file(state, unfinished, metadata={"about": json.dumps(about)})
    unfinished.rename(path)


def load_classifier(path: Path, x_shape: Shape, classes: int) -> ConvClassifier:
    """A frozen classifier with the hash of its file."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    net = ConvClassifier(x_shape, classes, about["name"])
    net.load_state_dict(load_file(path))
    net.test_accuracy = about["test_accuracy"]
    net.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return freeze(net)


def classifier_for(
    data: Data, device: torch.device, progress: Callable[[Iterable[int], str], Iterable[int]]
) -> ConvClassifier | None:
    """The classifier of a dataset: shipped, cached, or trained now; None where there are no labels to learn."""
    if data.test.labels is None or len(data.classes) < 2:
        return None
    path = SHIPPED / f"{data.name}_classifier.safetensors"
    if not path.exists():
        path = cache_dir("classifiers") / f"{data.name}-{_fingerprint(data)}.safetensors"
    if not path.exists():
        epochs = max(3, min(40, 250_000 // len(data.pool)))
        save_classifier(train_classifier(data.pool, data.test, data.name, epochs, 0, device, progress), path)
    return load_classifier(path, data.x_shape, len(data.classes)).to(device)


def classifier_features(generated: Generated) -> Extractor | None:
    """``features=classifier``: those of the dataset's own classifier; None where the dataset has no labels."""
    return generated.classifier


def _fingerprint(data: Data) -> str:
    """Hash of the images and labels that a classifier would learn, and of its layers."""
    network = ConvClassifier(data.x_shape, len(data.classes))
    digest = hashlib.sha256(f"{network}{data.classes}{data.fingerprint('pool', MAX_IMAGES)}".encode())
    assert data.pool.labels is not None
    digest.update(data.pool.labels.numpy().tobytes())
    return digest.hexdigest()[:16]
