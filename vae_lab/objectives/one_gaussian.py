"""What the objectives need that look into q(z|x): one level of latents, Gaussian, against N(0, I)."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.objectives.terms import Pass
from vae_lab.types import Latents, Normal


def one_gaussian(model: Any, latents: Latents, name: str) -> tuple[Tensor, Normal]:
    """The samples z [K, B, D] and the posterior of the only level.

    Args:
        model: its ``prior`` says whether it is N(0, I).
        latents: as inferred.
        name: of the objective, as typed.

    Raises:
        UserError: there are several levels, codes, a posterior without density (flows), or another prior.
    """
    z, q = latents.z[0], latents.q[0]
    several = len(latents.z) != 1 or latents.codes is not None
    if several or q is None or not getattr(model.prior, "standard", False):
        what = "one level of latents" if several else "posterior=diagonal" if q is None else "prior=standard"
        raise UserError(f"objective={name} needs {what}; type {'objective=elbo' if several else what}")
    return z, q


def with_sampled_kl(out: Pass) -> Pass:
    """The same with log q(z|x) − log p(z) [K, B, 1], over all levels, as its only KL; densities were asked for."""
    assert out.latents.log_q is not None
    assert out.latents.log_p is not None
    sampled = (out.latents.log_q - out.latents.log_p).unsqueeze(-1)
    return replace(out, latents=replace(out.latents, kl=(sampled,)))
