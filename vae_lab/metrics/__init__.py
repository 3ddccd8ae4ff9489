"""Metrics: numbers that describe how good a trained model is."""
