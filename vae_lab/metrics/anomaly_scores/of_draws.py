"""What scores that are estimated from draws of z have in common."""

from typing import Any

from pydantic import PositiveInt

from vae_lab.scores import Trained


class OfDraws:
    """An anomaly score that learns nothing from training examples and draws z for every example.

    Args:
        samples: number of draws of z per example and model.
    """

    def __init__(self, samples: PositiveInt = 4) -> None:
        self.samples = samples

    @property
    def about(self) -> dict[str, Any]:
        """The number of draws."""
        return {"latent_samples": self.samples}

    def fit(self, trained: Trained) -> None:
        """Learn nothing."""
