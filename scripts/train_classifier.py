"""Train a classifier that ships with the package, on all training images of MNIST or Fashion-MNIST.

    python scripts/train_classifier.py fashion_mnist <folder with the dataset as torchvision stores it>

It takes minutes on two cores. The test images are used once, after training, for the accuracy that is printed and
stored with the weights. New weights change every FID on the dataset, so the release notes must mention them, and the
hash and the accuracy in docs/classifiers.md.
"""

import sys
from pathlib import Path

from rich.console import Console

from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.features.classifier import SHIPPED
from vae_lab.features.conv_classifier import load_classifier, save_classifier
from vae_lab.features.learning import train_classifier
from vae_lab.report.following import tracker

DATASETS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # name in conf/dataset -> torchvision's name
EPOCHS = 8

if __name__ == "__main__":
    name, folder = sys.argv[1:]
    train, test = TorchvisionImages(DATASETS[name]).load(Path(folder))
    net = train_classifier(train, test, name, EPOCHS * len(train), progress=tracker(Console()))
    path = SHIPPED / f"{name}_classifier.safetensors"
    save_classifier(net, path)
    saved = load_classifier(path, tuple(train.x_shape), len(train.classes))
    print(f"{path}: test accuracy {saved.test_accuracy:.4f}, sha256 {saved.sha256}")
