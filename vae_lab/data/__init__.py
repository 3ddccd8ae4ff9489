"""Datasets, and the batches made from them. Nothing here depends on models."""
