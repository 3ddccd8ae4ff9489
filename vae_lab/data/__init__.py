"""Datasets and what feeds them to the model; knows nothing of models."""
