"""InfoVAE: loss = recon + (1 − α) · KL[q(z|x) ‖ p(z)] + (α + λ − 1) · MMD²(q(z), p(z)), in nats per example.

Source: Zhao et al. 2017, arXiv 1706.02262. Special cases:

- α = 0, λ = 1 is the ELBO.
- α = 1 is the MMD-VAE: only the distribution q(z) of all codes together must be close to the prior, not each q(z|x).
- α = 1 with z = μ(x) is the WAE-MMD, loss = recon + λ · MMD² (Tolstikhin et al. 2018, arXiv 1711.01558, algorithm 2).

MMD² is the unbiased U-statistic between the codes of the batch and as many draws from the prior; it may be below 0.
Departure: the authors of the InfoVAE use the biased estimate, to which the pairs of a draw with itself add a constant.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Le, MinLen
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.functional import IMQ_SCALES, imq_kernel, mmd, rbf_kernel
from vae_lab.objectives.parts import in_training_sizes
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, Latents, LossTerms, Model, Noise, Step

KERNELS = {"imq": imq_kernel, "rbf": rbf_kernel}


class InfoVAE(nn.Module):
    """Reconstruction, a weighted KL, and the MMD between the codes of the batch and the prior.

    The equations are in the module's docstring.

    Args:
        alpha: α; the weight of the KL is 1 − α.
        scale: λ; the weight of the MMD is α + λ − 1.
        kernel: 'imq' for a sum of inverse multiquadratics, 'rbf' for a sum of Gaussians.
        scales: factors s of the kernels' widths C = 2 · latent_dim · s.
        samples: L, the number of latent samples per example. The MMD is computed for each set of one sample per example
            and averaged over the L sets.
        deterministic: encode to the posterior's mean. The loss then has no KL and is no bound on the likelihood.
        batch_size: number of codes of an MMD in validation and test; None: those of their batches.

    Raises:
        UserError: α + λ < 1, or ``deterministic`` is combined with α ≠ 1 or with several samples.
    """

    kl_weight: Tensor
    mmd_weight: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    matches_prior = True
    meanings = dict.fromkeys(("mmd", "mmd_rbf"), "MMD² of q(z) and the prior in batches, 0 is equal")

    def __init__(
        self,
        alpha: Annotated[float, Le(1)],
        scale: NonNegativeFloat,
        kernel: Literal["imq", "rbf"] = "imq",
        scales: Annotated[Sequence[PositiveFloat], MinLen(1)] = IMQ_SCALES,
        samples: PositiveInt = 1,
        deterministic: bool = False,
        batch_size: PositiveInt | None = None,  # runs saved by earlier versions omit it
    ) -> None:
        super().__init__()
        if alpha + scale < 1:
            raise UserError(f"objective.alpha={alpha:g} objective.scale={scale:g} rewards distance from the prior; "
                            f"type objective.scale={1 - alpha:g} or more")  # fmt: skip
        if deterministic and (alpha != 1 or samples != 1):
            raise UserError("objective.deterministic=true has one code per example and no KL term; "
                            "type objective.alpha=1 objective.samples=1")  # fmt: skip
        # These are buffers because jobs that differ in them can be trained as one stack.
        self.register_buffer("kl_weight", torch.tensor(1.0 - alpha), persistent=False)
        self.register_buffer("mmd_weight", torch.tensor(alpha + scale - 1.0), persistent=False)
        self.kernel, self.scales = KERNELS[kernel], tuple(scales)
        self.log = "mmd" if kernel == "imq" else f"mmd_{kernel}"  # the score ``mmd`` uses the first kernel
        self.samples, self.deterministic = samples, deterministic
        self.variational = not deterministic
        self.batch_terms, self.batch_size = (self.log,), batch_size

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, kl, elbo and mmd (or mmd_rbf), without kl and elbo if deterministic."""
        return in_training_sizes(lambda part: self._terms(model, part, step), model, batch, self.batch_size)

    def _terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        out = run_model(model, batch, step, self.samples, deterministic=self.deterministic)
        recon, distance = mean_recon(out), self._mmd(model, batch, out.latents, step.noise)
        loss = recon + self.mmd_weight * distance
        logs = {"recon": recon}
        if not self.deterministic:
            kl = mean_kl(out)
            loss = loss + self.kl_weight * kl
            logs = elbo_logs(recon, kl, out.offset)
        return loss_terms(loss, {**logs, self.log: distance}, out, 1.0)

    def _mmd(self, model: Model, batch: Batch, latents: Latents, noise: Noise) -> Tensor:
        """MMD² averaged over the L sets of one sample per example, []: draws of one example are not independent."""
        if latents.codes is not None:
            raise UserError("this objective compares real codes with the prior, and those of this model are discrete; "
                            "type objective=elbo, or model=cnn")  # fmt: skip
        if len(latents.z) > 1:
            raise UserError("this objective compares one level of codes with the prior, and this model has "
                            f"{len(latents.z)}; type objective=elbo, or model=cnn")  # fmt: skip
        size = len(batch.x)
        if size < 2:
            return latents.z[0].new_zeros(())  # the estimate is defined for at least two codes
        priors = [model.prior_sample(size, batch.y, noise)[0][0] for _ in range(self.samples)]
        with torch.autocast(latents.z[0].device.type, enabled=False):  # distances are differences of large products
            values = [mmd(z.flatten(1).float(), prior.flatten(1).float(), self.scales, self.kernel)
                      for z, prior in zip(latents.z[0], priors)]  # fmt: skip
        return torch.stack(values).mean()
