"""Training: jobs, the training step, Lightning's module and trainer, checkpoints and the history of a run.

- :mod:`~vae_lab.training.job`: a model with its objective;
- :mod:`~vae_lab.training.engine`: the training step, without Lightning;
- :mod:`~vae_lab.training.lit`: the LightningModule, which calls the engine;
- :mod:`~vae_lab.training.precision`: fp32, bf16 and fp16, and the clipping of gradients;
- :mod:`~vae_lab.training.trainer`: Lightning's trainer and its callbacks.
"""
