"""The likelihood path: an example's reconstruction error and the norms of its posterior's mean and standard deviation.

Source: Huang et al. 2024, arXiv 2401.04933. A likelihood is one number, in which an unusual mean and
an unusual error can cancel each other. The statistics from which a VAE computes it are kept apart here,

    T(x) = (‖x − x̂‖, ‖μ(x)‖, ‖σ(x)‖),

and joined by how far each lies in the tails of its values on training examples (:mod:`.empirical_tails`). Both tails
count: a μ that is too short is as suspect as one that is too long.
"""

from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.inference import posterior_moments
from vae_lab.metrics.anomaly_scores.empirical_tails import EmpiricalTails, Joined
from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.metrics.common.image_terms import AT_ONCE
from vae_lab.scores import Trained


class LatentPath:
    """COPOD or ECOD of T(x), fitted on training examples, in nats.

    A hierarchy has ‖μ‖ and ‖σ‖ of every level. Of a deterministic model, which has no σ, the other two numbers remain.

    Args:
        joined: how the numbers are joined, 'copod' as in the paper or 'ecod'.
        images: number of training examples that the tails are fitted on, a fixed random choice.
    """

    label = "latent_path, nats"
    needs = ("continuous",)

    def __init__(self, joined: Joined = "copod", images: PositiveInt = 10_000) -> None:
        self.joined, self.images = joined, images
        self.tails: EmpiricalTails | None = None

    @property
    def about(self) -> dict[str, Any]:
        """How the numbers are joined, and what the tails were fitted on."""
        return {"joined": self.joined, "training_images": self.images}

    def fit(self, trained: Trained) -> None:
        """Fit the tails of T on training examples."""
        self.tails = EmpiricalTails(path_of(trained, Judged.of_split(trained, "train", self.images, "latent path")))

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        assert self.tails is not None, "call fit first"
        return self.tails(path_of(trained, judged), self.joined)


def path_of(trained: Trained, judged: Judged) -> Tensor:
    """Return ‖x − x̂‖, and ‖μ‖ and ‖σ‖ of every level: float64 [n, 1 + 2 · levels], or [n, 1 + levels] without σ."""
    rows = []
    with torch.inference_mode():
        for x, y in judged.parts(trained, AT_ONCE, "latent paths"):
            error = (x - trained.reconstruct(x, y)).flatten(1).norm(dim=1)
            moments, _ = posterior_moments(trained.model, x, y, trained.noise)
            means = [q.mu.flatten(1).norm(dim=1) for q in moments]
            deviations = [torch.exp(0.5 * q.log_var).flatten(1).norm(dim=1) for q in moments]
            norms = means if trained.model.deterministic else [*means, *deviations]
            rows.append(torch.stack([error, *norms], 1).double().cpu())
    return torch.cat(rows).nan_to_num(nan=float("inf"))
