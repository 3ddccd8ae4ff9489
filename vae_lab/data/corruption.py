"""Changes to images before the model receives them: binarisation, and noise for denoising."""

import hashlib
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.mapped_bytes import held_bytes
from vae_lab.functional import noised
from vae_lab.noise import generator
from vae_lab.types import Noise

Binarize = Literal["dynamic", "static"]
DRAWN_IN_MEMORY = 2**30  # bytes of images drawn once, above which they are mapped


class Corruption:
    """Makes the encoder's input and the likelihood's target from clean images [B, C, H, W].

    Args:
        n_train: number of training images.
        seed: determines which training images are noisy.
        binarize: 'dynamic' draws each pixel from Bernoulli(grey level) every time that the image is used, as in
            published likelihood tables; 'static' changes nothing here, since the images are already binary.
        noise_std: σ of the Gaussian noise added to the input, which is then clamped to [0, 1]; the target stays clean.
        noise_share: fraction of the training images that are noisy: the same images in all epochs, with new noise each
            time.
    """

    def __init__(
        self, n_train: int, seed: int, binarize: Binarize | None, noise_std: float, noise_share: float
    ) -> None:
        self.binarize = binarize
        self.noise_std = noise_std if noise_share > 0 else 0.0
        order = torch.randperm(n_train, generator=generator("cpu", seed, "noisy"))
        self.noisy = torch.zeros(n_train, dtype=torch.bool)
        self.noisy[order[: round(noise_share * n_train)]] = True

    def __call__(self, clean: Tensor, index: Tensor, noise: Noise, training: bool) -> tuple[Tensor, Tensor]:
        """Return the input and the target; noise is added in training only.

        Args:
            clean: images [B, C, H, W] in [0, 1].
            index: their positions in the training set, long [B].
            noise: the source of random draws.
            training: whether these are training images.
        """
        target = drawn_binary(clean, noise) if self.binarize == "dynamic" else clean
        if not training or self.noise_std == 0:
            return target, target
        self.noisy = self.noisy.to(index.device)
        chosen = self.noisy[index].view(-1, 1, 1, 1)
        noisy = noised(target, self.noise_std, noise.normal(*clean.shape))
        return torch.where(chosen, noisy, target), target


def drawn_binary(grey: Tensor, noise: Noise) -> Tensor:
    """Draw each pixel as 0 or 1 from Bernoulli(grey level)."""
    return (noise.uniform(*grey.shape) < grey).to(grey.dtype)


def binarize_once(pixels: Tensor) -> Tensor:
    """Return the images with pixels of 0 or 255, drawn from Bernoulli(grey level); every call gives the same draw.

    More than 1 GiB of them are mapped from a file in the cache, where later jobs find them.
    """

    def fill(out: np.ndarray) -> None:
        fixed = torch.Generator().manual_seed(0)
        for index in torch.arange(len(pixels)).split(10_000):
            uniform = torch.rand(pixels[index].shape, generator=fixed)
            out[index.numpy()] = ((uniform < pixels[index] / 255) * 255).to(torch.uint8).numpy()

    return held_bytes(tuple(pixels.shape), DRAWN_IN_MEMORY, lambda: f"black-and-white-{_digest(pixels)}", fill)


def _digest(pixels: Tensor) -> str:
    digest = hashlib.sha256(str(tuple(pixels.shape)).encode())
    for part in pixels.split(10_000):
        digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()[:16]
