"""Regularised autoencoders (RAE): a smooth decoder instead of noisy codes (Ghosh et al. 2020, arXiv 1903.12436).

Loss (equation 7): recon + β · ½‖z‖² + λ · L_reg at z = μ(x), per example and summed over pixels and latent dimensions.
The penalty L_reg is one of:

- 'l2' (RAE-L2): ‖θ‖², the sum of the squares of all weights of the decoder. θ are the weights that the decoder computes
  with (:mod:`vae_lab.nets.effective`): with weight normalisation, θ = g · v/‖v‖ and not the stored g and v. Biases are
  not penalised, as in the authors' code.
- 'gradient' (RAE-GP): ‖∂x̂/∂z‖², the squared Frobenius norm of the Jacobian of the decoded mean x̂(z). Its unbiased
  estimate ‖(∂x̂/∂z) v‖², with one v ~ N(0, I) per example, is computed by forward-mode differentiation. Departure: the
  authors' code uses the mean square of the D numbers ∂‖x̂‖²/∂z.

Their code averages recon over the pixels and z² over its dimensions. Therefore β here is their weight · 2 · pixels / D,
and λ of 'l2' is their weight · pixels.

The loss has no KL and is no bound on the likelihood. New samples are decoded from a distribution that is fitted to the
codes after training (``sampler=``).
"""

import warnings
from typing import Literal, cast

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vae_lab.errors import UserError
from vae_lab.nets.effective import effective_parameters
from vae_lab.objectives.terms import loss_terms, mean_recon, run_model, sum_tensors
from vae_lab.types import Batch, LossTerms, Model, Step

Codes = tuple[Tensor, ...]


class RAE(nn.Module):
    """Reconstruction from the posterior's mean, with penalties on large codes and on a decoder that is not smooth.

    log σ² of the posterior is not trained. The equations are in the module's docstring.

    Args:
        code_weight: β of the paper.
        decoder_weight: λ of the paper.
        penalty: L_reg, 'l2' or 'gradient'.
    """

    code_weight: Tensor
    decoder_weight: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    samples = 1
    variational = False
    matches_prior = False

    def __init__(
        self, code_weight: NonNegativeFloat, decoder_weight: NonNegativeFloat, penalty: Literal["l2", "gradient"]
    ) -> None:
        super().__init__()
        self.register_buffer("code_weight", torch.tensor(float(code_weight)), persistent=False)
        self.register_buffer("decoder_weight", torch.tensor(float(decoder_weight)), persistent=False)
        self.penalty = penalty

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, half_z2 (½‖z‖²) and penalty_l2 or penalty_gradient.

        Raises:
            UserError: the penalty is that of gradients, and the examples are tokens.
        """
        if self.penalty == "gradient" and not batch.target.is_floating_point():
            raise UserError("objective=rae_gp: the mean of p(x|z) of tokens has no gradient; type objective=rae_l2")
        out = run_model(model, batch, step, k=1, deterministic=True)
        recon, z = mean_recon(out), out.latents.z
        half_z2 = 0.5 * sum_tensors(part.square().sum() / len(batch.x) for part in z)
        penalty = squared_weights(model) if self.penalty == "l2" else squared_jacobian(model, z, batch.y, step)
        loss = recon + self.code_weight * half_z2 + self.decoder_weight * penalty
        logs = {"recon": recon, "half_z2": half_z2, f"penalty_{self.penalty}": penalty}
        return loss_terms(loss, logs, out, 1.0)


def squared_weights(model: Model) -> Tensor:
    """The sum of the squares of the weights of the networks that decode, without their biases: [].

    These are the parameters that the model declares in ``generation``, without those of its prior and its likelihood.
    A weight that is computed from stored tensors counts as it is computed.
    """
    decoding = tuple(prefix for prefix in model.generation if prefix not in ("prior.", "likelihood."))
    named = effective_parameters(cast(nn.Module, model))
    return sum_tensors(p.square().sum() for name, p in named if name.startswith(decoding) and p.ndim > 1)


def squared_jacobian(model: Model, z: Codes, y: Tensor | None, step: Step) -> Tensor:
    """An unbiased estimate of ‖∂x̂/∂z‖² from one random direction per example, averaged over the examples: [].

    Args:
        model: decodes.
        z: codes of each level, [1, B, ...].
        y: labels or attributes of the examples, for a conditional model.
        step: provides the noise for the directions.
    """

    def x_hat(z: Codes) -> Tensor:
        return model.likelihood.mean(model.decode(z, y).float())

    directions = tuple(step.noise.normal(*part.shape) for part in z)
    with warnings.catch_warnings(), parametrize.cached():  # torch's forward mode uses a function that torch deprecates
        warnings.simplefilter("ignore", FutureWarning)
        _compute_parametrized(cast(nn.Module, model))
        change = torch.func.jvp(x_hat, (z,), (directions,))[1]  # [1, B, C, H, W]
    return change.flatten(2).square().sum(2).mean()


def _compute_parametrized(model: nn.Module) -> None:
    """Compute weights such as those of weight normalisation, which torch's forward mode cannot pass through."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            for name in cast(nn.ModuleDict, module.parametrizations):
                getattr(module, name)
