"""Underscored attributes of Lightning, each behind one name with the reason for using it.

Lightning does not promise to keep them. When a new Lightning version breaks a stack, look here first.
"""

import pytorch_lightning as pl


def logging_step(trainer: pl.Trainer) -> int:
    """Return the step at which Lightning logs an epoch's metrics: its training steps so far.

    A stacked job calls its loggers itself and must use the same step as a run trained alone. Lightning has no public
    name for this count; ``trainer.global_step`` counts the steps of every optimizer instead.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped
