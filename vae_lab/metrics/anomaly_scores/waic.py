"""WAIC: the mean log-likelihood of an example under several models, less its variance (arXiv 1810.01392)."""

import torch
from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.metrics.anomaly_scores.of_draws import OfDraws
from vae_lab.scores import Trained


class WAIC(OfDraws):
    """−(E_θ log p_θ(x) − Var_θ log p_θ(x)) over models θ that differ in their seed (Choi et al. 2018).

    The models agree about examples like those they were trained on, and less about others. log p(x) is replaced by the
    ELBO; the variance is the unbiased one. The first term is in nats and the second in nats², as in the paper.
    """

    label = "WAIC, nats"
    needs = ("posterior", "ensemble")

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n]."""
        losses = torch.stack([judged.terms(member, self.samples).anomaly for member in trained.ensemble])
        return losses.mean(0) + losses.var(0)
