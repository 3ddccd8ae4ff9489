"""Access to q(z|x) for objectives that need its parameters or its density, with an error where they are missing."""

from dataclasses import replace

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.objectives.terms import Pass
from vae_lab.types import Latents, Model, Normal


def one_gaussian(model: Model, latents: Latents, name: str) -> tuple[Tensor, Normal]:
    """The samples z [K, B, D] of the only level and its Gaussian posterior, with moments [B, D].

    Args:
        model: its prior must be N(0, I).
        latents: the latents that the model inferred.
        name: the objective's name as the user typed it, for the error.

    Raises:
        UserError: there are several levels, discrete codes, a posterior without a density at an arbitrary z (flows), or
            another prior.
    """
    z, q = latents.z[0], latents.q[0]
    several = len(latents.z) != 1 or latents.codes is not None
    if several or q is None or not model.standard_prior:
        needed = "one level of latents" if several else "posterior=diagonal" if q is None else "prior=standard"
        raise UserError(f"objective={name} needs {needed}; type {'objective=elbo' if several else needed}")
    return z.flatten(2), Normal(q.mu[0].flatten(1), q.log_var[0].flatten(1))


def with_sampled_kl(out: Pass) -> Pass:
    """The same pass, with its KL replaced by the estimate log q(z|x) − log p(z) over all levels, [K, B, 1] nats.

    Args:
        out: a pass with the densities of the latents (``densities=True``).

    Raises:
        UserError: the model has no densities.
    """
    latents = out.latents
    if latents.log_q is None or latents.log_p is None:
        raise UserError("objective.estimator=A needs the densities of the latents, which this model does not have; "
                        "type objective.estimator=B")  # fmt: skip
    sampled = (latents.log_q - latents.log_p).unsqueeze(-1)
    return replace(out, latents=replace(latents, kl=(sampled,)))
