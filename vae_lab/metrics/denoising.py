"""Denoising: how near the reconstruction of a noised test image is to the clean image, by the strength of the noise.

error(σ) = mean over images and values of (x̂(clamp(x + σ ε)) − x)². It is compared with the error of the noised image
itself, (clamp(x + σ ε) − x)². The same ε is used for all σ. The idea that a code without room for the noise removes it
is that of denoising autoencoders (Vincent et al. 2008). A VAE is trained on noised images only if
``dataset.noise_std`` is set.
"""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.functional import noised
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.scores import Scores, Trained

AT_ONCE = 250  # images reconstructed at a time


class Denoising:
    """Squared error of the reconstructions of noised test images.

    Args:
        sigmas: standard deviations σ of the noise, in units of the [0, 1] range.
        at: the σ whose error is reported as a score.
        images: number of test images, a fixed random choice; null: all.
        bootstrap: number of resamples for the intervals.
    """

    topic = "Robustness"
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
        """Return the errors at ``at``, the range of σ in which reconstructions are nearer, and the error curves."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        of_reconstructions, of_inputs = self._errors(trained, n)
        counts = resamples(n, self.bootstrap, trained.seed) / n
        rows = []
        for sigma, reconstruction, noised_input in zip(self.sigmas, of_reconstructions, of_inputs):
            value = reconstruction.mean().item()
            low, high = interval(value, counts @ reconstruction)
            rows.append({"sigma": sigma, "reconstruction": value, "input": noised_input.mean().item(),
                         "low": low, "high": high})  # fmt: skip
        chosen = rows[self.sigmas.index(self.at)]
        values = {"denoising_mse": chosen["reconstruction"], "denoising_input_mse": chosen["input"]}
        intervals = {
            "denoising_mse": (chosen["low"], chosen["high"]),
            "denoising_input_mse": interval(chosen["input"], counts @ of_inputs[self.sigmas.index(self.at)]),
        }
        gain = [row["input"] - row["reconstruction"] for row in rows]
        start, end = crossing(self.sigmas, gain), crossing(self.sigmas[::-1], gain[::-1])
        notes = []
        if start is None or end is None:
            notes = [f"No denoising_from: up to σ={self.sigmas[-1]:g}, no reconstruction is nearer to the clean images "
                     "than the noised images themselves."]  # fmt: skip
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
        """Mean squared error of reconstructions and of noised images, for S values of σ: float64 [S, n] each."""
        noise, of_reconstructions, of_inputs = trained.noise("denoising"), [], []
        batches = trained.data.batches("test", n, AT_ONCE)
        for _ in trained.progress(range(-(-n // AT_ONCE)), f"denoising {n:,} images at {len(self.sigmas)} strengths"):
            batch = next(batches)
            clean = batch.target
            eps = noise.normal(*clean.shape)
            inputs = [noised(clean, sigma, eps) for sigma in self.sigmas]
            of_inputs.append(torch.stack([_mse(x, clean) for x in inputs]))
            of_reconstructions.append(torch.stack([_mse(trained.reconstruct(x, batch.y), clean) for x in inputs]))
        return torch.cat(of_reconstructions, 1).cpu(), torch.cat(of_inputs, 1).cpu()


_MEANINGS = {
    "denoising_mse": "squared error per value to clean images, reconstructions at noise σ={:g}; lower is better",
    "denoising_input_mse": "the same of the noised images themselves",
    "denoising_from": "noise σ from which a reconstruction is nearer to the clean image than its input",
    "denoising_until": "noise σ up to which it is",
}


def crossing(sigmas: Sequence[float], gain: Sequence[float]) -> float | None:
    """Return the σ at which the gain first rises above 0, by linear interpolation; None if it never does."""
    first = next((i for i, value in enumerate(gain) if value > 0), None)
    if first is None or first == 0:
        return None if first is None else sigmas[0]
    share = -gain[first - 1] / (gain[first] - gain[first - 1])
    return sigmas[first - 1] + share * (sigmas[first] - sigmas[first - 1])


def _mse(x: Tensor, clean: Tensor) -> Tensor:
    return (x - clean).square().flatten(1).double().mean(1)
