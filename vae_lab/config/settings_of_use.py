"""Settings of the commands that use a run: encode, decode, reconstruct, interpolate, detect, explore."""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import Field, PositiveFloat, PositiveInt

from vae_lab.config.node import Node
from vae_lab.config.settings import Accelerator, Settings, trust_field


class UseConfig(Settings):
    """What the commands that use the model of a run have in common."""

    run: str = Field(description="the run folder")
    y: int | float | str | list[int | float | str] | None = Field(
        description="for a conditional run: name or number of a label, one for all images or a list of one for each, "
        "or the values of all attributes",
        examples=[7],
    )
    trust: list[str] = trust_field()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator


class ImagesConfig(UseConfig):
    """How the images for a run are read."""

    range: float | list[float] | None = Field(
        description="pixel values that mean black and white, if the file does not make them clear; 255 means [0,255]",
        examples=["[-1,1]"],
    )
    background: Literal["white", "black"] | None = Field(
        description="colour over which transparent image files are laid", examples=["white"]
    )
    array: str | None = Field(description="name of the array, for a file of several", examples=["images"])
    axes: list[str] | None = Field(
        description="axes of the array, if its shape does not make them clear: N images, H rows, W columns, C channels",
        examples=["[N,H,W,C]"],
    )
    data_dir: str | None = Field(description="folder of the datasets, if not the one used in training")


def _images() -> Any:
    return Field(
        description="a folder of image files, an image file, an array (.npy, .npz, .mat, HDF5), or images of the run's "
        "dataset: test, val or train; other sizes and modes are brought to those of the run",
        examples=["<folder, image file or array file>, or images=test, val or train"],
    )


class EncodeConfig(ImagesConfig):
    """The settings of ``vae-lab encode``."""

    images: str = _images()
    to: str | None = Field(
        description="file to write: .csv, .npy or .parquet; null: encoded/<name of the images>.csv in the run folder",
        examples=["codes.csv"],
    )


class DecodeConfig(UseConfig):
    """The settings of ``vae-lab decode``."""

    codes: str = Field(
        description="file of codes: .csv, .npy or .parquet, as vae-lab encode writes them",
        examples=["<file .csv, .npy or .parquet, as vae-lab encode writes it>"],
    )
    to: str | None = Field(
        description="file to write, .npy; null: decoded/<name of the codes>.npy in the run folder",
        examples=["images.npy"],
    )


class ReconstructConfig(ImagesConfig):
    """The settings of ``vae-lab reconstruct``."""

    images: str = _images()
    to: str | None = Field(
        description="file to write, .npy; null: reconstructed/<name of the images>.npy in the run folder",
        examples=["reconstructions.npy"],
    )


class InterpolateConfig(ImagesConfig):
    """The settings of ``vae-lab interpolate``."""

    a: str | int = Field(
        description="image at which the line begins: an image file, or the number of a test image",
        examples=["<image file, or the number of a test image>"],
    )
    b: str | int = Field(
        description="image at which the line ends", examples=["<image file, or the number of a test image>"]
    )
    steps: int = Field(ge=2, description="number of decoded codes, the two reconstructions among them", examples=[9])
    line: Literal["linear", "spherical"] = Field(
        description="a straight line between the codes, or a line on a great circle"
    )
    to: str | None = Field(
        description="file to write, .npy; null: interpolated/<a>-<b>.npy in the run folder", examples=["line.npy"]
    )


class DetectConfig(Settings):
    """The settings of ``vae-lab detect``."""

    run: str = Field(description="the run folder; for scores=waic, the folder of a sweep over seeds")
    images: str | None = Field(
        description="images to judge: a folder of image files, an image file, or an array (.npy, .npz, .mat, HDF5); "
        "other sizes and modes are brought to those of the run"
    )
    against: str | None = Field(
        description="instead of images: a run of another dataset; the test images of each are anomalies for the other"
    )
    false_alarms: PositiveFloat = Field(
        lt=1, description="largest share of normal images that are flagged", examples=[0.01]
    )
    held_out: PositiveInt | None = Field(
        description="number of validation images that the threshold comes from; null: all", examples=[1000]
    )
    n: PositiveInt | None = Field(
        description="with against=: number of test images of each run, a fixed random choice; null: all",
        examples=[2000],
    )
    shown: PositiveInt = Field(description="number of images on the sheet, most anomalous first", examples=[24])
    array: str | None = Field(description="name of the array, for a file of several", examples=["images"])
    axes: list[str] | None = Field(
        description="axes of the array, if its shape does not make them clear", examples=["[N,H,W,C]"]
    )
    range: float | list[float] | None = Field(
        description="pixel values that mean black and white, if the file does not make them clear", examples=["[-1,1]"]
    )
    background: Literal["white", "black"] | None = Field(
        description="colour over which transparent image files are laid", examples=["white"]
    )
    out: str | None = Field(description="folder for the files; null: anomalies/<name of the images> in the run folder")
    data_dir: str | None = Field(description="folder of the datasets, if not the one used in training")
    trust: list[str] = trust_field()
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    scores: Node
    figures: Node = Field(default_factory=dict)  # holds the style alone


class ExploreConfig(Settings):
    """The settings of ``vae-lab explore``."""

    run: str = Field(description="the run folder")
    out: str | None = Field(
        description="the HTML file to write; null: explorer.html in the run folder", examples=["mnist.html"]
    )
    points: Annotated[int, Ge(16), Le(10_000)] = Field(
        description="largest number of test images in the page", examples=[1000]
    )
    weights: Literal["fp16", "fp32"] = Field(
        description="how the page stores the decoder's matrices; fp32 doubles their size", examples=["fp32"]
    )
    open: bool = Field(description="open the page in a browser", examples=["true"])
    data_dir: str | None = Field(description="folder of the datasets, if not the one used in training")
    trust: list[str] = trust_field()
    choices: dict[str, str | None] = Field(default_factory=dict)
