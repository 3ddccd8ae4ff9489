"""How latents are structured: one level, several levels, discrete codes. No loss."""
