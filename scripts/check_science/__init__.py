"""Compare objectives, likelihoods, densities and scores with independent implementations of their definitions."""
