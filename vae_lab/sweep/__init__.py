"""Sweeps: many runs that are planned, run, resumed and compared together."""
