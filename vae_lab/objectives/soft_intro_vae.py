"""Soft-IntroVAE: an encoder that recognises decoded images by their ELBO (Daniel & Tamar 2021, arXiv 2012.13253).

With x a real image, x̂ a decoded one (a reconstruction, or one drawn from the prior) and D the number of values in an
image, each batch is used in two phases (algorithm 1 of the paper):

- 'model' updates the encoder: k1 · recon(x) + k2 · KL(x) + ½ Σ_x̂ (1/α) exp(−α (k1 · recon(x̂) + β_neg · KL(x̂))),
  with α = 2/D;
- 'decoder' updates the decoder: k1 · recon(x) + k2 · KL(x) + ½ Σ_x̂ (k2 · KL(x̂) + γ · k1 · recon(x̂)).

Sums run over both kinds of x̂, and every term is a mean over the batch, in nats per image. recon(x̂) is the error of
reconstructing x̂ from its own code, with x̂ detached as the target; the decoder's phase detaches the code, too.

The authors' code minimises these losses divided by D. Adam takes the same steps for both, apart from its ε. Without
the 1/D in α the exponentials of sums over hundreds of pixels are 0, and with them the encoder's reason to tell decoded
images from real ones.

Departures from the authors' code: the two phases draw different noise, the code uses the same for both; in the
encoder's phase, the code does not detach the reconstruction of x where it is the target of recon(x̂), so that the
encoder of the code has a gradient through this target, too; KL(x) in the decoder's loss trains a learned prior and is a
constant otherwise.

The logged ``loss`` is k1 · recon + k2 · KL of real images, in training, validation and test. The other terms are those
of a game, in which neither side's loss says how good the model is: the repulsion grows as the decoder improves.
"""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from vae_lab.objectives.introspection import (
    MEANINGS,
    PHASES,
    Returned,
    after,
    refuse_unsuitable,
    returned,
    second_recon,
    weighted_bound,
)  # fmt: skip
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Model, Step


class SoftIntroVAE(nn.Module):
    """The ELBO of real images against the exponential of the ELBO of decoded ones; the module has the equations.

    Args:
        k1: weight of the reconstruction terms, β_rec of the paper.
        k2: weight of the KL terms, β_kl of the paper.
        beta_neg: weight of the KL of decoded images in the exponentials. A larger one lets the encoder stop pushing
            the KL of decoded images up earlier.
        gamma: weight of reconstructing decoded images in the decoder's phase.
        vae_epochs: epochs at the start that train a VAE, without the terms of decoded images. They take as long as
            the others (:mod:`vae_lab.objectives.introspection` says why).
    """

    k1: Tensor
    k2: Tensor
    beta_neg: Tensor
    gamma: Tensor
    vae_epochs: Tensor
    phases = PHASES
    samples = 1
    variational = True
    matches_prior = True
    introspective = True
    ranks_epochs = False
    meanings = MEANINGS | {"repulsion": "½ Σ (1/α) exp(α · weighted ELBO of decoded images), nats per image"}
    loss_leaves_out = "decoded images"

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        beta_neg: NonNegativeFloat,
        gamma: NonNegativeFloat,
        vae_epochs: NonNegativeFloat,
    ) -> None:
        super().__init__()
        numbers = {"k1": k1, "k2": k2, "beta_neg": beta_neg, "gamma": gamma, "vae_epochs": vae_epochs}
        for name, number in numbers.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss of the step's phase on one batch.

        Phase 'model' logs loss, recon, kl and elbo of real images, kl_reconstructions, kl_samples and repulsion.

        Raises:
            UserError: the model or its examples are not suitable.
        """
        out = run_model(model, batch, step, self.samples)
        refuse_unsuitable("soft_intro_vae", model, batch, out.latents)
        recon, kl = mean_recon(out), mean_kl(out)
        bound, trains_decoder = self.k1 * recon + self.k2 * kl, step.phase == "decoder"
        seen = returned(model, batch, step, out, trains_images=trains_decoder)
        again = second_recon(model, seen, trains_codes=not trains_decoder)
        on = after(self.vae_epochs, step)
        if trains_decoder:
            return loss_terms(bound + on * self._attraction(seen, again), {}, out)
        repulsion = self._repulsion(seen, again)
        logs = {"loss": weighted_bound(out, recon, self.k1, self.k2), **elbo_logs(recon, kl, out.offset)}
        return loss_terms(bound + on * repulsion, {**logs, **seen.logs(), "repulsion": repulsion}, out)

    def _repulsion(self, seen: Returned, again: Tensor) -> Tensor:
        """½ Σ (1/α) exp(−α (k1 · recon + β_neg · KL)) of decoded images, with their second ``recon`` [2 B]: []."""
        alpha = 2 / seen.images[0].numel()
        return torch.exp(-alpha * (self.k1 * again + self.beta_neg * seen.kl)).mean() / alpha

    def _attraction(self, seen: Returned, again: Tensor) -> Tensor:
        """½ Σ (k2 · KL + γ · k1 · recon) of decoded images: []."""
        return (self.k2 * seen.kl + self.gamma * self.k1 * again).mean()
