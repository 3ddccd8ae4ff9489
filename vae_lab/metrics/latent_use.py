"""How much of the latent space is used: KL per dimension and active units.

KL_j = E_x KL[q(z_j|x) ‖ p(z_j)] in nats, where it has a closed form. A unit is active when Var_x(E_q[z_j]) > 0.01
(Burda et al. 2016, arXiv 1509.00519, section 5.2).
"""

from pydantic import PositiveFloat

from vae_lab.types import Scores, Trained


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
            return Scores({}, notes=["No active units: one test image has no variance."])
        spread = q.mu.var(0)
        active = int((spread > self.threshold).sum())
        arrays = {"mean_variance_per_dim": spread.tolist()}
        notes = []
        if trained.objective.variational:
            kl = trained.kl().mean(0)
            if len(kl) == len(spread):
                arrays["kl_per_dim"] = kl.tolist()
            else:
                notes.append("No KL per dimension: this posterior or prior has one KL for all dimensions together.")
            if active == 0 or kl.sum() < self.collapsed_kl:
                notes.append(_COLLAPSED.format(kl.sum(), active, len(spread)))
        protocol = {"images": len(q.mu), "split": "test", "threshold": self.threshold}
        meanings = {"active_units": "latent dimensions in use"}
        return Scores({"active_units": active}, {"latent_use": protocol}, arrays, notes, meanings=meanings)


_COLLAPSED = (
    "The posterior collapsed: KL {:.3f} nats, {} of {} units active; the model ignores its latents. Try a lower beta "
    "(beta=0.5), a warm-up (beta_schedule=linear), a smaller latent_dim, more epochs, or likelihood=sigma, which "
    "learns how exact a reconstruction must be."
)
