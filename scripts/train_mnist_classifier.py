"""Train the MNIST classifier that ships with the package (a few minutes on two cores).

    python scripts/train_mnist_classifier.py <folder with MNIST as torchvision stores it>

The classifier is trained on all 60,000 training images. The test images are used once, after training, for the accuracy
that is printed and stored with the weights. New weights change every FID, so the release notes must mention them.
"""

import sys
from pathlib import Path

from rich.progress import track

from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.features.classifier import SHIPPED, save_classifier, train_classifier

if __name__ == "__main__":
    train, test = TorchvisionImages("MNIST").load(Path(sys.argv[1]))
    net = train_classifier(train, test, "mnist", epochs=6, progress=track)
    save_classifier(net, SHIPPED / "mnist_classifier.safetensors")
    print(f"test accuracy {net.test_accuracy:.4f}, {sum(p.numel() for p in net.parameters()):,} parameters")
