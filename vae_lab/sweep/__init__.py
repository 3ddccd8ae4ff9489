"""Sweeps: many runs that are planned, carried out, resumed and compared together."""
