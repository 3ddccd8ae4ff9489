"""How a model is trained: the job, the steps, Lightning's module and trainer, checkpoints and history."""
