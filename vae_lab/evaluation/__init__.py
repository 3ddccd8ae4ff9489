"""Evaluation: metrics and figures of a trained model, and samplers fitted to its codes."""
