"""Objectives: the losses that are minimised, each an ``nn.Module`` that is called with (model, batch, step).

An objective returns :class:`~vae_lab.types.LossTerms`: the loss [] to minimise and the terms to log, in nats per
example. It contains no networks of the model. See :class:`vae_lab.types.Objective` for the interface and
:mod:`vae_lab.objectives.terms` for the steps that most objectives share, with a complete example.

Two terms occur in most of them, both averaged over the batch and over the K latent samples per example:

- ``recon`` = −E_q(z|x) log p(x|z), less a constant of the likelihood (``Likelihood.recon_offset``);
- ``kl`` = KL[q(z|x) ‖ p(z)], summed over latent dimensions and levels.

k1 and k2 are the weights of recon and of the KL throughout. Weights are stored as buffers and not as numbers, because
jobs that differ in them can be trained as one stack.
"""
