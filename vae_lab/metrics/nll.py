"""Negative log-likelihood by importance sampling (Burda et al. 2016, arXiv 1509.00519, equation 8).

−log p(x) ≤ −L_K = −E log (1/K) Σ_k w_k, w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), in nats per example; lower is
better. K = 1 gives −ELBO, and the bound falls towards −log p(x) as K grows. Published tables report −L_5000.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypedDict

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.examples import in_words_of
from vae_lab.functional import log_mean_exp
from vae_lab.scores import Scores, Trained
from vae_lab.types import Batch, Model, Noise

CPU_VALUES, GPU_VALUES = 1_000_000, 32_000_000  # outputs or latents in memory at a time; 4 MB fit into a CPU's cache
LOW_ESS = 10  # with fewer effective samples, the bound of an example is loose


class BoundRow(TypedDict):
    """The bound of one K, over all examples."""

    k: int
    nll: float  # nats
    se: float  # standard error over examples
    difference_se: float | None  # standard error of the difference from the previous K; None for the first


class NLL:
    """−L_K of test examples, and the bounds of smaller K from the same samples.

    Args:
        samples: K, the number of importance samples per example.
        images: number of test examples, a fixed random choice; null: all.
        bounds: smaller K whose bounds are also reported. Each is a mean over disjoint groups of K samples, which is
            unbiased for −L_K and has less variance than a single group.
    """

    topic = "Likelihood"
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
        """Return ``nll`` with its standard error, ``nll_bits_per_dim`` of discrete data, and the effective samples."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        with torch.inference_mode():
            summaries = torch.cat([_summary(log_w, self.ks) for log_w in self._log_weights(trained, n)], 1).cpu()
        return self._scores(trained, summaries[:-1], summaries[-1])

    def _log_weights(self, trained: Trained, n: int) -> Iterator[Tensor]:
        """Yield log w [K, b] in float64 for b examples at a time, so that memory is bounded for every K and n."""
        largest = max(math.prod(trained.data.x_shape), sum(map(math.prod, trained.model.latent_shapes)))
        rows = max(1, (GPU_VALUES if trained.device.type == "cuda" else CPU_VALUES) // largest)
        chunks = [min(rows, self.samples - start) for start in range(0, self.samples, rows)]
        size = max(1, rows // self.samples)  # examples at a time
        groups = [len(part) for part in torch.arange(n).split(1000) for part in part.split(size)]
        steps = trained.progress(range(len(groups) * len(chunks)), f"importance samples of {n:,} examples")
        parts, noise, log_w = _parts(trained, n, size), trained.noise("nll"), []
        for step in steps:
            if step % len(chunks) == 0:
                part = next(parts)
            log_w.append(log_weights(trained.model, part, chunks[step % len(chunks)], noise))
            if len(log_w) == len(chunks):
                yield torch.cat(log_w)
                log_w = []

    def _scores(self, trained: Trained, nll: Tensor, ess: Tensor) -> Scores:
        """Scores from −L_K [Ks, n] and the effective sample size [n] of each example."""
        n, many = nll.shape[1], trained.data.values.many
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
            "estimator": f"−log of the mean importance weight, float64, mean over {many}",
            "likelihood": type(trained.model.likelihood).__name__,
            "binarize": trained.data.binarize,
            "smaller_k": "mean over the disjoint groups of K among the same samples",
            "interval": f"±1.96 standard errors over {many}",
            "low_ess": f"(Σw)²/Σw² < {LOW_ESS}",
            "seed": trained.seed,
            "software": f"torch {torch.__version__}",
        }
        intervals = {"nll": (value - 1.96 * se, value + 1.96 * se)} if n > 1 else {}
        meanings = in_words_of(trained.data.values, {name: text for name, text in _MEANINGS.items() if name in values})
        notes = _notes(rows, low, self.samples)
        return Scores(values, {"nll": protocol}, {"nll_bounds": rows}, notes, intervals, meanings)


_MEANINGS = {
    "nll": "−log p(x), nats per {one}, lower is better",
    "nll_se": "its standard error over {many}, nats",
    "nll_ess": "effective importance samples, mean over {many}",
    "nll_low_ess": f"share of {{many}} with fewer than {LOW_ESS} of them",
    "nll_bits_per_dim": "nll in bits per {value}, lower is better",
}


def log_weights(model: Model, batch: Batch, k: int, noise: Noise) -> Tensor:
    """log p(x|z) + log p(z) − log q(z|x) at k posterior samples per example: float64 [k, B] nats."""
    latents = model.infer(batch.x, batch.y, k, noise, densities=True)
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    log_px = model.likelihood.log_prob(params.float(), batch.target)
    assert latents.log_p is not None
    assert latents.log_q is not None
    return log_px.double() + latents.log_p.double() - latents.log_q.double()


def grouped_bound(log_w: Tensor, k: int) -> Tensor:
    """−L_k of each example, the mean over the disjoint groups of k among K samples: [K, B] to [B] nats."""
    groups = log_w[: len(log_w) // k * k].unflatten(0, (-1, k))
    return -log_mean_exp(groups, 1).mean(0)


def effective_samples(log_w: Tensor) -> Tensor:
    """The effective sample size (ESS), (Σ w)² / Σ w² over dimension 0: between 1 and K.

    The bias of the bound is about ½ (1/ESS − 1/K) nats.
    """
    return torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0))


def bound_rows(nll: Tensor, ks: Sequence[int]) -> list[BoundRow]:
    """Return one row per K from the bounds [Ks, n] of n examples.

    Neighbouring K use the same examples and samples, so the standard error of their difference is far smaller than
    that of either bound.
    """
    rows: list[BoundRow] = []
    for i, k in enumerate(ks):
        difference_se = _standard_error(nll[i] - nll[i - 1]) if i else None
        rows.append(
            {"k": k, "nll": nll[i].mean().item(), "se": _standard_error(nll[i]), "difference_se": difference_se}
        )
    return rows


def _summary(log_w: Tensor, ks: Sequence[int]) -> Tensor:
    """The bound for each of the Ks, then the effective sample size: log w [K, B] to [Ks + 1, B]."""
    return torch.stack([*(grouped_bound(log_w, k) for k in ks), effective_samples(log_w)])


def _standard_error(x: Tensor) -> float:
    return x.std().item() / math.sqrt(len(x)) if len(x) > 1 else 0.0


def _parts(trained: Trained, n: int, size: int) -> Iterator[Batch]:
    """Yield the test examples as all scores receive them, at most ``size`` at a time."""
    for batch in trained.data.batches("test", n):
        for i in range(0, len(batch.x), size):
            y = None if batch.y is None else batch.y[i : i + size]
            yield Batch(batch.x[i : i + size], batch.target[i : i + size], y)


def _notes(rows: list[BoundRow], low: float, samples: int) -> list[str]:
    notes = []
    for before, row in pairwise(rows):
        rise, se = row["nll"] - before["nll"], row["difference_se"]
        assert se is not None
        if se > 0 and rise > max(3 * se, 1e-3):  # The difference of one example has no standard error.
            notes.append(
                f"nll: the bound rises from K={before['k']} to K={row['k']} by {rise:.3g} nats, {rise / se:.1f} "
                "standard errors, although it should fall as K grows."
            )
    if low > 0.1:
        notes.append(
            f"nll is a loose bound: {low:.0%} of the examples have fewer than {LOW_ESS} effective samples of "
            f"{samples:,}, and the bound of each of them is too high by about 0.05 nats or more."
        )
    return notes
