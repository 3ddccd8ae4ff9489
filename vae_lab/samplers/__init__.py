"""Distributions over z that are fitted to the codes of training examples after a model is trained."""
