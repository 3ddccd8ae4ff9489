"""How much of the latent space is used: KL per dimension and active units.

KL_j = E_x KL[q(z_j|x) ‖ p(z_j)] in nats, where it has a closed form. A unit is active when Var_x(E_q[z_j]) > 0.01
(Burda et al. 2016, arXiv 1509.00519, section 5.2); in a hierarchy that is so at the top, and a unit of a level below is
active when its KL_j > 0.01.
"""

from typing import Any

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.scores import Scores, Trained


class LatentUse:
    """Over the test images.

    Args:
        threshold: variance of the posterior's mean above which a unit counts as active.
        collapsed_kl: nats per image under which the run is called collapsed.
    """

    def __init__(self, threshold: PositiveFloat = 0.01, collapsed_kl: PositiveFloat = 0.1) -> None:
        self.threshold = threshold
        self.collapsed_kl = collapsed_kl

    def __call__(self, trained: Trained) -> Scores:
        """``active_units``, and per dimension the KL and the variance of the mean."""
        q, _ = trained.codes()
        if len(q.mu) < 2:
            return Scores({}, notes=["No active_units: one test example has no variance."])
        if trained.model.deterministic:
            return Scores({}, notes=["No active_units: the codes of this model are discrete."])
        spread = q.mu.var(0)
        arrays, notes, active = {"mean_variance_per_dim": spread.tolist()}, [], spread > self.threshold
        protocol: dict[str, Any] = {"images": len(q.mu), "split": "test", "threshold": self.threshold}
        if trained.objective.variational:
            kl = trained.kl().mean(0)
            levels = len(trained.model.latent_shapes)
            if levels > 1:
                active = torch.cat([active, *(self._active_below(trained, level) for level in range(1, levels))])
                arrays["kl_per_level"] = [float(trained.kl(level=i).mean(0).sum()) for i in range(levels)]
                protocol["below_the_top"] = f"active where the mean KL of a dimension is above {self.threshold} nats"
            if len(kl) == len(active):
                arrays["kl_per_dim"] = kl.tolist()
                arrays |= {"active_per_dim": active.tolist()} if levels > 1 else {}
            else:
                notes.append("No KL per dimension: this posterior or prior has one KL for all dimensions together.")
            if not active.any() or kl.sum() < self.collapsed_kl:
                notes.append(_COLLAPSED.format(kl.sum(), int(active.sum()), len(active)))
        values: dict[str, float] = {"active_units": int(active.sum())}
        meanings = {"active_units": "latent dimensions in use"}
        return Scores(values, {"latent_use": protocol}, arrays, notes, meanings=meanings)

    def _active_below(self, trained: Trained, level: int) -> Tensor:
        """Which dimensions of a level below the top are in use, [D].

        Its means inherit the randomness of the level above, so that their variance says nothing.
        """
        kl, width = trained.kl(level=level).mean(0), trained.codes(level=level)[0].mu.shape[1]
        return kl > self.threshold if len(kl) == width else torch.full((width,), bool(kl.sum() > self.threshold))


_COLLAPSED = (
    "The posterior collapsed: KL {:.3f} nats, {} of {} units active; the model ignores its latents. Try a lower beta "
    "(beta=0.5), a warm-up (beta_schedule=linear), a smaller latent_dim, more epochs, or likelihood=sigma, which "
    "learns how exact a reconstruction must be."
)
