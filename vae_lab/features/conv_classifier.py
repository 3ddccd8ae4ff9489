"""The network that reads images of a dataset, and the file that keeps its weights."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from vae_lab.system.files import write_atomically
from vae_lab.types import Shape


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


def freeze(net: ConvClassifier) -> ConvClassifier:
    """Put the network into evaluation mode and turn off its gradients."""
    net.eval().requires_grad_(False)
    return net


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
