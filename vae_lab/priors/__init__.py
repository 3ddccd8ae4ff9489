"""Priors p(z): distributions of the latents, fixed or trained with the model.

Both methods of a prior also receive ``encode``, a function from inputs u [M, *x_shape] to the posterior q(z|u) with
moments [M, D]. Only priors that are mixtures of posteriors (:mod:`vae_lab.priors.vamp`) use it.

>>> from vae_lab.noise import SeededNoise
>>> from vae_lab.priors.mixture import MixturePrior
>>> prior = MixturePrior(latent_dim=2, x_shape=(1, 28, 28), components=10, spread=1.0)
>>> z = prior.sample(5, SeededNoise("cpu", 0), encode=None)  # this prior does not use encode
>>> z.shape, prior.log_prob(z.unsqueeze(0), encode=None).shape
(torch.Size([5, 2]), torch.Size([1, 5]))
"""
