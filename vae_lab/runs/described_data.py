"""The dataset of a run as its folder describes it, so that a figure that shows no example need not wait for any."""

from typing import Any

import torch

from vae_lab.examples import values_from
from vae_lab.runs.run import Run


class DescribedData:
    """The names, shapes and meaning of a run's examples, from ``environment.json`` and the config.

    The dataset itself is read when something else of it is asked for, such as its test images.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        about = run.environment
        self.name: str = run.config["dataset"]["name"]
        self.x_shape = tuple(about["x_shape"])
        self.values = values_from(about.get("values"))
        self.classes, self.attributes = tuple(about["classes"]), tuple(about["attributes"])
        self.notes: list[str] = []  # they were shown when the run was trained
        self.device = torch.device("cpu")
        self._run = run

    def __getattr__(self, name: str) -> Any:
        """Return what only the dataset itself knows."""
        data = self._run.data
        data.device = self.device
        return getattr(data, name)
