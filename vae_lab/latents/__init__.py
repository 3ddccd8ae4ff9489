"""Moving in a latent space: codes of images, images of codes, and the lines and grids between codes."""
