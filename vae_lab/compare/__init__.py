"""Runs side by side: a table, a CSV, plots and one page that opens by itself."""

from vae_lab.compare.comparison import write_comparison

__all__ = ["write_comparison"]
