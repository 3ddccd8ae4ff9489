"""What introspective objectives share: the decoder's images are passed through the encoder a second time.

An introspective VAE has no discriminator. Its encoder gives real images a small KL and decoded images a large one,
and its decoder tries to make images whose KL is small. Each batch is therefore used in two phases: 'model' updates
the encoder and the posterior, and 'decoder' the decoder, the prior and the likelihood. In the phase of the decoder,
gradients pass through the encoder without changing it, because the training step updates the parameters of one phase
only (:class:`vae_lab.training.engine.Engine`).

The encoder receives the mean of p(x|z) and no draw: an image of drawn black and white pixels has no gradient.

The first ``vae_epochs`` epochs train a VAE, but take as long as the others: decoded images pass through both networks,
and their terms are multiplied by 0. Nothing is skipped, because the jobs of a stack may differ in ``vae_epochs`` and a
compiled step cannot branch on the value of a tensor. The encoder's second pass is needed in any case, for the logged
kl_reconstructions and kl_samples.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.objectives.terms import Pass, mean_kl, scored_log_prob
from vae_lab.types import GENERATION, INFERENCE, Batch, Latents, Model, Step

PHASES = {"model": (INFERENCE,), "decoder": (GENERATION,)}
MEANINGS = {
    "kl": "KL[q(z|x) ‖ p(z)] of real images, nats per image",
    "kl_reconstructions": "KL[q(z|x̂) ‖ p(z)] of reconstructed images, nats per image",
    "kl_samples": "KL[q(z|x̂) ‖ p(z)] of images drawn from the prior, nats per image",
}


@dataclass
class Returned:
    """Decoded images and what the encoder infers from them: reconstructions first, then images drawn from the prior."""

    images: Tensor  # [2 B, *x_shape], means of p(x|z)
    y: Tensor | None  # their labels or attributes, those of the batch twice
    latents: Latents

    @property
    def kl(self) -> Tensor:
        """The KL of each image, [2 B] nats."""
        return self.latents.kl[0].mean(0).flatten(1).sum(1)

    def logs(self) -> dict[str, Tensor]:
        """The mean KL of the reconstructions and that of the images drawn, each []."""
        reconstructions, samples = self.kl.detach().chunk(2)
        return {"kl_reconstructions": reconstructions.mean(), "kl_samples": samples.mean()}


def returned(model: Model, batch: Batch, step: Step, out: Pass, trains_images: bool) -> Returned:
    """Pass the reconstructions of a batch, and as many images drawn from the prior, through the encoder.

    Args:
        model: decodes and infers.
        batch: B real examples.
        step: provides the noise.
        out: the pass of the real examples.
        trains_images: whether the images keep their gradient, which the decoder's phase needs.
    """
    prior = model.prior_sample(len(batch.x), batch.y, step.noise)
    drawn = model.decode(tuple(z.detach() for z in prior), batch.y).float()
    images = model.likelihood.mean(torch.cat([out.params, drawn], 1))[0]
    images = images if trains_images else images.detach()
    y = None if batch.y is None else torch.cat([batch.y, batch.y])
    return Returned(images, y, model.infer(images, y, 1, step.noise))


def second_recon(model: Model, seen: Returned, trains_codes: bool) -> Tensor:
    """−log p(x̂|z̃) less the likelihood's offset at the codes z̃ of decoded images x̂: [2 B] nats.

    The targets x̂ are detached. A likelihood that learns σ scores them with the running σ of real images, so that
    decoded images neither fit it nor change it.

    Args:
        model: decodes.
        seen: the images, with their codes.
        trains_codes: whether the codes keep their gradient, which the encoder's phase needs.
    """
    z = tuple(part if trains_codes else part.detach() for part in seen.latents.z)
    params = model.decode(z, seen.y).float()
    offset = model.likelihood.recon_offset(seen.images[0].numel())
    return -offset - scored_log_prob(model.likelihood, params, seen.images.detach())[0]


def weighted_bound(out: Pass, recon: Tensor, k1: Tensor, k2: Tensor) -> Tensor:
    """k1 · recon + k2 · KL of the real examples, as it is reported: []; with the running σ where one is learned."""
    if out.scored is not None:
        recon = recon + (out.log_px - out.scored).mean()
    return (k1 * recon + k2 * mean_kl(out)).detach()


def refuse_unsuitable(name: str, model: Model, batch: Batch, latents: Latents) -> None:
    """Refuse models whose decoded examples have no second pass with a gradient or no KL of each example.

    Args:
        name: the option of ``objective=``.
        model: the model.
        batch: real examples.
        latents: those that the model infers from them.

    Raises:
        UserError: says in one line what the objective needs.
    """
    needs = {
        "examples that are images, since decoded tokens have no gradient": not batch.x.is_floating_point(),
        "real codes, and those of this model are discrete": latents.codes is not None,
        "a posterior that is a distribution, and q(z|x) of this model is a single point": model.deterministic,
        "a model with one level of latents": len(latents.z) != 1,
    }
    for need, lacking in needs.items():
        if lacking:
            raise UserError(f"objective={name} needs {need}; type objective=elbo")


def after(epochs: Tensor, step: Step) -> Tensor:
    """1 once this many epochs of training as a VAE have passed, 0 before: []."""
    return cast(Tensor, step.epoch >= epochs).float()
