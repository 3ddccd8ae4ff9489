"""The schema of configs: unknown keys, wrong types and values out of range are refused before anything starts.

Top-level settings are fields of the classes in this module. The YAML of a group is checked against the constructor that
its ``_target_`` names: the parameters are the keys, and their annotations give the types and ranges.
"""

import inspect
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import MinLen
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from vae_lab.config.node import Node, shown
from vae_lab.config.parts import check_parts, reason
from vae_lab.errors import UserError, did_you_mean


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class Training(_Schema):
    """How the optimizer steps are taken."""

    clip: PositiveFloat | None = Field(description="largest norm of the gradient; null: no clipping", examples=[1.0])
    accumulate: PositiveInt = Field(description="batches per optimizer step", examples=[4])
    patience: PositiveInt | None = Field(
        description="stop after this many epochs without a better val/loss", examples=[5]
    )
    log_every: PositiveInt = Field(description="optimizer steps between two points of the step/… curves", examples=[50])


class Scheduler(_Schema):
    """When the learning rate changes."""

    interval: Literal["epoch", "step"]
    make: Node | None


class Accelerator(_Schema):
    """Where training runs."""

    kind: Literal["auto", "cpu", "gpu", "mps"]
    devices: PositiveInt = Field(examples=[2])
    strategy: Literal["auto", "ddp"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None  # earlier versions named it here


def _classifier() -> Node:
    return {"_target_": "vae_lab.features.classifier.classifier_features", "_partial_": True}


class TrainConfig(_Schema):
    """The settings of one run of ``vae-lab train``."""

    latent_dim: PositiveInt = Field(description="dimensions of the latent vector z", examples=[16])
    beta: NonNegativeFloat | None = Field(description="weight of the KL term: k1=1, k2=beta", examples=[4])
    k1: NonNegativeFloat | None = Field(
        description="weight of the reconstruction term, instead of beta", examples=[0.5]
    )
    k2: NonNegativeFloat | None = Field(description="weight of the KL term, instead of beta", examples=[0.5])
    conditional: bool = Field(
        False,  # earlier versions do not have this field
        description="give each image's label or attributes to encoder and decoder",
        examples=["true"],
    )
    epochs: PositiveInt = Field(description="passes over the training images", examples=[20])
    batch_size: PositiveInt = Field(description="images per batch (and process, under ddp)", examples=[128])
    lr: PositiveFloat = Field(description="learning rate", examples=["1e-3"])
    seed: NonNegativeInt = Field(
        lt=2**63, description="seed of the initial weights, the order of images and all noise", examples=[0]
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32",  # earlier versions have neither this field nor the next one
        description="precision of the networks' arithmetic in training; weights stay fp32",
        examples=["bf16"],
    )
    compile: Literal[True, False, "auto"] = Field(
        False,
        description="torch.compile the training step; auto: only if training is long enough to gain from it",
        examples=["true"],
    )
    data_dir: str | None = Field(
        description="folder of the datasets; null: $VAE_LAB_DATA, else a cache in your home folder"
    )
    resume: str | None = Field(
        None, description="folder of an interrupted run, to resume it with its original settings"
    )
    training: Training
    choices: dict[str, str | None] = Field(default_factory=dict)
    model: Node
    posterior: Node | None = None  # earlier versions have it under model, and N(0, I) as prior
    prior: Node | None = None
    quantizer: Node | None = None
    objective: Node
    likelihood: Node
    beta_schedule: Node
    dataset: Node
    optimizer: Node
    scheduler: Scheduler
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)  # earlier versions have neither this field nor the next one
    features: Node = Field(default_factory=_classifier)
    metrics: Node
    figures: Node
    logger: Node


def _trust() -> Any:
    return Field(
        default_factory=list,
        description="packages outside vae_lab whose classes the run's config may name, in this command only",
        examples=["[mylab]"],
    )


class SweepConfig(_Schema):
    """The settings of ``vae-lab train`` that are not part of the config of a run; most of them are those of a sweep."""

    sweep: str | None = Field(
        description="name of the sweep's folder under outputs/sweeps; null: derived from the command line",
        examples=["mine"],
    )
    dry_run: bool = Field(description="list the numbered jobs of the sweep without running them", examples=["true"])
    vary: Node
    launcher: Node
    search: Node
    trust: list[str] = _trust()


class EvaluateConfig(_Schema):
    """The settings of ``vae-lab evaluate``."""

    run: str = Field(description="the run folder")
    data_dir: str | None = Field(description="folder of the datasets, if not the one used in training")
    trust: list[str] = _trust()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)
    features: Node
    metrics: Node
    figures: Node


