"""Small posterior flows for tests, with their initial weights or with random weights."""

from functools import partial

import torch
from helpers import gen

from vae_lab.posteriors.iaf import IAF
from vae_lab.posteriors.planar import Planar
from vae_lab.posteriors.real_nvp import RealNVP

FLOWS = {
    "iaf": partial(IAF, blocks=3, width=12),
    "planar": partial(Planar, blocks=3),
    "real_nvp": partial(RealNVP, blocks=3, width=12),
}


def fresh(name, latent_dim=3, features=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FLOWS[name](features, latent_dim)


def bent(name, latent_dim=3, features=4, scale=0.7, seed=0):
    """A flow with random weights, so that none of its steps is the identity."""
    flow, draws = fresh(name, latent_dim, features), gen(seed)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=draws))
        for parameter in flow.base.parameters():  # with a wide Gaussian, the steps after it would saturate
            parameter.mul_(0.3)
    return flow
