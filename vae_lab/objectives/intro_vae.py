"""IntroVAE: an encoder that recognises decoded images by their KL (Huang et al. 2018, arXiv 1807.06358).

With x a real image and x̂ a decoded one (a reconstruction, or one drawn from the prior), each batch is used in two
phases (equations 11 and 12 and algorithm 1 of the paper):

- 'model' updates the encoder: k1 · recon(x) + k2 · (KL(x) + (α/2) Σ_x̂ max(0, m − KL(x̂)));
- 'decoder' updates the decoder: k1 · recon(x) + k2 · (KL(x) + (α/2) Σ_x̂ KL(x̂)).

Sums run over both kinds of x̂, and every term is a mean over the batch, in nats per image. m is the margin: an image
with a larger KL is not pushed away any further.

Departures: the paper has no ½, and its code ½ in both phases but α in the encoder's alone; the margin is that of each
image as in equation 7, in the code that of the batch's mean. The code computes the decoder's gradient from activations
of the encoder before its update; here, the decoder's phase runs the updated encoder. KL(x) in the decoder's loss trains
a learned prior and is a constant otherwise.

The logged ``loss`` is k1 · recon + k2 · KL of real images, in training, validation and test, since neither side's loss
in a game says how good the model is.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from vae_lab.objectives.introspection import MEANINGS, PHASES, after, refuse_unsuitable, returned, weighted_bound
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Model, Step


class IntroVAE(nn.Module):
    """The ELBO with a hinge on the KL of decoded images; the equations are in the module's docstring.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the KL terms.
        margin: m, nats. Two to three times the KL of a trained VAE is a start.
        alpha: α, weight of the KL of decoded images.
        vae_epochs: epochs at the start that train a VAE, without the terms of decoded images. They take as long as
            the others (:mod:`vae_lab.objectives.introspection` says why).
    """

    k1: Tensor
    k2: Tensor
    margin: Tensor
    alpha: Tensor
    vae_epochs: Tensor
    phases = PHASES
    samples = 1
    variational = True
    matches_prior = True
    introspective = True
    ranks_epochs = False
    meanings = MEANINGS | {"repulsion": "½ Σ max(0, m − KL) of decoded images, nats per image"}
    loss_leaves_out = "decoded images"

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        margin: PositiveFloat,
        alpha: NonNegativeFloat,
        vae_epochs: NonNegativeFloat,
    ) -> None:
        super().__init__()
        numbers = {"k1": k1, "k2": k2, "margin": margin, "alpha": alpha, "vae_epochs": vae_epochs}
        for name, number in numbers.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss of the step's phase on one batch.

        Phase 'model' logs loss, recon, kl and elbo of real images, kl_reconstructions, kl_samples and repulsion.

        Raises:
            UserError: the model or its examples are not suitable.
        """
        out = run_model(model, batch, step, self.samples)
        refuse_unsuitable("intro_vae", model, batch, out.latents)
        recon, kl = mean_recon(out), mean_kl(out)
        bound, trains_decoder = self.k1 * recon + self.k2 * kl, step.phase == "decoder"
        seen = returned(model, batch, step, out, trains_images=trains_decoder)
        weight = after(self.vae_epochs, step) * self.k2 * self.alpha
        if trains_decoder:
            return loss_terms(bound + weight * seen.kl.mean(), {}, out)
        repulsion = (self.margin - seen.kl).clamp(min=0).mean()
        logs = {"loss": weighted_bound(out, recon, self.k1, self.k2), **elbo_logs(recon, kl, out.offset)}
        return loss_terms(bound + weight * repulsion, {**logs, **seen.logs(), "repulsion": repulsion}, out)
