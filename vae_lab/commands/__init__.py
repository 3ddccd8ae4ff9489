"""One file for each command of ``vae-lab``."""
