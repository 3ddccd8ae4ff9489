"""Test ``loss``, ``recon``, ``kl`` and ``elbo``: the objective on every test image, in nats per image.

``loss`` is at the objective's own weights with every schedule at its end; the others are unweighted. ``elbo`` holds all
constants of the likelihood; ``bits_per_dim`` = −elbo / (C·H·W·log 2) is given for discrete data alone.
"""

import math
from collections import defaultdict

import torch

from vae_lab.types import Scores, Step, Trained


class LossTerms:
    """One pass over the test images with one latent sample each (L where the objective has more)."""

    def __call__(self, trained: Trained) -> Scores:
        """The terms as batch-size-weighted means."""
        sums: dict[str, float] = defaultdict(float)
        forever = torch.tensor(float("inf"), device=trained.device)
        noise = trained.noise("loss_terms")
        for batch in trained.data.batches("test"):
            terms = trained.objective(trained.model, batch, Step(torch.zeros_like(forever), forever, noise))
            for name, value in {"loss": terms.loss, **terms.logs}.items():
                sums[name] += float(value) * len(batch.x)
        images = len(trained.data.test)
        values = {name: total / images for name, total in sums.items()}
        likelihood = trained.model.likelihood
        if likelihood.discrete and "elbo" in values:
            values["bits_per_dim"] = -values["elbo"] / math.prod(trained.data.x_shape) / math.log(2)
        protocol = {
            "images": images,
            "split": "test",
            "latent_samples": trained.objective.samples,
            "unit": "nats per image",
            "likelihood": type(likelihood).__name__,
            "recon_leaves_out": likelihood.recon_offset(math.prod(trained.data.x_shape)),
        }
        return Scores(values, {"loss_terms": protocol})
