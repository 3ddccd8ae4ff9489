"""The types of the files of a run folder: which entries are read again, and what they must be."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Strict,
)

from vae_lab.system.reading import printable

_Text = Annotated[str, AfterValidator(printable)]  # is shown on the terminal


class Content(BaseModel):
    """A file of which some entries are read again; others are kept as they are."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class MetricProtocol(Content):
    """The protocol of one metric, as far as it is shown on the terminal."""

    images: NonNegativeInt
    features: str
    extractor_sha256: str


class FitRecord(Content):
    """The record of a sampler's fit, as far as it is shown on the terminal."""

    sampler: str
    codes: str
    seconds: NonNegativeFloat


class Results(Content):
    """The content of ``results.json``."""

    status: Literal["finished"]
    metrics: dict[str, float] = Field(default_factory=dict)
    intervals: dict[str, Annotated[tuple[float, float], Strict(False)]] = Field(default_factory=dict)
    meanings: dict[str, _Text] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)
    arrays: dict[str, list[Any]] = Field(default_factory=dict)
    notes: list[_Text] = Field(default_factory=list)


class ValuesRecord(Content):
    """What the numbers of an example mean; see :func:`vae_lab.examples.values_from`."""

    kind: Literal["images", "tokens", "vectors"]
    vocabulary: list[str] = Field(default_factory=list)
    separator: str = " "


class Environment(Content):
    """The entries of ``environment.json`` that are read again."""

    x_shape: list[PositiveInt] = Field(min_length=1)
    y_size: NonNegativeInt = 0
    classes: list[str] = Field(default_factory=list)
    attributes: list[str] = Field(default_factory=list)
    values: ValuesRecord | None = None
    parameters: NonNegativeInt
    device: str
    data_dir: str
    run_id: str = Field(pattern=r"^\w+$")
    sweep: str | None
    wall_seconds: NonNegativeFloat = Field(allow_inf_nan=False)


class Failure(Content):
    """The content of ``failure.json``."""

    reason: _Text


class SweepRecord(Content):
    """The content of ``sweep.json``, as far as it is read again."""

    command: str = ""
    fixed: list[str]
    varied: dict[str, list[Any]]
    pareto: list[Annotated[tuple[str, Literal["min", "max"]], Strict(False)]] = Field(default_factory=list)
