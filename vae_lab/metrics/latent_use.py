"""How much of the latent space is used: the KL of each dimension and the number of active units.

KL_j = E_x KL[q(z_j|x) ‖ p(z_j)] in nats, if it has a closed form. When a unit is active is defined in
:mod:`vae_lab.metrics.common.active_units`.
"""

import torch
from pydantic import PositiveFloat

from vae_lab.inference import code_sizes
from vae_lab.metrics.common.active_units import ACTIVE, active_units, criterion
from vae_lab.scores import Scores, Trained


class LatentUse:
    """Active units and KL per dimension, over the test examples.

    Args:
        threshold: variance of the posterior's mean above which a unit is active; below the top of a hierarchy, its KL.
        collapsed_kl: nats per example; a run with a smaller KL is reported as collapsed.
    """

    topic = "Latent space"

    def __init__(self, threshold: PositiveFloat = ACTIVE, collapsed_kl: PositiveFloat = 0.1) -> None:
        self.threshold = threshold
        self.collapsed_kl = collapsed_kl

    def __call__(self, trained: Trained) -> Scores:
        """Return ``active_units``, and for each dimension the KL and the variance of the posterior's mean."""
        q, _ = trained.codes()
        if len(q.mu) < 2:
            return Scores({}, notes=["No active_units: a variance needs at least two test examples."])
        if code_sizes(trained.model):
            return Scores({}, notes=["No active_units: the codes of this model are discrete."])
        arrays, notes = {"mean_variance_per_dim": q.mu.var(0).tolist()}, []
        active, meaning = active_units(trained, 0, self.threshold), f"active dimensions: {criterion(0, self.threshold)}"
        protocol: dict[str, object] = {"images": len(q.mu), "split": "test", "threshold": self.threshold}
        if trained.objective.variational:
            kl = trained.kl().mean(0)
            levels = len(trained.model.latent_shapes)
            if levels > 1:
                below = [active_units(trained, level, self.threshold) for level in range(1, levels)]
                active, meaning = (
                    torch.cat([active, *below]),
                    f"{meaning}; below the top, {criterion(1, self.threshold)}",
                )
                arrays["kl_per_level"] = [float(trained.kl(level=i).mean(0).sum()) for i in range(levels)]
                protocol["below_the_top"] = f"active where the mean KL of a dimension is above {self.threshold:g} nats"
            if len(kl) == len(active):
                arrays["kl_per_dim"] = kl.tolist()
                arrays |= {"active_per_dim": active.tolist()} if levels > 1 else {}
            else:
                notes.append("No KL per dimension: this posterior or prior gives only one KL for all dimensions.")
            if not active.any() or kl.sum() < self.collapsed_kl:
                notes.extend(collapse_notes(trained.model.likelihood.fits_sigma))
        values: dict[str, float] = {"active_units": int(active.sum())}
        return Scores(values, {"latent_use": protocol}, arrays, notes, meanings={"active_units": meaning})


def collapse_notes(fits_sigma: bool) -> list[str]:
    """Return what to tell about a collapse; no sentence depends on the run, so that the runs of a sweep share them."""
    notes = [
        "The posterior collapsed (see kl and active_units): the model hardly uses its latents. "
        "Try a lower beta (beta=0.5), a warm-up (beta_schedule=linear) or more epochs."
    ]
    if not fits_sigma:
        notes.append("With likelihood=sigma, which learns how exact a reconstruction must be, it may not collapse.")
    return notes
