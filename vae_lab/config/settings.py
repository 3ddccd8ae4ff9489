"""The top-level settings of every command, with their types, ranges and descriptions.

Each class is the schema of the primary config of a command. :mod:`vae_lab.config.schema` checks configs against them.
"""

from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from vae_lab.config.node import Node


class Settings(BaseModel):
    """Settings of a command: no other keys, and no conversions between types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class Training(Settings):
    """How the optimizer steps are taken."""

    clip: PositiveFloat | None = Field(description="largest norm of the gradient; null: no clipping", examples=[1.0])
    accumulate: PositiveInt = Field(description="batches per optimizer step", examples=[4])
    ema: PositiveFloat | None = Field(
        None,  # earlier versions do not have this field
        lt=1,
        description="decay of the moving average of the weights, which validation and scores then use; null: none",
        examples=[0.999],
    )
    patience: PositiveInt | None = Field(
        description="stop after this many epochs without a better val/loss", examples=[5]
    )
    log_every: PositiveInt = Field(description="optimizer steps between two points of the step/… curves", examples=[50])


class Scheduler(Settings):
    """When the learning rate changes."""

    interval: Literal["epoch", "step"]
    make: Node | None


class Accelerator(Settings):
    """Where training runs."""

    kind: Literal["auto", "cpu", "gpu", "mps"]
    devices: PositiveInt = Field(examples=[2])
    strategy: Literal["auto", "ddp"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None  # earlier versions named it here


def _classifier() -> Node:
    return {"_target_": "vae_lab.features.classifier.classifier_features", "_partial_": True}


class TrainConfig(Settings):
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
    graph: bool = Field(
        False,
        description="take each training step as one CUDA graph, which launches its kernels without waiting for Python",
        examples=["true"],
    )
    classifier: Literal[True, False, "auto"] = Field(
        True,  # earlier versions do not have this field
        description="train a classifier for FID and others if the dataset has none; auto: if the run takes longer",
        examples=["true"],
    )
    data_dir: str | None = Field(
        description="folder of the datasets; null: $VAE_LAB_DATA, else a cache in your home folder"
    )
    continues: str | None = Field(
        None, description="typed as from=<run>: the run whose last state training begins from, for more epochs"
    )
    init: str | None = Field(None, description="folder of a run whose weights training begins with")
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
    initialisation: Node = Field(default_factory=dict)  # earlier versions have torch's initial weights
    beta_schedule: Node
    dataset: Node
    optimizer: Node
    scheduler: Scheduler
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)  # earlier versions have neither this field nor the next one
    features: Node = Field(default_factory=_classifier)
    scores: Node = Field(default_factory=dict)  # absent unless typed
    metrics: Node
    figures: Node
    logger: Node


def trust_field() -> Any:
    """Return the field ``trust`` of a command that reads a run."""
    return Field(
        default_factory=list,
        description="packages outside vae_lab whose classes the run's config may name, in this command only",
        examples=["[mylab]"],
    )


class SweepConfig(Settings):
    """The settings of ``vae-lab train`` that are not part of the config of a run; most of them are those of a sweep."""

    sweep: str | None = Field(
        description="name of the sweep's folder under outputs/sweeps; null: derived from the command line",
        examples=["mine"],
    )
    dry_run: bool = Field(description="list the numbered jobs of the sweep without running them", examples=["true"])
    vary: Node
    launcher: Node
    search: Node
    trust: list[str] = trust_field()


class FiguresConfig(Settings):
    """The settings of ``vae-lab figures``."""

    run: str = Field(description="the run folder, or the folder of a sweep")
    data_dir: str | None = Field(description="folder of the datasets, if not the one used in training")
    trust: list[str] = trust_field()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    features: Node
    figures: Node


class EvaluateConfig(FiguresConfig):
    """The settings of ``vae-lab evaluate``: those of ``vae-lab figures``, with what is scored."""

    sampler: Node = Field(default_factory=dict)
    scores: Node = Field(default_factory=dict)
    metrics: Node


class ScoreConfig(Settings):
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


class SampleConfig(Settings):
    """The settings of ``vae-lab sample``."""

    run: str = Field(description="the run folder")
    n: PositiveInt = Field(description="number of images to generate", examples=[64])
    seed: NonNegativeInt = Field(lt=2**63, description="seed of the codes that are drawn", examples=[0])
    y: int | float | str | list[int | float | str] | None = Field(
        description="for a conditional run: name or number of a label, several as [0,1,2], or values of all attributes",
        examples=[7],
    )
    temperature: NonNegativeFloat | Annotated[list[NonNegativeFloat], MinLen(1)] = Field(
        description="factor of the noise of the codes, or divisor of the logits of discrete ones; below 1, samples are "
        "more typical and differ less; a list gives one per level of a hierarchy, the top level first",
        examples=[0.7],
    )
    out: str | None = Field(description="folder for the grid and the array; null: samples/ in the run folder")
    dir: str | None = Field(description="also write one PNG per image into this folder")
    trust: list[str] = trust_field()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)


class CompareConfig(Settings):
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
    figures: Node = Field(default_factory=dict)  # holds the style alone


class ListConfig(Settings):
    """The settings of ``vae-lab list``."""

    runs: list[str] = Field(description="run folders, folders that contain them, or globs; typed without runs=")
    show: list[str] | None = Field(
        description="scores to show, e.g. [val/elbo,fid]; null: a selection", examples=["[val/elbo,fid]"]
    )
