"""Models: networks and distributions that define p(x, z) and q(z|x) for one structure of latents, without a loss.

:class:`vae_lab.types.Model` is the interface. A model infers latents, decodes them and draws from its prior; the losses
are in :mod:`vae_lab.objectives`.
"""
