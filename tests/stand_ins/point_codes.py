"""A model whose q(z|x) is a single point of real numbers, so that it has no density."""

from torch import Tensor, nn

from vae_lab.functional import log_normal
from vae_lab.types import Architecture, Latents, Likelihood, Noise, Shape


class PointCodes(nn.Module):
    """z = f(x) with p(z) = N(0, I); the KL is −log p(z)."""

    conditional = kl_trains_prior = False
    deterministic = standard_prior = True
    inference = ("encoder.", "code.")
    generation = ("decoder.", "likelihood.")

    def __init__(self, net: Architecture, likelihood: Likelihood, x_shape: Shape, latent_dim: int) -> None:
        super().__init__()
        self.x_shape, self.likelihood, self.latent_shapes = tuple(x_shape), likelihood, ((latent_dim,),)
        self.encoder = net.encoder(self.x_shape)
        self.code = nn.Linear(self.encoder.out_features, latent_dim)
        self.decoder = net.decoder(latent_dim, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        z = self.code(self.encoder(x)).unsqueeze(0)
        return Latents(z=(z.expand(k, *z.shape[1:]),), kl=(-log_normal(z),), q=(None,))

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return log_normal(z[0]).sum(-1)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return self.decoder(z[0].flatten(0, 1)).unflatten(0, z[0].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        return top or (noise.normal(1, n, *self.latent_shapes[0]),)
