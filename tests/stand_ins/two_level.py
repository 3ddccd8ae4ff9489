"""A model of two levels with bottom-up inference: q(z₁|x) q(z₂|z₁) and p(z₂) p(z₁|z₂) p(x|z₁)."""

from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.types import Architecture, Latents, Likelihood, Noise, Normal, Shape


def two_sizes(latent_dims: list[int]) -> list[int]:
    """The sizes of the top and the bottom level, which are refused where there are not two."""
    if len(latent_dims) != 2:
        typed = ",".join(map(str, latent_dims))
        raise UserError(f"model.latent_dims=[{typed}]: this model has two levels; type model.latent_dims=[2,3]")
    return latent_dims


class Gaussian(nn.Module):
    """A network that maps features [..., F] to a diagonal Gaussian [..., D]."""

    def __init__(self, features: int, dims: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 16), nn.SiLU(), nn.Linear(16, 2 * dims))

    def forward(self, h: Tensor) -> Normal:
        return Normal(*self.layers(h).float().chunk(2, -1))


class Generative(nn.Module):
    """p(z₂) p(z₁|z₂) p(x|z₁), which models of two levels share; a subclass has ``p1``, ``decoder`` and ``infer``."""

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        p1 = self.p1(z[0])
        return log_normal(z[0]).sum(-1) + log_normal(z[1], p1.mu, p1.log_var).sum(-1)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return self.decoder(z[1].flatten(0, 1)).unflatten(0, z[1].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        z2 = top[0] if top else noise.normal(1, n, *self.latent_shapes[0])
        if len(top) == 2:
            return top
        p1 = self.p1(z2)
        return z2, reparameterize(p1.mu, p1.log_var, noise.normal(*p1.mu.shape))


class TwoLevel(Generative):
    """The KL of z₂ has a closed form given z₁; that of z₁ is log q − log p at the samples, since p needs z₂."""

    conditional = deterministic = standard_prior = False
    kl_trains_prior = True  # inference does not use p(z₁|z₂), so that the reconstruction does not train it
    inference = ("encoder.", "q1.", "q2.")
    generation = ("p1.", "decoder.", "likelihood.")

    def __init__(self, net: Architecture, likelihood: Likelihood, x_shape: Shape, latent_dims: list[int]) -> None:
        super().__init__()
        top, bottom = two_sizes(latent_dims)
        self.x_shape, self.likelihood, self.latent_shapes = tuple(x_shape), likelihood, ((top,), (bottom,))
        self.encoder = net.encoder(self.x_shape)
        self.q1, self.q2 = Gaussian(self.encoder.out_features, bottom), Gaussian(bottom, top)
        self.p1 = Gaussian(top, bottom)
        self.decoder = net.decoder(bottom, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        h = self.q1(self.encoder(x))
        q1 = Normal(h.mu.unsqueeze(0), h.log_var.unsqueeze(0))  # [1, B, D₁]
        z1 = reparameterize(q1.mu, q1.log_var, noise.normal(k, *h.mu.shape))
        q2 = self.q2(z1)  # [K, B, D₂]
        z2 = reparameterize(q2.mu, q2.log_var, noise.normal(*q2.mu.shape))
        p1 = self.p1(z2)
        kl1 = log_normal(z1, q1.mu, q1.log_var) - log_normal(z1, p1.mu, p1.log_var)
        latents = Latents(z=(z2, z1), kl=(kl_normal(q2.mu, q2.log_var), kl1), q=(q2, q1))
        if densities:
            latents.log_q = sum(log_normal(z, q.mu, q.log_var).sum(-1) for z, q in ((z1, q1), (z2, q2)))
            latents.log_p = self.log_prior(latents.z, y)
        return latents
