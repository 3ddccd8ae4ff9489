"""Loss terms of single examples: ``recon``, ``kl`` and −ELBO in nats. Higher values are more anomalous."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.inference import at_the_means
from vae_lab.scores import Trained
from vae_lab.types import Noise

AT_ONCE = 250  # examples decoded at a time; more of them take longer on a CPU and need more memory


@dataclass
class ImageTerms:
    """The terms of n examples, float64 [n] each. ``kl`` is None if the objective has no KL."""

    recon: Tensor  # −log p(x|z) without the likelihood's constant offset, mean over the samples of z
    kl: Tensor | None
    offset: float  # the constant, in nats, that recon leaves out

    @property
    def anomaly(self) -> Tensor:
        """−ELBO = recon + offset + kl, or recon alone if there is no KL: [n]."""
        return self.recon if self.kl is None else self.recon + self.offset + self.kl

    @property
    def by_name(self) -> dict[str, Tensor]:
        """Every anomaly score, each [n], by its name. The name ``elbo`` stands for −ELBO."""
        return {"recon": self.recon} if self.kl is None else {"elbo": self.anomaly, "recon": self.recon, "kl": self.kl}


def image_terms(
    trained: Trained, images: Iterable[Tensor], purpose: str, samples: int, y: Tensor | None = None
) -> ImageTerms:
    """Compute the loss terms of every example.

    A term overflows if the encoder receives an input far from its training data. It is then replaced by a huge number,
    because anomaly scores are compared by rank.

    Args:
        trained: the model.
        images: examples in batches [b, *x_shape].
        purpose: key of the noise.
        samples: draws of z from q(z|x) per example; an autoencoder uses the posterior's mean instead.
        y: labels or attributes of all examples, in their order; read by conditional models only.
    """
    noise, variational = trained.noise(purpose), trained.objective.variational
    size, start, parts = max(1, AT_ONCE // samples), 0, []
    with torch.inference_mode():
        for x in (x for block in images for x in block.split(size)):
            y_part = None if y is None else y[start : start + len(x)].to(x.device)
            parts.append(_terms(trained, x, y_part, samples, noise, variational))
            start += len(x)
    recon, kl = (torch.cat(part).double().cpu().nan_to_num(nan=_HUGE, posinf=_HUGE) for part in zip(*parts))
    values = math.prod(trained.data.x_shape)
    return ImageTerms(recon, kl if variational else None, trained.model.likelihood.recon_offset(values))


_HUGE = 1e300


def _terms(
    trained: Trained, x: Tensor, y: Tensor | None, samples: int, noise: Noise, variational: bool
) -> tuple[Tensor, Tensor]:
    model = trained.model
    latents = model.infer(x, y, samples, noise) if variational else at_the_means(model, x, y, noise)
    params = latents.params if latents.params is not None else model.decode(latents.z, y)
    recon = -model.likelihood.log_prob(params.float(), x).mean(0) - model.likelihood.recon_offset(x[0].numel())
    kl = torch.stack([part.reshape(*part.shape[:2], -1).sum(2).mean(0) for part in latents.kl]).sum(0)
    return recon, kl
