"""The plots of a comparison, as data."""
