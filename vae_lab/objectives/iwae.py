"""Importance-weighted bounds: loss = −L_k with L_k = E log (1/k) Σ_i w_i and w_i = p(x|z_i) p(z_i) / q(z_i|x).

The k samples z_i are drawn from q(z|x); all values are in nats per example. L_1 is the ELBO, and L_k rises with k
towards log p(x) (IWAE; Burda et al. 2016, arXiv 1509.00519, equation 8). Where k is large, the signal-to-noise ratio of
the encoder's gradient is small (Rainforth et al. 2018, arXiv 1802.04537). Remedies:

- IWAE-DReG: the doubly reparameterised gradient, which has the same mean and less variance (Tucker et al. 2018, arXiv
  1810.04152).
- MIWAE: the mean of the bounds of disjoint groups of samples.
- PIWAE: the MIWAE bound for the encoder and L_k for the decoder.
- CIWAE: a convex combination of the ELBO and L_k.

The bounds are those of the papers. As in every objective, the loss excludes the constant of the likelihood that
``recon`` excludes, so that k = 1 gives the loss of objective=elbo (estimator A).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.functional import log_mean_exp, log_normal
from vae_lab.objectives.parts import in_parts
from vae_lab.objectives.terms import Pass, elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import GENERATION, INFERENCE, Batch, Latents, LossTerms, Model, Step

AT_ONCE = 4096  # examples decoded at once in scoring: a test batch of 1,000 with k = 50 would take gigabytes


class IWAE(nn.Module):
    """The importance-weighted bound of k samples per example; the equations are in the module's docstring.

    A training step decodes k · batch_size examples and keeps their activations, so that the decoder's time and memory
    are k times those of the ELBO with one sample.

    Args:
        samples: k, the number of latent samples per example.
        gradient: 'plain' differentiates the bound. 'dreg' gives the encoder the doubly reparameterised gradient and
            the decoder the plain one; it needs one level of Gaussian posteriors.
        groups: M of MIWAE, the number of groups of k/M samples whose bounds are averaged. M = 1 is the IWAE, M = k the
            ELBO.
        piwae: use the groups only for the encoder and the posterior, which are updated in a separate phase with
            separate draws. A step takes twice the time.
        elbo_share: β of CIWAE: β · ELBO + (1 − β) · bound is maximised. The ELBO uses the same samples.

    Raises:
        UserError: ``groups`` does not divide ``samples``, or ``piwae`` is set with a single group.
    """

    elbo_share: Tensor
    phases: Mapping[str, Sequence[str]] = {"model": ("",)}
    variational = True
    matches_prior = True

    def __init__(
        self,
        samples: PositiveInt,
        gradient: Literal["plain", "dreg"] = "plain",
        groups: PositiveInt = 1,
        piwae: bool = False,
        elbo_share: Annotated[float, Ge(0), Le(1)] = 0.0,
    ) -> None:
        super().__init__()
        if samples % groups:
            raise UserError(
                f"objective.groups={groups} does not divide objective.samples={samples}; type objective.groups=1"
            )
        if piwae and groups == 1:
            raise UserError(
                "objective.piwae=true needs several groups for the encoder; type e.g. objective.groups=5 as well"
            )
        self.samples, self.gradient, self.groups, self.piwae = samples, gradient, groups, piwae
        self.stackable = gradient != "dreg"  # hooks on gradients are an error under vmap
        if piwae:
            self.phases = {"model": (GENERATION,), "encoder": (INFERENCE,)}
        # This is a buffer because jobs that differ in it can be trained as one stack.
        self.register_buffer("elbo_share", torch.tensor(float(elbo_share)), persistent=False)

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, kl, elbo and ``iwae_bound`` = L_k of all k samples."""
        examples = len(batch.x)
        size = examples if model.training else min(examples, max(1, AT_ONCE // self.samples))
        sizes = [min(size, examples - start) for start in range(0, examples, size)]
        return in_parts(lambda part: self._terms(model, part, step), batch, sizes)

    def _terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        groups = 1 if self.piwae and step.phase == "model" else self.groups
        out = run_model(model, batch, step, self.samples, densities=self.gradient == "plain")
        log_w = self._log_weights(model, batch, out, groups)
        loss = -self.bound(log_w, groups).mean() - out.offset
        logs = elbo_logs(mean_recon(out), mean_kl(out), out.offset)
        scored = log_w.detach() if out.scored is None else log_w.detach() - out.log_px.detach() + out.scored
        logs["iwae_bound"] = log_mean_exp(scored).mean()
        if out.scored is not None:
            logs["loss"] = -self.bound(scored, groups).mean() - out.offset
        return loss_terms(loss, logs, out)

    def bound(self, log_w: Tensor, groups: int) -> Tensor:
        """The bound that is maximised: β · ELBO + (1 − β) · mean over groups of L_{k/M}, [B] in nats.

        Args:
            log_w: log w of all samples, [k, B].
            groups: M.
        """
        grouped = log_mean_exp(log_w.unflatten(0, (groups, -1)), 1).mean(0)
        return self.elbo_share * log_w.mean(0) + (1 - self.elbo_share) * grouped

    def _log_weights(self, model: Model, batch: Batch, out: Pass, groups: int) -> Tensor:
        """Log w [k, B]. With 'dreg', its gradients are such that differentiating the bound gives the DReG estimator."""
        latents = out.latents
        if self.gradient == "plain":
            if latents.codes is not None or latents.log_q is None or latents.log_p is None:
                raise UserError("objective=iwae needs the densities of the latents, which this model does not have; "
                                "type objective=elbo, or model=cnn")  # fmt: skip
            return out.log_px + latents.log_p - latents.log_q
        z, log_q = _only_through_z(latents)
        log_w = out.log_px + model.log_prior(latents.z, batch.y) - log_q
        stacked = model.training and torch.is_grad_enabled() and not self.piwae  # vmap: a hook raises
        if z.requires_grad or stacked:  # z has no gradient in the phase that trains PIWAE's decoder
            scale = self._dreg_scale(log_w.detach(), groups)
            z.register_hook(lambda grad: grad * scale.reshape(*scale.shape, *[1] * (grad.dim() - 2)))
        return log_w

    def _dreg_scale(self, log_w: Tensor, groups: int) -> Tensor:
        """The factors [k, B] of ∂ bound/∂z that turn a weight v in the bound's gradient into v²."""
        grouped = log_w.unflatten(0, (groups, -1))
        v = torch.softmax(grouped, 1).flatten(0, 1)
        share, rest = self.elbo_share / len(v), (1 - self.elbo_share) / groups
        return (share + rest * v.square()) / (share + rest * v).clamp(min=torch.finfo(v.dtype).tiny)


def _only_through_z(latents: Latents) -> tuple[Tensor, Tensor]:
    """Samples z and log q(z|x) [k, B], which has a gradient to z but no direct gradient to μ and σ."""
    q = latents.q[0] if len(latents.q) == 1 and latents.codes is None else None
    if q is None:
        raise UserError("objective.gradient=dreg needs one level of Gaussian posteriors (posterior=diagonal); "
                        "type objective.gradient=plain")  # fmt: skip
    z = latents.z[0]
    return z, log_normal(z, q.mu.detach(), q.log_var.detach()).flatten(2).sum(2)
