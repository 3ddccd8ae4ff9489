"""Distributions over z that are fitted to the codes of training images once a model is trained."""
