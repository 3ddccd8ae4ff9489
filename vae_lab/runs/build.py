"""Builds the dataset, the model and the objective that a resolved config describes."""

from functools import partial
from pathlib import Path
from textwrap import shorten

import torch

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.reads import accepted
from vae_lab.data.cache import data_root
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.examples import ImageBytes, Tokens, Values
from vae_lab.nets.initialisation import begin_at
from vae_lab.training.checkpoints import is_whole, scored_weights
from vae_lab.training.job import Job
from vae_lab.types import Shape


def make_data(config: Node) -> Dataset:
    """The dataset of a config, with its examples loaded."""
    dataset: Dataset = make(config["dataset"], root=data_root(config["data_dir"]))
    return dataset


def make_job(config: Node, x_shape: Shape, y_size: int, values: Values | None = None) -> Job:
    """The model and the objective of a config, with initial weights that depend only on the config's seed.

    The model receives those of the arguments ``x_shape``, ``vocabulary`` (the number of tokens), ``y_size`` and
    ``latent_dim`` that its constructor has parameters for. A likelihood whose YAML has ``_partial_: true`` receives
    ``x_shape`` and ``vocabulary`` in the same way.

    Args:
        config: the resolved config of a run.
        x_shape: the shape of one example.
        y_size: the number of classes or attributes; 0 if the dataset has neither.
        values: the meaning of the numbers in an example; images by default.
    """
    values = values or ImageBytes()
    about = {"x_shape": x_shape, **({"vocabulary": len(values.vocabulary)} if isinstance(values, Tokens) else {})}
    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        likelihood = make(config["likelihood"])
        if isinstance(likelihood, partial):
            likelihood = likelihood(**accepted(config["likelihood"]["_target_"], about))
        about |= {"y_size": y_size, "latent_dim": config["latent_dim"]}
        model = make(config["model"], likelihood=likelihood, **accepted(config["model"]["_target_"], about))
        if initialisation := config.get("initialisation"):  # runs of earlier versions have none
            make(initialisation)(model)
        return Job(model, make(config["objective"]))


def begin_at_data(job: Job, config: Node, data: Dataset) -> None:
    """Set what the initial weights take from the training data, for ``initialisation.output_bias=data``; else nothing.

    Raises:
        UserError: the likelihood or the decoder does not allow it.
    """
    if (config.get("initialisation") or {}).get("output_bias") != "data":
        return
    sums = [images.double().sum(0) for images in data.clean("train")]
    begin_at(job.model, (torch.stack(sums).sum(0) / len(data.train)).float())


def make_job_of(run_dir: Path, config: Node, x_shape: Shape, y_size: int, values: Values | None = None) -> Job:
    """The same for the config of a run folder, which a person may have changed.

    Raises:
        UserError: the parts cannot be built; it names the folder.
    """
    try:
        return make_job(config, x_shape, y_size, values)
    except (UserError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, MemoryError) as why:
        reason = shorten(str(why), 200, placeholder="…")
        files = f"{run_dir / 'config.yaml'} or environment.json beside it is damaged"
        raise UserError(f"{files}: the model they describe cannot be built ({reason}); restore them") from why


def load_weights(job: Job, checkpoint: Path) -> int:
    """Load the weights to score of a checkpoint, and return the epoch of the checkpoint, counted from 1.

    They are the averaged weights of a run with ``training.ema``.

    Raises:
        UserError: the file is missing, is damaged, or holds the weights of another model.
    """
    if checkpoint.exists() and not is_whole(checkpoint):
        raise UserError(f"{checkpoint} is truncated or corrupt")
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        job.load_state_dict(scored_weights(content))
        return int(content["epoch"]) + 1
    except FileNotFoundError as why:
        raise UserError(f"{checkpoint} is missing; the run has no weights to load") from why
    except Exception as why:  # torch raises many types of exception for a wrong archive
        reason = shorten(str(why), 120, placeholder="…")
        raise UserError(
            f"{checkpoint} is of another model ({reason}); use the code and the config.yaml that it was written with"
        ) from why
