"""scikit-learn's handwritten digits: 1,797 scans of 8×8 pixels that are part of that package.

Alpaydin & Kaynak 1998 (UCI "Optical Recognition of Handwritten Digits", its test part).
"""

from pathlib import Path

import torch

from vae_lab.examples import Examples

TEST_SIZE = 360


class Digits:
    """1,437 training and 360 test images, split by a fixed shuffle. Nothing is downloaded."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples; ``root`` is not used."""
        from sklearn.datasets import load_digits

        data = load_digits()
        grey = torch.as_tensor(data.images / 16 * 255).round().to(torch.uint8).unsqueeze(1)
        labels = torch.as_tensor(data.target).long()
        order = torch.randperm(len(grey), generator=torch.Generator().manual_seed(0))
        classes = tuple(str(i) for i in range(10))
        train, test = order[TEST_SIZE:], order[:TEST_SIZE]
        return Examples(grey[train], labels[train], classes), Examples(grey[test], labels[test], classes)
