"""What is done to images on their way to the model: binarisation, and noise for denoising."""

from typing import Literal

import torch
from torch import Tensor

from vae_lab.examples import Stored
from vae_lab.functional import noised
from vae_lab.noise import generator
from vae_lab.types import Noise

Binarize = Literal["dynamic", "static"]


class Corruption:
    """Clean images [B, C, H, W] to what the encoder sees and what the likelihood scores.

    Args:
        n_train: size of the training set.
        seed: chooses which training images are noisy.
        binarize: 'dynamic' draws each pixel anew from Bernoulli(grey level) each time it is shown, as in published
            likelihood tables; 'static' images are binary already when they come here.
        noise_std: σ of the Gaussian noise added to ``x`` (the target stays clean), then clamped to [0, 1].
        noise_share: part of the training images that get it: the same ones in all epochs, with new noise each time.
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
        """(x, target); noise is added to training images only."""
        target = drawn_binary(clean, noise) if self.binarize == "dynamic" else clean
        if not training or self.noise_std == 0:
            return target, target
        self.noisy = self.noisy.to(index.device)
        chosen = self.noisy[index].view(-1, 1, 1, 1)
        noisy = noised(target, self.noise_std, noise.normal(*clean.shape))
        return torch.where(chosen, noisy, target), target


def drawn_binary(grey: Tensor, noise: Noise) -> Tensor:
    """0 or 1, each by a draw from Bernoulli(grey level)."""
    return (noise.uniform(*grey.shape) < grey).to(grey.dtype)


def binarize_once(pixels: Stored) -> Tensor:
    """Bytes to 0 or 255 by one fixed draw from Bernoulli(grey level) per pixel."""
    fixed = torch.Generator().manual_seed(0)
    out = torch.empty(tuple(pixels.shape), dtype=torch.uint8)
    for index in torch.arange(len(pixels)).split(10_000):
        part = pixels[index]
        uniform = torch.rand(part.shape, generator=fixed)
        out[index] = ((uniform < part / 255) * 255).to(torch.uint8)
    return out
