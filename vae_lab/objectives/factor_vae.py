"""FactorVAE: the ELBO and the total correlation, which a discriminator estimates (Kim & Mnih 2018, arXiv 1802.05983).

Each batch is used in two phases:

- 'model' (equation 2) trains the model: loss = k1 · recon + k2 · KL + γ · TC, in nats per example, where
  TC = KL[q(z) ‖ Π_j q(z_j)] ≈ mean(D_0(z) − D_1(z)). D_0 and D_1 are the two logits of the discriminator, whose softmax
  gives the probabilities that z is from q(z) and from Π_j q(z_j).
- 'discriminator' (algorithm 2) trains the discriminator: the loss is its cross-entropy at distinguishing B codes of the
  batch from B permuted ones, of which each dimension is permuted over the batch independently.

The estimate is the discriminator's own opinion, and a discriminator that has not learnt yet sees little: in runs of a
few epochs, ``tc`` and its gradient are a fraction of the true TC (a quarter in one measurement). γ · TC then acts as a
smaller γ would. Look at ``discriminator_loss``, which is log 2 = 0.693 where nothing has been learnt, and take more
steps (``discriminator_steps``), a larger learning rate or a smaller discriminator for short runs. The paper trains for
300,000 steps.

Departure: the paper encodes a second batch for the permuted codes. Here they are second draws from the posteriors of
the same examples; disentanglement_lib permutes the very draws that stand for q(z).

The logged ``loss`` excludes γ · TC, in training, validation and test. The discriminator improves from epoch to epoch;
with the TC included, the best epoch would be the one with the worst discriminator. ``tc`` is logged separately.
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
    """The ELBO with a penalty on the total correlation, and the discriminator that estimates it.

    The discriminator's weights get no gradient in phase 'model', and the model's weights get none in phase
    'discriminator'. The equations are in the module's docstring.

    Args:
        k1, k2: weights of the reconstruction term and of the KL term.
        gamma: weight of the total correlation.
        latent_dim: D, the size of the codes.
        width, depth: size and number of the discriminator's hidden layers.
        samples: latent samples per example.
        schedule: maps (mean KL [], epoch []) to the tensor [] that k2 multiplies; see :mod:`vae_lab.schedules`.
        discriminator_optimizer: makes the discriminator's optimizer from its parameters.
        discriminator_steps: optimizer steps of the discriminator for each step of the model. They use the same batch,
            with codes and permutations that are drawn anew; the paper takes 1.
    """

    k1: Tensor
    k2: Tensor
    gamma: Tensor
    phases = {"model": ("model.",), "discriminator": ("objective.",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True
    meanings = {"tc": "KL[q(z) ‖ Π q(z_j)] as the discriminator sees it, too low until it has learnt, nats"}  # noqa: RUF012
    loss_leaves_out = "γ · tc"  # what the logged loss lacks

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
        discriminator_steps: PositiveInt = 1,  # runs saved by earlier versions omit it
    ) -> None:
        super().__init__()
        for name, weight in {"k1": k1, "k2": k2, "gamma": gamma}.items():
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)
        self.samples = samples
        self.schedule = schedule
        self.optimizers = {"discriminator": discriminator_optimizer}
        self.repeats = {"discriminator": discriminator_steps}
        self.latent_dim = latent_dim
        widths = [latent_dim] + [width] * depth
        hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        self.discriminator = nn.Sequential(*hidden, nn.Linear(width, 2))

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss of the step's phase on one batch.

        Phase 'model' logs loss (without γ · TC), recon, kl, elbo and tc; phase 'discriminator' logs its accuracy.
        """
        if step.phase == "discriminator":
            return self._discriminator_terms(model, batch, step)
        return self._model_terms(model, batch, step)

    def _model_terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        out = run_model(model, batch, step, self.samples)
        recon, kl = mean_recon(out), mean_kl(out)
        fixed = {name: p.detach() for name, p in self.discriminator.named_parameters()}
        logits = functional_call(self.discriminator, fixed, self._codes(out.latents).flatten(0, 1)).float()
        tc = (logits[:, 0] - logits[:, 1]).mean()
        elbo = self.k1 * recon + self.k2 * self.schedule(kl, step.epoch)
        without_tc = loss_terms(elbo, elbo_logs(recon, kl, out.offset), out, self.k1)
        logs = {"loss": without_tc.loss.detach(), **without_tc.logs, "tc": tc.detach()}
        return LossTerms(without_tc.loss + self.gamma * tc, logs)

    def _discriminator_terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        with torch.no_grad():
            codes = self._codes(model.infer(batch.x, batch.y, 2, step.noise))
            both = torch.cat([codes[0], permuted(codes[1], step.noise)])
        logits = self.discriminator(both).float()
        side = torch.arange(2, device=both.device).repeat_interleave(len(codes[0]))
        accuracy = (logits.argmax(1) == side).float().mean()
        return LossTerms(F.cross_entropy(logits, side), {"accuracy": accuracy})

    def _codes(self, latents: Latents) -> Tensor:
        """The codes of the only level: [K, B, D]."""
        z = latents.z[0]
        if latents.codes is not None:
            raise UserError("objective=factor_vae needs real codes, and those of this model are discrete; "
                            "type objective=elbo")  # fmt: skip
        if len(latents.z) != 1 or z.shape[2:] != (self.latent_dim,):
            raise UserError(
                "objective=factor_vae needs one level of latent vectors of size latent_dim; type objective=elbo"
            )
        return z


def permuted(z: Tensor, noise: Noise) -> Tensor:
    """Codes z [B, D] with each dimension permuted over the batch independently: draws from Π_j q(z_j).

    Source: algorithm 1 of the paper.
    """
    return z.gather(0, noise.uniform(*z.shape).argsort(0))
