"""FactorVAE: the ELBO and the total correlation, told by a discriminator (Kim & Mnih 2018, arXiv 1802.05983).

Phase 'model' (equation 2): loss = k1 · recon + k2 · KL + γ · TC, where TC = KL[q(z) ‖ Π_j q(z_j)] ≈ mean(D_0 − D_1)(z),
the difference of the discriminator's two outputs, whose softmax is the probability of each side.
Phase 'discriminator' (algorithm 2): the cross-entropy of telling codes from permuted ones. Each is of B codes of the
present batch, drawn anew, with every dimension of the second half permuted over the batch by itself. The paper draws a
second batch for these; here, as in disentanglement_lib, they are second draws from the posteriors of the same images.

What is logged as ``loss``, in train, val and test alike, leaves γ · TC out: the discriminator learns from epoch to
epoch, and the best epoch would be that of the worst discriminator. ``tc`` stands beside it.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim import Optimizer

from vae_lab.errors import UserError
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, Latents, LossTerms, Model, Noise, Step


class FactorVAE(nn.Module):
    """The ELBO with a penalty on the total correlation, and the discriminator that measures it.

    Args:
        k1, k2: weights of the reconstruction term and of the KL term.
        gamma: weight of the total correlation.
        latent_dim: D, of the codes that the discriminator sees.
        width, depth: of the discriminator's hidden layers.
        samples: latent samples per image.
        schedule: (mean KL [], epoch []) to what k2 multiplies.
        discriminator_optimizer: parameters to the discriminator's own optimizer.

    The discriminator's weights get no gradient in phase 'model', nor the model's in phase 'discriminator'.
    """

    k1: Tensor
    k2: Tensor
    gamma: Tensor
    phases = {"model": ("model.",), "discriminator": ("objective.",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        gamma: NonNegativeFloat,
        latent_dim: PositiveInt,
        width: PositiveInt,
        depth: PositiveInt,
        samples: PositiveInt,
        schedule: Callable[[Tensor, Tensor], Tensor],
        discriminator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
    ) -> None:
        super().__init__()
        for name, weight in {"k1": k1, "k2": k2, "gamma": gamma}.items():
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)
        self.samples = samples
        self.schedule = schedule
        self.optimizers = {"discriminator": discriminator_optimizer}
        self.latent_dim = latent_dim
        widths = [latent_dim] + [width] * depth
        hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        self.discriminator = nn.Sequential(*hidden, nn.Linear(width, 2))

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss of the phase; logs loss (without γ · TC), recon, kl, elbo and tc, or the accuracy."""
        return self._tell(model, batch, step) if step.phase == "discriminator" else self._train(model, batch, step)

    def _train(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        out = run_model(model, batch, step, self.samples)
        recon, kl = mean_recon(out), mean_kl(out)
        fixed = {name: p.detach() for name, p in self.discriminator.named_parameters()}
        logits = functional_call(self.discriminator, fixed, self._codes(out.latents).flatten(0, 1)).float()
        tc = (logits[:, 0] - logits[:, 1]).mean()
        elbo = self.k1 * recon + self.k2 * self.schedule(kl, step.epoch)
        judged = loss_terms(elbo, elbo_logs(recon, kl, out.offset), out)
        logs = {"loss": judged.loss.detach(), **judged.logs, "tc": tc.detach()}
        return LossTerms(judged.loss + self.gamma * tc, logs)

    def _tell(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        with torch.no_grad():
            codes = self._codes(model.infer(batch.x, batch.y, 2, step.noise))
            both = torch.cat([codes[0], permuted(codes[1], step.noise)])
        logits = self.discriminator(both).float()
        side = torch.arange(2, device=both.device).repeat_interleave(len(codes[0]))
        accuracy = (logits.argmax(1) == side).float().mean()
        return LossTerms(F.cross_entropy(logits, side), {"accuracy": accuracy})

    def _codes(self, latents: Latents) -> Tensor:
        """[K, B, D]."""
        z = latents.z[0]
        if len(latents.z) != 1 or latents.codes is not None or z.shape[2:] != (self.latent_dim,):
            raise UserError("objective=factor_vae needs one level of latent_dim numbers; type objective=elbo")
        return z


def permuted(z: Tensor, noise: Noise) -> Tensor:
    """Each dimension of z [B, D] permuted over the batch by itself: draws from Π_j q(z_j) (algorithm 1)."""
    return z.gather(0, noise.uniform(*z.shape).argsort(0))
