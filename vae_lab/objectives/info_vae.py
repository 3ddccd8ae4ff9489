"""The InfoVAE: loss = recon + (1 − α) · KL[q(z|x) ‖ p(z)] + (α + λ − 1) · MMD²(q(z), p(z)), nats per image.

Zhao et al. 2017 (arXiv 1706.02262). α = 0, λ = 1 is the ELBO; α = 1 the MMD-VAE, whose codes need to be like the prior
only all together. With z = μ(x) that is the WAE-MMD (Tolstikhin et al. 2018, arXiv 1711.01558, algorithm 2): loss =
recon + λ · MMD².

MMD² is the unbiased U-statistic between the batch's codes and as many prior draws; it may fall below 0. Departure: the
authors of the InfoVAE have the biased estimate, whose pairs of a draw with itself add a constant to it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Le, MinLen
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.functional import IMQ_SCALES, imq_kernel, mmd, rbf_kernel
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, Latents, LossTerms, Model, Noise, Step

KERNELS = {"imq": imq_kernel, "rbf": rbf_kernel}


class InfoVAE(nn.Module):
    """Reconstruction, a weighted KL, and the distance of all codes together from the prior.

    Args:
        alpha: α; the KL of each image's posterior is weighed by 1 − α.
        scale: λ; the MMD is weighed by α + λ − 1.
        kernel: 'imq', the sum of inverse multiquadratics, or 'rbf', of Gaussians.
        scales: the kernels' widths, C = 2 · latent_dim · s for each s.
        samples: latent samples per image (L); each set of one sample per image is held against the prior by itself.
        deterministic: encode to the posterior's mean: no KL, and no bound on the likelihood.
    """

    kl_weight: Tensor
    mmd_weight: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    matches_prior = True

    def __init__(
        self,
        alpha: Annotated[float, Le(1)],
        scale: NonNegativeFloat,
        kernel: Literal["imq", "rbf"] = "imq",
        scales: Annotated[Sequence[PositiveFloat], MinLen(1)] = IMQ_SCALES,
        samples: PositiveInt = 1,
        deterministic: bool = False,
    ) -> None:
        super().__init__()
        if alpha + scale < 1:
            raise UserError(f"objective.alpha={alpha:g} objective.scale={scale:g} rewards a distance from the prior; "
                            f"type objective.scale={1 - alpha:g} or more")  # fmt: skip
        if deterministic and (alpha != 1 or samples != 1):
            raise UserError("objective.deterministic=true has one code per image and no KL to weigh; "
                            "type objective.alpha=1 objective.samples=1")  # fmt: skip
        # Buffers, not numbers: jobs that are trained as one stack differ in them.
        self.register_buffer("kl_weight", torch.tensor(1.0 - alpha), persistent=False)
        self.register_buffer("mmd_weight", torch.tensor(alpha + scale - 1.0), persistent=False)
        self.kernel, self.scales = KERNELS[kernel], tuple(scales)
        self.log = "mmd" if kernel == "imq" else f"mmd_{kernel}"  # ``mmd`` is also a score, under the first kernel
        self.samples, self.deterministic = samples, deterministic
        self.variational = not deterministic

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon, kl, elbo and mmd (or mmd_rbf), the WAE recon and mmd alone."""
        out = run_model(model, batch, step, self.samples, deterministic=self.deterministic)
        recon, distance = mean_recon(out), self._mmd(model, batch, out.latents, step.noise)
        loss = recon + self.mmd_weight * distance
        logs = {"recon": recon}
        if not self.deterministic:
            kl = mean_kl(out)
            loss = loss + self.kl_weight * kl
            logs = elbo_logs(recon, kl, out.offset)
        return loss_terms(loss, {**logs, self.log: distance}, out)

    def _mmd(self, model: Model, batch: Batch, latents: Latents, noise: Noise) -> Tensor:
        """Mean over the L samples of MMD²: draws of one image do not count as draws of q(z) that differ: []."""
        if latents.codes is not None or len(latents.z) > 1:
            raise UserError("this objective holds one level of continuous codes against the prior; "
                            "type objective=elbo, or model=cnn")  # fmt: skip
        images = len(batch.x)
        if images < 2:
            return latents.z[0].new_zeros(())  # one code says nothing of a distribution
        priors = [model.prior_sample(images, batch.y, noise)[0][0] for _ in range(self.samples)]
        with torch.autocast(latents.z[0].device.type, enabled=False):  # differences of large products
            found = [mmd(z.flatten(1).float(), prior.flatten(1).float(), self.scales, self.kernel)
                     for z, prior in zip(latents.z[0], priors)]  # fmt: skip
        return torch.stack(found).mean()
