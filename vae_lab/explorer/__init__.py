"""One HTML page in which a run's latent space is walked through: its decoder runs in the page itself.

A decoder becomes a list of layers (:mod:`~vae_lab.explorer.tracing`) that the scripts under ``page/`` carry out. The
same list is carried out here on the page's weights and compared with the model before anything is written
(:mod:`~vae_lab.explorer.checking`).
"""
