"""Regularised autoencoders: a smooth decoder in place of noise (Ghosh et al. 2020, arXiv 1903.12436, equation 7).

loss = recon + β · ½‖z‖² + λ · L_reg at z = μ(x), per image and summed over pixels and latent dimensions. L_reg is

- 'l2' (RAE-L2): ‖θ‖², the squares of all weights of the decoder (biases are left free, as in the authors' code);
- 'gradient' (RAE-GP): ‖∂x̂/∂z‖², the squared Frobenius norm of the Jacobian of the decoded mean image x̂(z). It is
  estimated by ‖(∂x̂/∂z) v‖² with one v ~ N(0, I) per image, which is right on average, by forward-mode
  differentiation. The authors' code takes the mean square of the D numbers ∂‖x̂‖²/∂z instead.

Their code averages recon over the pixels and z² over its dimensions: β here is their weight · 2 · pixels / D, and λ of
'l2' their weight · pixels. There is no KL and no bound on the likelihood; samples are decoded from what is fitted to
the codes after training (``sampler=``).
"""

import warnings
from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.objectives.terms import loss_terms, mean_recon, run_model, sum_tensors
from vae_lab.types import Batch, LossTerms, Model, Step

Codes = tuple[Tensor, ...]


class RAE(nn.Module):
    """Reconstruction from the posterior's mean, small codes, a smooth decoder; log σ² of the posterior is untrained.

    Args:
        code_weight: β of the paper.
        decoder_weight: λ of the paper.
        penalty: L_reg, see above.
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
        """The loss on one batch; logs recon, half_z2 (½‖z‖²) and the penalty."""
        out = run_model(model, batch, step, k=1, deterministic=True)
        recon, z = mean_recon(out), out.latents.z
        half_z2 = 0.5 * sum_tensors(part.square().sum() / len(batch.x) for part in z)
        penalty = squared_weights(model) if self.penalty == "l2" else squared_jacobian(model, z, batch.y, step)
        loss = recon + self.code_weight * half_z2 + self.decoder_weight * penalty
        logs = {"recon": recon, "half_z2": half_z2, f"penalty_{self.penalty}": penalty}
        return loss_terms(loss, logs, out)


def squared_weights(model: Model) -> Tensor:
    """The sum of the squares of a decoder's weights: [].

    Raises:
        UserError: the model has no part that is called decoder.
    """
    decoder = getattr(model, "decoder", None)
    if not isinstance(decoder, nn.Module):
        raise UserError("objective=rae_l2 needs a model with one decoder; type model=cnn or objective=rae_gp")
    return sum_tensors(p.square().sum() for p in decoder.parameters() if p.ndim > 1)


def squared_jacobian(model: Model, z: Codes, y: Tensor | None, step: Step) -> Tensor:
    """An estimate of ‖∂x̂/∂z‖² from one direction per image, averaged over the images: []."""

    def x_hat(z: Codes) -> Tensor:
        return model.likelihood.mean(model.decode(z, y).float())

    directions = tuple(step.noise.normal(*part.shape) for part in z)
    with warnings.catch_warnings():  # torch deprecates what its own forward mode is made with
        warnings.simplefilter("ignore", FutureWarning)
        change = torch.func.jvp(x_hat, (z,), (directions,))[1]  # [1, B, C, H, W]
    return change.flatten(2).square().sum(2).mean()
