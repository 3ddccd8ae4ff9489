"""Out-of-distribution detection: can images of other kinds be told from test images by what the model says of them?

AUROC by three scores, each the more anomalous the higher: −ELBO, recon, KL (recon alone for an autoencoder). A VAE may
well find other images *likelier* than those it learnt (Nalisnick et al. 2019, arXiv 1810.09136): then it is below ½.
Kinds: uniform noise; Gaussian noise with the mean and σ of the test images' values; the test images turned by 180°;
test images of another dataset of the same shape, where its files are present.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.functional import noised
from vae_lab.metrics.common.auroc import auroc, auroc_on_resamples, roc
from vae_lab.metrics.common.image_terms import ImageTerms, image_terms
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.noise import generator
from vae_lab.scores import Scores, Trained

FALSE_ALARMS = np.linspace(0, 1, 101)  # where the ROC curves are kept


class OOD:
    """Test images against as many images of each kind.

    Args:
        images: of each kind, by a fixed draw; null: as many as there are test images.
        samples: draws of z behind recon, per image.
        bootstrap: resamples for the intervals.
        others: name -> source of another dataset; the first one that is present and has the shape is taken.
    """

    needs = ("images",)

    def __init__(
        self,
        images: PositiveInt | None = None,
        samples: PositiveInt = 4,
        bootstrap: PositiveInt = 100,
        others: Mapping[str, Any] | None = None,
    ) -> None:
        self.images, self.samples, self.bootstrap, self.others = images, samples, bootstrap, others or {}

    def __call__(self, trained: Trained) -> Scores:
        """``ood_auroc_<kind>_<score>`` with intervals, and the ROC curves at 101 shares of false alarms."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        mean, std = _moments(trained, n)
        name, other, notes = self._another(trained)
        kinds = ["uniform", "gaussian", "rotated", *([name] if name else [])]
        y = None
        if trained.model.conditional:
            name, kinds, notes = None, ["rotated"], [_UNTOLD]
            y = torch.cat([batch.y for batch in trained.data.batches("test", n) if batch.y is not None])
        found = {
            kind: image_terms(trained, self._images(trained, kind, n, mean, std, other), f"ood {kind}", self.samples, y)
            for kind in trained.progress(["test", *kinds], f"scoring {1 + len(kinds)} kinds of {n:,} images")
        }
        usual = found.pop("test")
        protocol = {
            "images": n,
            "split": "test",
            "latent_samples": self.samples if trained.objective.variational else "the posterior's mean",
            "uniform": "U[0, 1) per value",
            "gaussian": {"mean": mean, "sigma": std, "clamped": "to [0, 1]"},
            "rotated": "the test images turned by 180°; what is symmetric (the digits 0, 1, 8) hardly changes",
            "other": name,
            "likelihood": type(trained.model.likelihood).__name__,
            "interval": bootstrap_protocol(self.bootstrap, "images of both kinds (turned ones with their originals)"),
            "seed": trained.seed,
        }
        scores = Scores({}, {"ood": protocol}, {"ood_roc": []}, notes)
        for kind, odd in found.items():
            self._compare(kind, odd, usual, trained.seed, scores)
        return scores

    def _compare(self, kind: str, odd: ImageTerms, usual: ImageTerms, seed: int, scores: Scores) -> None:
        """One AUROC, its interval and its curve per score."""
        n = len(usual.recon)
        counts = resamples(n, self.bootstrap, seed)
        theirs = counts if kind == "rotated" else resamples(len(odd.recon), self.bootstrap, seed + 1)
        curves: dict[str, Any] = {}
        for by, values in odd.by_name.items():
            name, against = f"ood_auroc_{kind}_{by}", usual.by_name[by]
            scores.values[name] = auroc(values, against)
            replicates = auroc_on_resamples(values, against, theirs, counts)
            scores.intervals[name] = interval(scores.values[name], replicates, high=1.0)
            scores.meanings[name] = _MEANING.format(_KINDS.get(kind, kind), _BY[by])
            curves[by] = roc(values, against, FALSE_ALARMS)
        scores.arrays["ood_roc"].append({"kind": kind, "found": curves})

    def _images(
        self, trained: Trained, kind: str, n: int, mean: float, std: float, other: Examples | None
    ) -> Iterator[Tensor]:
        """n images of a kind, as the model would meet them."""
        noise = trained.noise(f"ood images {kind}")
        if kind not in ("test", "uniform", "gaussian", "rotated"):
            assert other is not None
            order = torch.randperm(len(other), generator=generator("cpu", trained.seed, "ood", kind))
            for index in order[:n].split(1000):
                yield trained.data.as_received(other.at(index)[0].to(trained.device).float() / 255, noise)
            return
        for batch in trained.data.batches("test", n):
            if kind == "uniform":
                yield trained.data.as_received(noise.uniform(*batch.x.shape), noise)
            elif kind == "gaussian":
                grey = noised(torch.full_like(batch.x, mean), std, noise.normal(*batch.x.shape))
                yield trained.data.as_received(grey, noise)
            else:
                yield batch.x if kind == "test" else batch.x.rot90(2, (2, 3))

    def _another(self, trained: Trained) -> tuple[str | None, Examples | None, list[str]]:
        """The first of the other datasets that is present with images of this shape; else a note."""
        shape, problems = tuple(trained.data.x_shape), []
        candidates = {k: source for k, source in self.others.items() if source and k != trained.data.name}
        for name, source in candidates.items():
            try:
                images = source.present(trained.data.root)
            except UserError as why:
                problems.append(f"{why}.")
                continue
            if images is not None and tuple(images.stored.shape[1:]) == shape:
                return name, images, []
        size = "×".join(map(str, shape))
        missing = f"No other dataset to tell from: none of {', '.join(candidates) or '(none named)'} lies in "
        return None, None, [f"{missing}{trained.data.root} with images of {size}; nothing is downloaded for this.",
                            *problems]  # fmt: skip


_UNTOLD = (
    "No ood_auroc of noise and of other datasets: a conditional model scores an image with its label; they have none."
)
_MEANING = "AUROC, {} told from test images by {}; 0.5 is blind"
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "turned images"}
_BY = {"elbo": "−ELBO", "recon": "recon", "kl": "KL"}


def _moments(trained: Trained, n: int) -> tuple[float, float]:
    """Mean and σ of the test images' values."""
    total, square, count = 0.0, 0.0, 0
    for images in trained.data.clean("test", n):
        total, square = total + images.double().sum().item(), square + images.double().square().sum().item()
        count += images.numel()
    mean = total / count
    return mean, max(0.0, square / count - mean**2) ** 0.5
