"""Faces drawn as a function of ten factors: the shapes of each part, and how light falls on them."""
