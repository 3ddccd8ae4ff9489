"""Access to q(z|x) for objectives that need its parameters or its density, with an error where they are missing."""

import inspect
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
        UserError: there are several levels, discrete or deterministic codes, a posterior without a density at an
            arbitrary z (flows), or another prior.
    """
    q, gaussian = latents.q[0], f"objective={name} needs Gaussian posteriors"
    if len(latents.z) != 1:
        raise UserError(f"objective={name} needs one level of latents, and this model has {len(latents.z)}; {_ELBO}")
    if latents.codes is not None:
        raise UserError(f"{gaussian}, and the codes of this model are discrete; {_ELBO}")
    if q is None and model.deterministic:
        raise UserError(
            f"{gaussian}, and the codes of this model are deterministic, so that q(z|x) has no density; "
            f"{_ELBO}, or model=cnn"
        )
    if q is None:
        raise UserError(f"objective={name} needs {_chosen(model, 'posterior', 'diagonal', 'Gaussian posteriors')}")
    if not model.standard_prior:
        raise UserError(f"objective={name} needs {_chosen(model, 'prior', 'standard', 'the prior N(0, I)')}")
    return latents.z[0].flatten(2), Normal(q.mu[0].flatten(1), q.log_var[0].flatten(1))


_ELBO = "type objective=elbo"


def _chosen(model: Model, group: str, option: str, meaning: str) -> str:
    """The option to type, if the model reads the group; otherwise what the model lacks."""
    if group in inspect.signature(type(model)).parameters:
        return f"{group}={option}; type {group}={option}"
    return f"{meaning}, which this model does not have; {_ELBO}, or model=cnn"


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
