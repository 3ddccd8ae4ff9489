"""q(z|x): from an encoder's features to latent samples."""

from vae_lab.posteriors.diagonal import DiagonalNormal

__all__ = ["DiagonalNormal"]  # the name under which earlier runs have saved it
