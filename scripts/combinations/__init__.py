"""Try every combination of options, and everything that a run of each model can do."""