class ScoreConfig(_Schema):
    """The settings of ``vae-lab score``."""

    images: str = Field(description="images to score: a folder of image files, or a .npy, .npz, .mat or HDF5 array")
    array: str | None = Field(description="name of the array, for a file of several", examples=["images"])
    axes: list[str] | None = Field(
        description="axes of the array, if its shape does not make them clear: N images, H rows, W columns, C channels",
        examples=["[N,H,W,C]"],
    )
    range: float | list[float] | None = Field(
        description="pixel values that mean black and white, if the file does not make them clear; 255 means [0,255]",
        examples=["[-1,1]"],
    )
    background: Literal["white", "black"] | None = Field(
        None, description="colour over which transparent image files are laid", examples=["white"]
    )
    channels: Literal["grey", "rgb"] | None = Field(
        description="convert RGB images to grey, or repeat grey images as RGB, to match the dataset"
    )
    seed: NonNegativeInt = Field(
        lt=2**63, description="seed of the choice of images and of the resampling", examples=[0]
    )
    data_dir: str | None = Field(
        description="folder of the datasets; null: $VAE_LAB_DATA, else a cache in your home folder"
    )
    choices: dict[str, str | None] = Field(default_factory=dict)
    dataset: Node
    accelerator: Accelerator
    features: Node
    metrics: Node
    figures: Node
    logger: Node


class SampleConfig(_Schema):
    """The settings of ``vae-lab sample``."""

    run: str = Field(description="the run folder")
    n: PositiveInt = Field(description="number of images to generate", examples=[64])
    seed: NonNegativeInt = Field(lt=2**63, description="seed of the codes that are drawn", examples=[0])
    y: int | float | str | list[int | float | str] | None = Field(
        description="for a conditional run: name or number of a label, several as [0,1,2], or values of all attributes",
        examples=[7],
    )
    temperature: NonNegativeFloat | Annotated[list[NonNegativeFloat], MinLen(1)] = Field(
        description="factor of the noise of the codes; below 1, samples are more typical and differ less; a list gives "
        "one per level of a hierarchy, the top level first",
        examples=[0.7],
    )
    out: str | None = Field(description="folder for the grid and the array; null: samples/ in the run folder")
    dir: str | None = Field(description="also write one PNG per image into this folder")
    trust: list[str] = _trust()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)


class CompareConfig(_Schema):
    """The settings of ``vae-lab compare``."""

    runs: list[str] = Field(description="run folders, folders that contain them, or globs; typed without runs=")
    show: list[str] | None = Field(
        description="scores to show, e.g. [fid,elbo]; null: a selection", examples=["[fid,elbo]"]
    )
    grids: NonNegativeInt = Field(
        description="number of runs whose samples and reconstructions are drawn, best first", examples=[24]
    )
    open: bool = Field(description="open the page in a browser", examples=["true"])
    out: str | None = Field(
        description="folder to write to; null: the sweep's folder, else outputs/compare/<date>_<time>"
    )


SCHEMAS: dict[str, type[_Schema]] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "sample": SampleConfig,
    "score": ScoreConfig,
    "compare": CompareConfig,
}
SchemaT = TypeVar("SchemaT", bound=_Schema)


def check(schema: type[SchemaT], config: Node) -> SchemaT:
    """Check a config against a schema and return it as an object of that class.

    Raises:
        UserError: the config is not valid; the message names the key, what is wrong with it and what to type.
    """
    settings = check_settings(schema, config)
    check_parts(config)
    return settings


def check_settings(schema: type[SchemaT], config: Node) -> SchemaT:
    """Check the settings of a config as :func:`check` does, but not the options of its groups.

    Their classes, and with them torch, are therefore not imported.

    Raises:
        UserError: as in :func:`check`.
    """
    try:
        return schema.model_validate(config)
    except ValidationError as error:
        raise UserError(_first_problem(error, schema, config)) from error


def _first_problem(error: ValidationError, schema: type[BaseModel], config: Node) -> str:
    first, *others = error.errors()
    # A value of several possible types has one problem per type. The longest place is of the type that fits best.
    problem = max(
        [first, *(one for one in others if one["loc"][0] == first["loc"][0])], key=lambda one: len(one["loc"])
    )
    path = ".".join(str(part) for part in problem["loc"] if problem["type"] == "extra_forbidden" or _is_key(part))
    if problem["type"] == "extra_forbidden":
        known = _known_keys(schema, [str(part) for part in problem["loc"][:-1]])
        return f"{path}: no such key{did_you_mean(str(problem['loc'][-1]), known)}; known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{path} is missing; type {path}=…"
    return f"{path}={shown(problem['input'])}: {reason(problem)}{_advice(schema, path)}"


def _is_key(part: str | int) -> bool:
    """Whether a part of a place is a key or an index, and not pydantic's name of one of several types."""
    return isinstance(part, int) or (part.isidentifier() and part not in ("int", "float", "str"))


def _advice(schema: type[BaseModel], path: str) -> str:
    """Return what to type instead, for fields that have an example; else an empty string."""
    *parents, key = path.split(".")
    for part in parents:
        inner = schema.model_fields[part].annotation if part in schema.model_fields else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            return ""
        schema = inner
    examples = schema.model_fields[key].examples if key in schema.model_fields else None
    return f"; type {path}={examples[0]}" if examples else ""


def _known_keys(schema: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        schema = schema.model_fields[part].annotation  # type: ignore[assignment]
    return list(schema.model_fields)
