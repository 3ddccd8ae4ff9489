"""Introspective objectives, in which the encoder also receives decoded images: Soft-IntroVAE and IntroVAE."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR, Case, cases, loss_and_gradient, px
from check_science.checks import Found, check
from check_science.objectives import PLAIN, closed_kl


class Decoded:
    """Images decoded from codes of the batch and from the prior, with the encoder's q of each of them."""

    def __init__(self, case: Case, detached: bool) -> None:
        self.case = case
        images = [self.mean(case.z[0]), self.mean(case.draws[1])]
        self.images = [image.detach() if detached else image for image in images]
        self.eps = case.draws[2][0].split(len(case.x))

    def mean(self, z: Tensor) -> Tensor:
        """x̂ of codes [B, D]: [B, C, H, W]."""
        return torch.sigmoid(self.case.job.model.decoder(z))

    def terms(self, codes_detached: bool) -> Iterator[tuple[Tensor, Tensor]]:
        """For each kind of image: the KL and −log p of reconstructing it from its own code, [B] nats each."""
        for image, eps in zip(self.images, self.eps):
            model = self.case.job.model
            features = model.encoder(image)
            q = D.Normal(model.posterior.mu(features), (0.5 * model.posterior.log_var(features)).exp())
            z = q.loc + q.scale * eps
            out = model.decoder(z.detach() if codes_detached else z)
            target = image.detach()
            log_p = self.log_p(out, target).flatten(1).sum(1)
            yield D.kl_divergence(q, PRIOR).sum(1), -log_p

    def log_p(self, out: Tensor, target: Tensor) -> Tensor:
        """log p(target) of each value; without the constant that the squared error leaves out."""
        if self.case.likelihood == "bernoulli":  # grey targets: the cross-entropy
            return target * torch.sigmoid(out).log() + (1 - target) * torch.sigmoid(-out).log()
        constant = 0.5 * torch.log(torch.tensor(torch.pi)) if self.case.likelihood == "mse" else 0.0
        return px(self.case.likelihood, out).log_prob(target) + constant


@check("objective", "soft_intro_vae", "encoder's loss", "encoder's gradient",
       reference=f"{PLAIN} (arXiv 2012.13253, algorithm 1, times C·H·W)")  # fmt: skip
def soft_intro_vae_encoder() -> Iterator[Found]:
    """s (k1 · recon + k2 · KL) + ¼ Σ exp(−2 s (k1 · recon + β_neg · KL)) with s = 1/(C·H·W), divided by s."""

    def loss(c: Case) -> Tensor:
        s = 1 / c.x[0].numel()
        pushed = sum(torch.exp(-2 * s * (0.5 * again + 3 * kl)).mean() for kl, again in Decoded(c, True).terms(False))
        return (s * (0.5 * c.recon(c.z) + 2 * closed_kl(c).sum(1).mean()) + 0.25 * pushed) / s

    for case in cases("objective=soft_intro_vae", "k1=0.5", "k2=2", "objective.beta_neg=3"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"encoder's {quantity}", ours, right


@check("objective", "soft_intro_vae", "decoder's loss", "decoder's gradient",
       reference=f"{PLAIN} (arXiv 2012.13253, algorithm 1, times C·H·W)")  # fmt: skip
def soft_intro_vae_decoder() -> Iterator[Found]:
    """k1 · recon + k2 · KL + ½ Σ (k2 · KL + γ · k1 · recon)."""

    def loss(c: Case) -> Tensor:
        pulled = sum((2 * kl + 0.7 * 0.5 * again).mean() for kl, again in Decoded(c, False).terms(True))
        return 0.5 * c.recon(c.z) + 2 * closed_kl(c).sum(1).mean() + 0.5 * pulled

    words = ("objective=soft_intro_vae", "k1=0.5", "k2=2", "objective.gamma=0.7")
    for case in cases(*words, phase="decoder"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"decoder's {quantity}", ours, right


@check("objective", "intro_vae", "encoder's loss", "encoder's gradient",
       reference=f"{PLAIN}, image by image (arXiv 1807.06358, eq. 11)")  # fmt: skip
def intro_vae_encoder() -> Iterator[Found]:
    """k1 · recon + k2 · (KL + (α/2) Σ max(0, m − KL)); some images are beyond the margin."""

    def loss(c: Case) -> Tensor:
        hinges = [
            (1.5 - one if one < 1.5 else 0 * one) / len(c.x) for kl, _ in Decoded(c, True).terms(False) for one in kl
        ]
        return 0.5 * c.recon(c.z) + 2 * (closed_kl(c).sum(1).mean() + 0.35 * sum(hinges))

    for case in cases("objective=intro_vae", "k1=0.5", "k2=2", "objective.margin=1.5", "objective.alpha=0.7"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"encoder's {quantity}", ours, right


@check("objective", "intro_vae", "decoder's loss", "decoder's gradient",
       reference=f"{PLAIN} (arXiv 1807.06358, eq. 12)")  # fmt: skip
def intro_vae_decoder() -> Iterator[Found]:
    """k1 · recon + k2 · (KL + (α/2) Σ KL)."""

    def loss(c: Case) -> Tensor:
        pulled = sum(kl.mean() for kl, _ in Decoded(c, False).terms(True))
        return 0.5 * c.recon(c.z) + 2 * (closed_kl(c).sum(1).mean() + 0.35 * pulled)

    for case in cases("objective=intro_vae", "k1=0.5", "k2=2", "objective.alpha=0.7", phase="decoder"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"decoder's {quantity}", ours, right
