"""Likelihoods p(x|z): distributions of an example given the decoder's output, in nats per example.

A decoder's output ``params`` [K, B, *params_shape] is unbounded; each likelihood defines its meaning and its shape.
Its attribute ``takes`` names the kinds of targets that it accepts. :class:`Categorical` accepts tokens: targets are
long [B, T] and ``params`` are [K, B, T, V]. The others accept images: targets [B, C, H, W] have values in [0, 1] and
``params`` are [K, B, C', H, W].

In the equations x is a target, x̂ = sigmoid(params) is the decoded mean of an image, D is the number of its values,
SSE = Σ (x − x̂)² is the sum of squared errors, and ε is standard-normal noise. :class:`vae_lab.types.Likelihood` is
the interface.

>>> import torch
>>> likelihood = Gaussian(sigma=0.1)
>>> params = torch.zeros(7, 5, *likelihood.params_shape((1, 28, 28)))  # K = 7 samples of B = 5 examples
>>> target = torch.rand(5, 1, 28, 28)
>>> likelihood.log_prob(params, target).shape  # log p(target|z), summed over the pixels
torch.Size([7, 5])
>>> likelihood.mean(params).shape  # x̂
torch.Size([7, 5, 1, 28, 28])
"""

from vae_lab.likelihoods.bernoulli import Bernoulli
from vae_lab.likelihoods.categorical import Categorical
from vae_lab.likelihoods.gaussian import Gaussian
from vae_lab.likelihoods.mse import MSE
from vae_lab.likelihoods.sigma import Sigma
from vae_lab.likelihoods.sigma_per_pixel import SigmaPerPixel
from vae_lab.likelihoods.sigma_predicted import SigmaPredicted

__all__ = ["MSE", "Bernoulli", "Categorical", "Gaussian", "Sigma", "SigmaPerPixel", "SigmaPredicted"]
