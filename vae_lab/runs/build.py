"""From a resolved config to data, model and objective."""

from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from vae_lab.config.make import make
from vae_lab.data.cache import data_root
from vae_lab.data.image_data import ImageData
from vae_lab.errors import UserError
from vae_lab.training.job import Job
from vae_lab.types import Shape

Node = dict[str, Any]


def make_data(config: Node) -> ImageData:
    """The dataset, loaded."""
    return make(config["dataset"], root=data_root(config["data_dir"]))


def make_job(config: Node, x_shape: Shape, y_size: int) -> Job:
    """Model and objective with fresh weights that depend on the seed alone; ``y_size`` as in ``ImageData``."""
    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        likelihood = make(config["likelihood"])
        if isinstance(likelihood, partial):  # one that keeps a number for each pixel
            likelihood = likelihood(x_shape)
        about = {"x_shape": x_shape, "y_size": y_size, "latent_dim": config["latent_dim"]}
        model = make(config["model"], likelihood=likelihood, **about)
        return Job(model, make(config["objective"]))


def load_weights(job: Job, checkpoint: Path) -> int:
    """Put a checkpoint's weights into the job; returns its epoch, counted from 1.

    Raises:
        UserError: the file is missing, damaged or of another model.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state = {key.removeprefix("job."): value for key, value in content["state_dict"].items()}
        job.load_state_dict(state)
        return int(content["epoch"]) + 1
    except FileNotFoundError as why:
        raise UserError(f"{checkpoint} is missing; the run has no weights to load") from why
    except Exception as why:  # a damaged archive makes torch raise a dozen kinds
        reason = shorten(str(why), 120, placeholder="…")
        raise UserError(f"{checkpoint} is truncated, corrupt or of another model ({reason})") from why
