"""Figures of a trained model and of generated images, drawn with matplotlib."""
