"""Likelihood regret: how much the ELBO of an example gains when the posterior is fitted to it alone (arXiv 2003.02977).

    LR(x) = max_{μ, σ} ELBO(x; N(μ, σ²)) − ELBO(x; q(z|x))

The encoder's posterior is close to the best one for examples like those it was trained on, and far from it for others.

The authors' code trains a copy of the encoder for every image, one after another. Here μ and log σ² of many images are
optimised at once, starting from the encoder's, which needs no further weights. The loss is a
sum over images and Adam works on every number alone, so that an image's result does not depend on which others it is
optimised with.
"""

from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.inference import at_the_means
from vae_lab.metrics.anomaly_scores.judged import Judged, finite
from vae_lab.scores import Trained
from vae_lab.types import Model, Noise, Normal


class LikelihoodRegret:
    """LR(x) in nats; both ELBOs are estimated with the same draws.

    Args:
        steps: optimizer steps, each with one new draw of z per image.
        lr: learning rate of Adam for μ and log σ².
        samples: number of draws of z with which both ELBOs are estimated.
        at_once: number of images that are optimised at once.
    """

    label = "likelihood_regret, nats"
    needs = ("posterior", "gaussian")

    def __init__(
        self, steps: PositiveInt = 100, lr: PositiveFloat = 0.05, samples: PositiveInt = 16, at_once: PositiveInt = 250
    ) -> None:
        self.steps, self.lr, self.samples, self.at_once = steps, lr, samples, at_once

    @property
    def about(self) -> dict[str, Any]:
        """The steps, the learning rate and the number of draws."""
        return {"steps": self.steps, "lr": self.lr, "latent_samples": self.samples}

    def fit(self, trained: Trained) -> None:
        """Learn nothing."""

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        noise, regrets = trained.noise(f"{judged.purpose}, regret"), []
        for x, y in judged.parts(trained, self.at_once, f"{self.steps} steps of likelihood regret"):
            with torch.inference_mode(False), torch.enable_grad():  # metrics are called without gradients
                own_y = None if y is None else y.clone()
                regrets.append(self._regret(trained.model, x.clone(), own_y, noise))
        return finite(torch.cat(regrets))

    def _regret(self, model: Model, x: Tensor, y: Tensor | None, noise: Noise) -> Tensor:
        """The regret of images [b, *x_shape]: [b] nats."""
        with torch.no_grad():
            q = at_the_means(model, x, y, noise).q[0]
        assert q is not None
        start = Normal(q.mu[0].clone(), q.log_var[0].clone())
        best = Normal(start.mu.clone().requires_grad_(), start.log_var.clone().requires_grad_())
        numbers = best.mu, best.log_var
        optimizer = torch.optim.Adam(numbers, self.lr)
        for _ in range(self.steps):
            loss = -elbo_at(model, x, y, best, noise.normal(1, *start.mu.shape)).sum()
            for number, gradient in zip(numbers, torch.autograd.grad(loss, numbers), strict=True):
                number.grad = gradient  # the weights of the model get none
            optimizer.step()
        draws = noise.normal(self.samples, *start.mu.shape)
        with torch.no_grad():
            return elbo_at(model, x, y, best, draws) - elbo_at(model, x, y, start, draws)


def elbo_at(model: Model, x: Tensor, y: Tensor | None, q: Normal, draws: Tensor) -> Tensor:
    """Return the ELBO of images under a posterior: [B] nats.

    Args:
        model: a model with one level of Gaussian posteriors.
        x: images [B, *x_shape].
        y: their labels or attributes, for a conditional model.
        q: the posterior, [B, ...].
        draws: from N(0, 1), [K, B, ...].
    """
    z = reparameterize(q.mu, q.log_var, draws)
    log_px = model.likelihood.log_prob(model.decode((z,), y).float(), x)  # [K, B]
    if model.standard_prior:
        return log_px.mean(0) - kl_normal(q.mu, q.log_var).flatten(1).sum(1)
    log_q = log_normal(z, q.mu, q.log_var).flatten(2).sum(2)
    return (log_px + model.log_prior((z,), y) - log_q).mean(0)
