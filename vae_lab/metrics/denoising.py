"""Denoising: how near the reconstruction of a noised test image is to the clean image, against the noise's strength.

error(σ) = mean over images and values of (x̂(clamp(x + σ ε)) − x)², beside that of doing nothing, (clamp(x + σ ε) − x)².
The same ε is used for all σ. Denoising by a code that has no room for noise: Vincent et al. 2008; the plain VAE was
never shown noise, unless ``dataset.noise_std`` says so.
"""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.functional import noised
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.scores import Scores, Trained

AT_ONCE = 250


class Denoising:
    """Over test images.

    Args:
        sigmas: σ of the noise, in units of the [0, 1] range.
        at: the σ whose error becomes a score.
        images: test images, by a fixed draw; null: all.
        bootstrap: resamples for the intervals.
    """

    needs = ("images",)

    def __init__(
        self,
        sigmas: Sequence[NonNegativeFloat] = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        at: NonNegativeFloat = 0.4,
        images: PositiveInt | None = None,
        bootstrap: PositiveInt = 100,
    ) -> None:
        self.sigmas, self.at = sorted({float(at), *map(float, sigmas)}), float(at)
        self.images, self.bootstrap = images, bootstrap

    def __call__(self, trained: Trained) -> Scores:
        """Errors at ``at``, the σ between which the reconstruction helps, and the curves."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        made, given = self._errors(trained, n)
        counts = resamples(n, self.bootstrap, trained.seed) / n
        rows = []
        for sigma, by, of in zip(self.sigmas, made, given):
            low, high = interval(by.mean().item(), counts @ by)
            rows.append({"sigma": sigma, "reconstruction": by.mean().item(), "input": of.mean().item(),
                         "low": low, "high": high})  # fmt: skip
        chosen = rows[self.sigmas.index(self.at)]
        values = {"denoising_mse": chosen["reconstruction"], "denoising_input_mse": chosen["input"]}
        intervals = {
            "denoising_mse": (chosen["low"], chosen["high"]),
            "denoising_input_mse": interval(chosen["input"], counts @ given[self.sigmas.index(self.at)]),
        }
        gain = [row["input"] - row["reconstruction"] for row in rows]
        start, end = crossing(self.sigmas, gain), crossing(self.sigmas[::-1], gain[::-1])
        notes = []
        if start is None or end is None:
            notes = [f"No denoising_from: up to noise σ={self.sigmas[-1]:g} no reconstruction is nearer to the clean "
                     "images than the noised ones are."]  # fmt: skip
        else:
            values["denoising_from"] = start
            if end < self.sigmas[-1]:
                values["denoising_until"] = end
        protocol = {
            "images": n,
            "split": "test",
            "sigmas": self.sigmas,
            "at": self.at,
            "noise": "Gaussian, σ in units of [0, 1], clamped; the same draws for all σ",
            "reconstruction": "decoded mean of the posterior's mean",
            "interval": bootstrap_protocol(self.bootstrap, "images"),
            "seed": trained.seed,
        }
        meanings = {name: text.format(self.at) for name, text in _MEANINGS.items() if name in values}
        return Scores(values, {"denoising": protocol}, {"denoising": rows}, notes, intervals, meanings)

    def _errors(self, trained: Trained, n: int) -> tuple[Tensor, Tensor]:
        """Mean squared error per image to the clean one, of reconstructions and of noised images: float64 [S, n]."""
        noise, made, given = trained.noise("denoising"), [], []
        batches = trained.data.batches("test", n, AT_ONCE)
        for _ in trained.progress(range(-(-n // AT_ONCE)), f"denoising {n:,} images at {len(self.sigmas)} strengths"):
            batch = next(batches)
            clean = batch.target
            eps = noise.normal(*clean.shape)
            inputs = [noised(clean, sigma, eps) for sigma in self.sigmas]
            given.append(torch.stack([_mse(x, clean) for x in inputs]))
            made.append(torch.stack([_mse(trained.reconstruct(x, batch.y), clean) for x in inputs]))
        return torch.cat(made, 1).cpu(), torch.cat(given, 1).cpu()


_MEANINGS = {
    "denoising_mse": "squared error per value to clean images, reconstructions at noise σ={:g}; lower is better",
    "denoising_input_mse": "the same of the noised images themselves",
    "denoising_from": "noise σ from which a reconstruction is nearer to the clean image than its input",
    "denoising_until": "noise σ up to which it is",
}


def crossing(sigmas: Sequence[float], gain: Sequence[float]) -> float | None:
    """Where the gain first rises above 0, on straight lines between the points; None where it never does."""
    first = next((i for i, value in enumerate(gain) if value > 0), None)
    if first is None or first == 0:
        return None if first is None else sigmas[0]
    share = -gain[first - 1] / (gain[first] - gain[first - 1])
    return sigmas[first - 1] + share * (sigmas[first] - sigmas[first - 1])


def _mse(x: Tensor, clean: Tensor) -> Tensor:
    return (x - clean).square().flatten(1).double().mean(1)
