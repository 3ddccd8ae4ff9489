"""A model of two levels with top-down inference, as in a ladder VAE: q(z₂|x) q(z₁|z₂, x).

Inference also computes the decoder's output.
"""

import torch
from torch import Tensor

from stand_ins.two_level import Gaussian, Generative, two_sizes
from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.types import Architecture, Latents, Likelihood, Noise, Normal, Shape


class TopDown(Generative):
    """In q(z₁|z₂, x), the encoder's estimate and p(z₁|z₂) are weighted by precision (arXiv 1602.02282, equation 17)."""

    conditional = deterministic = standard_prior = False
    kl_trains_prior = False  # q(z₁|z₂, x) contains p(z₁|z₂), so that the reconstruction trains it, too
    inference = ("encoder.", "d1.", "q2.")
    generation = ("p1.", "decoder.", "likelihood.")

    def __init__(self, net: Architecture, likelihood: Likelihood, x_shape: Shape, latent_dims: list[int]) -> None:
        super().__init__()
        top, bottom = two_sizes(latent_dims)
        self.x_shape, self.likelihood, self.latent_shapes = tuple(x_shape), likelihood, ((top,), (bottom,))
        self.encoder = net.encoder(self.x_shape)
        self.d1, self.q2 = Gaussian(self.encoder.out_features, bottom), Gaussian(self.encoder.out_features, top)
        self.p1 = Gaussian(top, bottom)
        self.decoder = net.decoder(bottom, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        h = self.encoder(x)
        up, top = self.d1(h), self.q2(h)
        q2 = Normal(top.mu.unsqueeze(0), top.log_var.unsqueeze(0))
        z2 = reparameterize(q2.mu, q2.log_var, noise.normal(k, *top.mu.shape))
        p1 = self.p1(z2)
        q1 = _merged(up, p1)
        z1 = reparameterize(q1.mu, q1.log_var, noise.normal(*q1.mu.shape))
        ratio = q1.log_var - p1.log_var
        kl1 = 0.5 * ((q1.mu - p1.mu).square() * torch.exp(-p1.log_var) + torch.expm1(ratio) - ratio)
        latents = Latents(
            z=(z2, z1), kl=(kl_normal(q2.mu, q2.log_var), kl1), q=(q2, q1), params=self.decode((z2, z1), y)
        )
        if densities:
            latents.log_q = sum(log_normal(z, q.mu, q.log_var).sum(-1) for z, q in ((z2, q2), (z1, q1)))
            latents.log_p = self.log_prior(latents.z, y)
        return latents


def _merged(a: Normal, b: Normal) -> Normal:
    """The product of two Gaussians: σ² = 1/(σ_a⁻² + σ_b⁻²), μ = σ² (μ_a σ_a⁻² + μ_b σ_b⁻²)."""
    pa, pb = torch.exp(-a.log_var), torch.exp(-b.log_var)
    return Normal((a.mu * pa + b.mu * pb) / (pa + pb), -torch.log(pa + pb))
