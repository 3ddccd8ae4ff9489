"""p(x|z): how an image is scored against what the decoder says. All values are nats per image.

A decoder gives ``params`` [K, B, C', H, W] without bounds; each likelihood says what they mean. Targets are in [0, 1].
"""

from vae_lab.likelihoods.bernoulli import Bernoulli
from vae_lab.likelihoods.categorical import Categorical
from vae_lab.likelihoods.gaussian import Gaussian
from vae_lab.likelihoods.mse import MSE
from vae_lab.likelihoods.sigma import Sigma
from vae_lab.likelihoods.sigma_per_pixel import SigmaPerPixel
from vae_lab.likelihoods.sigma_predicted import SigmaPredicted

__all__ = ["MSE", "Bernoulli", "Categorical", "Gaussian", "Sigma", "SigmaPerPixel", "SigmaPredicted"]
