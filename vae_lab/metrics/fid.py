"""Fréchet inception distance on classifier features (Heusel et al. 2017, arXiv 1706.08500, equation 6).

FID = ‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½), in float64 by torchmetrics. Beside the FID of prior samples stand that of
reconstructions of test images and the floor: what as many real training images reach against the same reference.
"""

from importlib.metadata import version

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from vae_lab.types import Scores, Trained


class FID:
    """Samples, reconstructions and training images against the test images.

    Args:
        samples: generated images; as many as there are reference images, if those are fewer.
    """

    def __init__(self, samples: PositiveInt = 10_000) -> None:
        self.samples = samples

    def __call__(self, trained: Trained) -> Scores:
        """``fid``, ``fid_reconstructions``, ``fid_floor``; nothing, and a note why, where it cannot be had."""
        extractor = trained.extractor
        n = min(self.samples, len(trained.data.test), len(trained.data.pool))
        if extractor is None:
            return Scores({}, notes=["No FID: the dataset has no labels to train a feature classifier on."])
        if n <= extractor.num_features:
            reason = f"{n} images are too few for a covariance of {extractor.num_features} features."
            return Scores({}, notes=[f"No FID: {reason}"])
        reference = trained.features("test", n)
        names = {"fid": "samples", "fid_reconstructions": "reconstructions", "fid_floor": "pool"}
        values = {name: frechet(trained.features(source, n), reference) for name, source in names.items()}
        protocol = {
            **extractor.about,
            "images": n,
            "reference": f"test ({n} images)",
            "floor": f"{n} training images against the same reference",
            "sampler": "prior",
            "generated_images": "decoder means in [0, 1]",
            "software": f"torchmetrics {version('torchmetrics')}",
        }
        return Scores(values, {"fid": protocol}, notes=[] if trained.objective.variational else [_NO_PRIOR])


_NO_PRIOR = (
    "This objective ties the codes to no prior: samples from N(0, I), and so fid and label_distance, say little; "
    "fid_reconstructions does not depend on it."
)


class _Given(nn.Module):
    """Features that were computed already pass through."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(a: Tensor, b: Tensor) -> float:
    """FID between two sets of features [N, F].

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise ValueError("features are not finite")
    metric = FrechetInceptionDistance(feature=_Given(a.shape[1])).set_dtype(torch.float64)
    metric.update(b.double().cpu(), real=True)
    metric.update(a.double().cpu(), real=False)
    return metric.compute().item()
