"""Negative log-likelihood by importance sampling (Burda et al. 2016, arXiv 1509.00519, equation 8).

−log p(x) ≤ −L_K = −E log (1/K) Σ_k w_k, w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x): nats per image, lower is
better. K = 1 is −ELBO, and the bound falls towards −log p(x) as K grows; published tables give −L_5000.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.functional import log_mean_exp
from vae_lab.scores import Scores, Trained
from vae_lab.types import Batch, Model, Noise

CPU_VALUES, GPU_VALUES = 1_000_000, 32_000_000  # decoder outputs at a time: 4 MB stay in a CPU's cache
LOW_ESS = 10


class NLL:
    """−L_K on test images, with the bounds of smaller K from the same samples.

    Args:
        samples: K, importance samples per image.
        images: test images, by a fixed draw; null: all.
        bounds: smaller K whose bounds are given too. Each is a mean over the disjoint groups of K among the samples:
            unbiased for −L_K, with less variance than one group has.
    """

    needs = ("posterior", "densities", "likelihood")

    def __init__(
        self,
        samples: PositiveInt = 5000,
        images: PositiveInt | None = 1000,
        bounds: Sequence[PositiveInt] = (1, 10, 100, 1000),
    ) -> None:
        self.samples, self.images = samples, images
        self.ks = sorted({k for k in bounds if k < samples} | {samples})

    def __call__(self, trained: Trained) -> Scores:
        """``nll`` with its standard error over images, ``nll_bits_per_dim`` of binary images, the weights' ESS."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        with torch.inference_mode():
            found = torch.cat([_summary(log_w, self.ks) for log_w in self._log_weights(trained, n)], 1).cpu()
        return self._scores(trained, found[:-1], found[-1])

    def _log_weights(self, trained: Trained, n: int) -> Iterator[Tensor]:
        """log w [K, b] in float64 of b images at a time: memory is bounded whatever K and n are."""
        rows = max(1, (GPU_VALUES if trained.device.type == "cuda" else CPU_VALUES) // math.prod(trained.data.x_shape))
        chunks = [min(rows, self.samples - start) for start in range(0, self.samples, rows)]
        together = max(1, rows // self.samples)  # images
        groups = [len(part) for part in torch.arange(n).split(1000) for part in part.split(together)]
        steps = trained.progress(range(len(groups) * len(chunks)), f"importance samples of {n:,} images")
        parts, noise, log_w = _parts(trained, n, together), trained.noise("nll"), []
        for step in steps:
            if step % len(chunks) == 0:
                part = next(parts)
            log_w.append(log_weights(trained.model, part, chunks[step % len(chunks)], noise))
            if len(log_w) == len(chunks):
                yield torch.cat(log_w)
                log_w = []

    def _scores(self, trained: Trained, nll: Tensor, ess: Tensor) -> Scores:
        """From −L_K [Ks, n] and the effective sample size [n] of each image."""
        n = nll.shape[1]
        rows = bound_rows(nll, self.ks)
        value, se = rows[-1]["nll"], rows[-1]["se"]
        low = (ess < LOW_ESS).double().mean().item()
        values = {"nll": value, "nll_se": se, "nll_ess": ess.mean().item(), "nll_low_ess": low}
        if trained.model.likelihood.discrete:
            values["nll_bits_per_dim"] = value / math.prod(trained.data.x_shape) / math.log(2)
        if n == 1:
            del values["nll_se"]
        protocol = {
            "images": n,
            "split": "test, by a fixed draw",
            "samples": self.samples,
            "proposal": "q(z|x)",
            "estimator": "−log of the mean importance weight, float64, mean over images",
            "likelihood": type(trained.model.likelihood).__name__,
            "binarize": trained.data.binarize,
            "smaller_k": "mean over the disjoint groups of K among the same samples",
            "interval": "±1.96 standard errors over images",
            "low_ess": f"(Σw)²/Σw² < {LOW_ESS}",
            "seed": trained.seed,
            "software": f"torch {torch.__version__}",
        }
        intervals = {"nll": (value - 1.96 * se, value + 1.96 * se)} if n > 1 else {}
        meanings = {name: text for name, text in _MEANINGS.items() if name in values}
        arrays = {"nll_bounds": rows}
        return Scores(values, {"nll": protocol}, arrays, _notes(rows, low, self.samples), intervals, meanings)


_MEANINGS = {
    "nll": "−log p(x), nats per image, lower is better",
    "nll_se": "its standard error over images, nats",
    "nll_ess": "effective importance samples, mean over images",
    "nll_low_ess": f"share of images with fewer than {LOW_ESS} of them",
    "nll_bits_per_dim": "nll in bits per pixel, lower is better",
}


def log_weights(model: Model, batch: Batch, k: int, noise: Noise) -> Tensor:
    """log p(x|z) + log p(z) − log q(z|x) at k posterior samples per image: float64 [k, B] nats."""
    latents = model.infer(batch.x, batch.y, k, noise, densities=True)
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    log_px = model.likelihood.log_prob(params.float(), batch.target)
    assert latents.log_p is not None
    assert latents.log_q is not None
    return log_px.double() + latents.log_p.double() - latents.log_q.double()


def grouped_bound(log_w: Tensor, k: int) -> Tensor:
    """−L_k per image, the mean over the disjoint groups of k among K samples: [K, B] to [B] nats."""
    groups = log_w[: len(log_w) // k * k].unflatten(0, (-1, k))
    return -log_mean_exp(groups, 1).mean(0)


def effective_samples(log_w: Tensor) -> Tensor:
    """(Σ w)² / Σ w² over dimension 0: between 1 and K. The bound's bias is about ½ (1/ESS − 1/K) nats."""
    return torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0))


def bound_rows(nll: Tensor, ks: Sequence[int]) -> list[dict[str, Any]]:
    """One row per K: the mean over images, its standard error, and that of the difference to the K before.

    The same images and samples stand behind neighbouring K, so their difference is known far better than each of them.
    """
    rows: list[dict[str, Any]] = []
    for i, k in enumerate(ks):
        fall = _standard_error(nll[i] - nll[i - 1]) if i else None
        rows.append({"k": k, "nll": nll[i].mean().item(), "se": _standard_error(nll[i]), "difference_se": fall})
    return rows


def _summary(log_w: Tensor, ks: Sequence[int]) -> Tensor:
    """[K, B] to one row per bound, then the effective sample size: [Ks + 1, B]."""
    return torch.stack([*(grouped_bound(log_w, k) for k in ks), effective_samples(log_w)])


def _standard_error(x: Tensor) -> float:
    return x.std().item() / math.sqrt(len(x)) if len(x) > 1 else 0.0


def _parts(trained: Trained, n: int, size: int) -> Iterator[Batch]:
    """The test images as the other scores meet them, so many at a time."""
    for batch in trained.data.batches("test", n):
        for i in range(0, len(batch.x), size):
            y = None if batch.y is None else batch.y[i : i + size]
            yield Batch(batch.x[i : i + size], batch.target[i : i + size], y)


def _notes(rows: list[Any], low: float, samples: int) -> list[str]:
    notes = [
        f"nll: the bound rises from K={a['k']} to K={b['k']} by {b['nll'] - a['nll']:.3g} nats, "
        f"{(b['nll'] - a['nll']) / b['difference_se']:.1f} standard errors; it should fall."
        for a, b in pairwise(rows)
        if b["nll"] - a["nll"] > max(3 * b["difference_se"], 1e-3)
    ]
    if low > 0.1:
        notes.append(
            f"nll is a loose bound: {low:.0%} of the images have fewer than {LOW_ESS} effective samples of {samples:,} "
            "(each of them is off by about 0.05 nats or more)."
        )
    return notes
