"""p(z): what the latents are drawn from."""
