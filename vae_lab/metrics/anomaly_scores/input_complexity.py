"""Input complexity: −ELBO less the length of the compressed image (Serrà et al. 2020, arXiv 1909.11480)."""

import io
import math
from typing import Any

import torch
from PIL import Image
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.scores import Trained


class InputComplexity:
    """−ELBO(x) − L(x) in nats, where L is the length of x as a PNG file (the paper counts in bits).

    It corrects for simple images having high likelihoods, and can overdo it: where anomalies are more complex than
    normal images, the correction hides them, and a perfect score can become a useless one. It is an option, and never
    the default. For a likelihood with a density the ELBO lacks the constant D · log 256 of images in bytes, which
    changes no rank.

    Args:
        samples: number of draws of z per example.
    """

    label = "−ELBO − complexity, nats"
    needs = ("images", "posterior")

    def __init__(self, samples: PositiveInt = 4) -> None:
        self.samples = samples

    @property
    def about(self) -> dict[str, Any]:
        """The number of draws, and the compressor."""
        return {"latent_samples": self.samples, "compressor": "PNG, optimised"}

    def fit(self, trained: Trained) -> None:
        """Learn nothing."""

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        lengths = [png_nats(image) for x, _ in judged.parts(trained, 1000, "PNG files") for image in x.cpu()]
        return judged.terms(trained, self.samples).anomaly - torch.tensor(lengths, dtype=torch.float64)


def png_nats(image: Tensor) -> float:
    """The length of an image [C, H, W] in [0, 1] as a PNG file, in nats: 8 log 2 for each byte.

    Images of other than three channels are compressed as one grey image, in which the channels lie below each other.
    """
    pixels = (255 * image).round().to(torch.uint8)
    pixels = pixels.permute(1, 2, 0) if len(pixels) == 3 else pixels.flatten(0, 1)
    file = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "PNG", optimize=True)
    return 8 * math.log(2) * file.tell()
