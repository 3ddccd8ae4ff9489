"""The second VAE of the two-stage VAE (Dai & Wipf 2019, arXiv 1903.05789, section 4): a VAE of the codes.

p(z) = ∫ N(z; f(u), γ² I) N(u; 0, I) du, where u has as many dimensions as z. Unlike images, codes fill their space, so
the aggregate posterior q(u) of this VAE comes close to its prior. To draw a sample, u is drawn first and then z, with
noise of the learnt γ. The networks are those of the authors' code: dense layers, the last of which receives the input
in addition. Unlike in their code, the codes are standardised, gradients are clipped, the weights of the best epoch are
kept, and γ starts small: if it started at 1, the standard deviation of the codes, it could stay there with a collapsed
posterior. The defaults are quick; ``experiment=paper/dai_wipf_2019`` has the authors' numbers.
"""

import math
from itertools import pairwise

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.samplers.fitted import Standardised
from vae_lab.samplers.training import CodeTraining, HeldOut, build_seeded
from vae_lab.types import Noise, Normal, Progress

GAMMA = 0.3  # at the start, as a share of the codes' standard deviation


class SkipDense(nn.Module):
    """A network with ``depth`` hidden layers, whose last linear layer receives their output and the input."""

    def __init__(self, dims: int, width: int, depth: int, out: int) -> None:
        super().__init__()
        widths = pairwise([dims, *[width] * depth])
        self.hidden = nn.Sequential(*(layer for a, b in widths for layer in (nn.Linear(a, b), nn.ReLU())))
        self.last = nn.Linear(width + dims, out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] -> [B, out]."""
        return self.last(torch.cat([self.hidden(x), x], -1))


class SecondVAE(nn.Module):
    """A VAE of standardised codes x [B, D]: the networks of q(u|x) and f(u), and log γ."""

    def __init__(self, dims: int, width: int, depth: int) -> None:
        super().__init__()
        self.encoder = SkipDense(dims, width, depth, 2 * dims)
        self.decoder = SkipDense(dims, width, depth, dims)
        self.log_gamma = nn.Parameter(torch.tensor(math.log(GAMMA)))

    def terms(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return log p(x|u) at one draw of q(u|x), and KL[q(u|x) ‖ N(0, I)], each [B] in nats."""
        mu, log_var = self.encoder(x).chunk(2, -1)
        u = reparameterize(mu, log_var, noise.normal(*mu.shape))
        return log_normal(x, self.decoder(u), 2 * self.log_gamma).sum(-1), kl_normal(mu, log_var).sum(-1)

    def elbo(self, x: Tensor, noise: Noise) -> Tensor:
        """Return the evidence lower bound on log p(x): [B] nats."""
        log_px, kl = self.terms(x, noise)
        return log_px - kl


class TwoStage(Standardised):
    """A VAE that is trained on the codes, as a sampler.

    Args:
        width, depth: hidden units per layer and number of hidden layers of encoder and decoder.
        epochs, batch_size, lr, held_out, patience, halve_every: see :class:`~vae_lab.samplers.training.CodeTraining`.
        fresh_codes: each training step draws its codes anew from q(z|x), as in the authors' code; False: one draw of
            q(z|x) per example serves all steps.
    """

    label = "a second VAE (two stages)"
    vae: SecondVAE

    def __init__(
        self,
        width: PositiveInt = 256,
        depth: PositiveInt = 3,
        epochs: PositiveInt = 30,
        batch_size: PositiveInt = 500,
        lr: PositiveFloat = 3e-3,
        held_out: HeldOut = 0.1,
        patience: PositiveInt = 10,
        halve_every: PositiveInt | None = None,
        fresh_codes: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.depth, self.fresh_codes = width, depth, fresh_codes
        self.training_loop = CodeTraining(epochs, batch_size, lr, held_out, patience, halve_every)

    def build(self, *sizes: int) -> None:
        """Create the VAE; the only size is D."""
        super().build(*sizes)
        self.vae = SecondVAE(sizes[0], self.width, self.depth)

    def fit(self, codes: Tensor, noise: Noise, progress: Progress, q: Normal | None = None) -> None:
        """Maximise the ELBO of the second VAE on codes [N, D], or on draws from the Gaussians ``q``, [N, D]."""
        build_seeded(lambda: self.build(codes.shape[1]), noise)
        x = self.standardise(codes).float()

        def loss(x: Tensor, noise: Noise) -> Tensor:
            return -self.vae.elbo(x, noise).mean()

        def draw(rows: Tensor, noise: Noise) -> Tensor:
            assert q is not None
            z = reparameterize(q.mu[rows], q.log_var[rows], noise.normal(len(rows), q.mu.shape[1]))
            return ((z - self.shift) / self.scale).float()

        fresh = None if q is None else draw
        training = self.training_loop(self.vae, loss, x, noise, progress, "training a second VAE on", fresh)
        self.about = {"gamma": math.exp(self.vae.log_gamma.item()), **training}

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Return n draws of z ~ N(f(u), γ² I): [n, D]."""
        u = noise.normal(n, len(self.shift))
        return self.restore(reparameterize(self.vae.decoder(u), 2 * self.vae.log_gamma, noise.normal(*u.shape)))
