"""Trains the classifier of a dataset, on class labels or on attributes."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from vae_lab.data.presence import Presence
from vae_lab.examples import Examples
from vae_lab.features.conv_classifier import ConvClassifier, freeze
from vae_lab.types import Progress


class Task(Protocol):
    """What a classifier reads from an image."""

    def distorted(self, x: Tensor) -> Tensor:
        """Training images [N, C, H, W] as the classifier sees them."""

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss [] of logits [N, outputs] for the targets of a dataset."""

    def right(self, logits: Tensor, y: Tensor) -> Tensor:
        """The share of an image's targets that is read right: [N]."""


class Classes:
    """The class of an image: cross-entropy. Images are slightly rotated, moved and scaled."""

    def __init__(self) -> None:
        self.move = v2.RandomAffine(degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1))

    def distorted(self, x: Tensor) -> Tensor:
        """Each eighth of the images is moved differently."""
        return torch.cat([self.move(part) for part in x.chunk(8)])

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(logits, y)

    def right(self, logits: Tensor, y: Tensor) -> Tensor:
        """1 if the most probable class is the right one, otherwise 0."""
        return (logits.argmax(1) == y).float()


class Attributes:
    """Which attributes an image has: a binary cross-entropy each, with probability sigmoid(logit).

    Images are not moved, turned or scaled, since an attribute may be a place, an angle or a size.

    Args:
        presence: which values of the attributes count as present.
    """

    def __init__(self, presence: Presence) -> None:
        self.presence = presence

    def distorted(self, x: Tensor) -> Tensor:
        """The images as they are."""
        return x

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over images and attributes."""
        return F.binary_cross_entropy_with_logits(logits, self.presence(y).float())

    def right(self, logits: Tensor, y: Tensor) -> Tensor:
        """The share of the attributes whose presence is read right."""
        return ((logits > 0) == self.presence(y)).float().mean(1)


def task_of(train: Examples) -> Task:
    """What can be learnt from training images: their attributes if they have some, otherwise their classes."""
    if not train.attributes:
        return Classes()
    assert train.y is not None
    return Attributes(Presence.of(train.y))


def train_classifier(
    train: Examples,
    test: Examples,
    name: str,
    seen: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = lambda steps, _: steps,
) -> ConvClassifier:
    """Train a classifier with AdamW and a one-cycle learning rate.

    Its accuracy is measured once, on the test images after training.

    Args:
        train: training images with class labels or attributes.
        test: test images with the same.
        name: of the classifier.
        seen: number of images to train on; an image is used again when all have been.
        seed: determines the initial weights and the order and the distortion of the images.
        device: the device to train on.
        progress: shows the progress.

    Returns:
        The classifier, frozen.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        task = task_of(train)
        net = ConvClassifier(train.x_shape, len(train.attributes or train.classes), name).to(device)
        size = min(64, max(16, len(train) // 20), len(train))
        steps = max(1, seen // size)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        order: Tensor = torch.empty(0, dtype=torch.long)
        for _ in progress(range(steps), f"training the {name} classifier, once for all runs"):
            if len(order) < size:
                order = torch.randperm(len(train))
            index, order = order[:size], order[size:]
            pixels, y = train.at(index)
            assert y is not None
            x = task.distorted(pixels.to(device).float() / 255)
            loss = task.loss(net(x)[1], y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    freeze(net)
    net.test_accuracy = accuracy(net, test, task)
    return net


@torch.no_grad()
def accuracy(net: ConvClassifier, images: Examples, task: Task) -> float:
    """Return the fraction of images that the network classifies correctly; for attributes, the mean over them."""
    device, correct = next(net.parameters()).device, 0.0
    for index in torch.arange(len(images)).split(1000):
        pixels, y = images.at(index)
        assert y is not None
        correct += float(task.right(net(pixels.to(device).float() / 255)[1].cpu(), y).sum())
    return correct / len(images)
