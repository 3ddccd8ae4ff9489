"""Which latent dimensions are active; the criterion depends on the level.

At the top, and in a model of one level, a unit is active if Var_x(E_q[z_j]) is above a threshold, 0.01 (Burda et al.
2016, arXiv 1509.00519, section 5.2). The means of the levels below inherit the randomness of the level above, so that
their variance does not indicate use; there, a unit is active if its mean KL is above the threshold, in nats. The two
criteria may contradict each other: a dimension whose mean varies little over the data is active with hardly any KL.
"""

import math

import torch
from torch import Tensor

from vae_lab.scores import Trained

ACTIVE = 0.01  # variance of the mean at the top, and nats of KL below it


def active_units(trained: Trained, level: int, threshold: float = ACTIVE) -> Tensor:
    """Whether each latent dimension of a level is active over the test examples: bool [D].

    Where only the sum of a level's KL is known, all of its dimensions below the top are active if the sum is above the
    threshold.

    Args:
        trained: the model and the data.
        level: the level, counted from 0 at the top.
        threshold: of the variance at the top, and of the KL in nats below it.
    """
    if level == 0:
        mu = trained.codes()[0].mu
        return mu.var(0) > threshold if len(mu) > 1 else torch.zeros(mu.shape[1], dtype=torch.bool)
    kl, width = trained.kl(level=level).mean(0), math.prod(trained.model.latent_shapes[level])
    return kl > threshold if len(kl) == width else torch.full((width,), bool(kl.sum() > threshold))


def criterion(level: int, threshold: float = ACTIVE) -> str:
    """When a dimension of this level is active, in a few words.

    >>> criterion(0), criterion(1)
    ('variance of the mean above 0.01', 'KL above 0.01 nats')
    """
    return f"KL above {threshold:g} nats" if level else f"variance of the mean above {threshold:g}"
