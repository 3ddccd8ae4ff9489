"""The plots of a comparison, as data that is independent of how they are drawn."""
