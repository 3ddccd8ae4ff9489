"""Approximate posteriors q(z|x): modules that map an encoder's features to latent samples.

A posterior is called as ``z, log_q, q = posterior(h, k, noise)`` with the features h [B, F]. It returns

- z [K, B, D], k samples per example;
- log q(z|x) [K, B] in nats at these samples, or None where it follows from q;
- q, the Gaussian with moments [1, B, D], or None where the density is known only at the samples (flows).

>>> import torch
>>> from vae_lab.noise import SeededNoise
>>> z, log_q, q = DiagonalNormal(features=64, latent_dim=2)(torch.randn(5, 64), 10, SeededNoise("cpu", 0))
>>> z.shape, log_q, q.mu.shape
(torch.Size([10, 5, 2]), None, torch.Size([1, 5, 2]))
"""

from vae_lab.posteriors.diagonal import DiagonalNormal

__all__ = ["DiagonalNormal"]  # runs saved by earlier versions import it from here
