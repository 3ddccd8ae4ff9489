"""Compares runs: a terminal table, a CSV file, plots, and one HTML page that opens without a server or a network."""

from vae_lab.compare.comparison import write_comparison

__all__ = ["write_comparison"]
