"""The typed schema of configs: unknown keys, wrong types and values out of range are refused before anything starts.

Top-level numbers are fields of the classes here. What a group's YAML may hold is said by the constructor that its
``_target_`` names: its parameters are the keys, its annotations the types and ranges, so there is no second list.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)
from pydantic.errors import PydanticSchemaGenerationError

from vae_lab.config.renamed import current
from vae_lab.errors import UserError, did_you_mean

Node = dict[str, Any]

_LIBRARIES = ("torch.", "pytorch_lightning.", "sklearn.")  # their annotations are no ranges, and some are wrong


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class Training(_Schema):
    """How the optimizer steps are taken."""

    clip: PositiveFloat | None = Field(description="largest norm of the gradient; null: no clipping", examples=[1.0])
    accumulate: PositiveInt = Field(description="batches per optimizer step", examples=[4])
    patience: PositiveInt | None = Field(
        description="stop after so many epochs without a better val/loss", examples=[5]
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
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None  # where earlier runs named it


def _classifier() -> Node:
    return {"_target_": "vae_lab.features.classifier.classifier_features", "_partial_": True}


class TrainConfig(_Schema):
    """What ``vae-lab train`` is told."""

    latent_dim: PositiveInt = Field(description="dimensions of the latent vector z", examples=[16])
    beta: NonNegativeFloat | None = Field(description="weight of the KL term: k1=1, k2=beta", examples=[4])
    k1: NonNegativeFloat | None = Field(
        description="weight of the reconstruction term, instead of beta", examples=[0.5]
    )
    k2: NonNegativeFloat | None = Field(description="weight of the KL term, instead of beta", examples=[0.5])
    conditional: bool = Field(  # earlier runs do not name it
        False, description="tell encoder and decoder each image's label or attributes", examples=["true"]
    )
    epochs: PositiveInt = Field(description="passes over the training images", examples=[20])
    batch_size: PositiveInt = Field(description="images per batch (and process, under ddp)", examples=[128])
    lr: PositiveFloat = Field(description="learning rate", examples=["1e-3"])
    seed: NonNegativeInt = Field(
        lt=2**63, description="of initial weights, order of images and all noise", examples=[0]
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(  # earlier runs do not name this one and the next
        "fp32", description="of the arithmetic in networks while training; weights are fp32", examples=["bf16"]
    )
    compile: Literal[True, False, "auto"] = Field(
        False, description="torch.compile the training step; auto: where training is long enough", examples=["true"]
    )
    data_dir: str | None = Field(description="where datasets lie; else $VAE_LAB_DATA, else a cache in your home")
    resume: str | None = Field(None, description="a run folder: go on with that interrupted run as it was started")
    training: Training
    choices: dict[str, str | None] = Field(default_factory=dict)
    model: Node
    posterior: Node | None = None  # earlier runs name it under model alone, and have N(0, I) as prior
    prior: Node | None = None
    objective: Node
    likelihood: Node
    beta_schedule: Node
    dataset: Node
    optimizer: Node
    scheduler: Scheduler
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)  # earlier runs do not name this one and the next
    features: Node = Field(default_factory=_classifier)
    metrics: Node
    figures: Node
    logger: Node


class SweepConfig(_Schema):
    """What ``vae-lab train`` is told of a sweep; none of it is part of a run's own config."""

    sweep: str | None = Field(
        description="name of the sweep's folder under outputs/sweeps; null: made from the words", examples=["mine"]
    )
    dry_run: bool = Field(description="only show the numbered jobs of the sweep", examples=["true"])
    vary: Node
    launcher: Node
    search: Node


class EvaluateConfig(_Schema):
    """What ``vae-lab evaluate`` is told."""

    run: str = Field(description="the run folder")
    data_dir: str | None = Field(description="where datasets lie, if not where they lay in training")
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)
    features: Node
    metrics: Node
    figures: Node


class ScoreConfig(_Schema):
    """What ``vae-lab score`` is told."""

    images: str = Field(description="the images: a folder of image files, or a .npy array")
    range: Literal[1, 255] | None = Field(description="the value that means white, where the file leaves it in doubt")
    channels: Literal["grey", "rgb"] | None = Field(
        description="turn RGB images grey, or repeat grey ones as rgb, to fit the dataset"
    )
    seed: NonNegativeInt = Field(lt=2**63, description="of the choice of images and of the resamples", examples=[0])
    data_dir: str | None = Field(description="where datasets lie; else $VAE_LAB_DATA, else a cache in your home")
    choices: dict[str, str | None] = Field(default_factory=dict)
    dataset: Node
    accelerator: Accelerator
    features: Node
    metrics: Node
    figures: Node
    logger: Node


class SampleConfig(_Schema):
    """What ``vae-lab sample`` is told."""

    run: str = Field(description="the run folder")
    n: PositiveInt = Field(description="how many images", examples=[64])
    seed: NonNegativeInt = Field(lt=2**63, description="of the draws of codes", examples=[0])
    y: int | float | str | list[int | float | str] | None = Field(
        description="of a conditional run: a label's name or number, several as [0,1,2], or all attributes' values",
        examples=[7],
    )
    out: str | None = Field(description="folder for the grid and the array; null: samples/ in the run folder")
    dir: str | None = Field(description="also write one PNG per image into this folder")
    choices: dict[str, str | None] = Field(default_factory=dict)
    accelerator: Accelerator
    sampler: Node = Field(default_factory=dict)


class CompareConfig(_Schema):
    """What ``vae-lab compare`` is told."""

    runs: list[str] = Field(description="run folders, folders above them or globs; typed without runs=")
    show: list[str] | None = Field(description="scores to show, e.g. [fid,elbo]; null: a few", examples=["[fid,elbo]"])
    grids: NonNegativeInt = Field(
        description="runs whose samples and reconstructions are drawn, best first", examples=[24]
    )
    open: bool = Field(description="open the page in a browser", examples=["true"])
    out: str | None = Field(description="folder to write to; null: the sweep's own, else outputs/compare/<date>_<time>")


SchemaT = TypeVar("SchemaT", bound=_Schema)


def check(schema: type[SchemaT], config: Node) -> SchemaT:
    """The config as typed object.

    Raises:
        UserError: names the key, what is wrong with it and what to type.
    """
    try:
        settings = schema.model_validate(config)
    except ValidationError as error:
        raise UserError(_first_problem(error, schema, config)) from error
    for path, node in _components(config):
        _check_component(path, node)
    return settings


def resolve_weights(weights: Node, typed: set[str], weighs_kl: bool) -> Node:
    """k1, k2 and beta, filled in so that all three are consistent.

    Args:
        weights: the three as they were composed.
        typed: the keys that were typed.
        weighs_kl: whether the objective has a KL term.

    Raises:
        UserError: both forms were given, both weights are 0, or there is nothing to weigh.
    """
    beta, k1, k2 = weights["beta"], weights["k1"], weights["k2"]
    idle = [key for key in sorted(typed) if key.partition(".")[0] in (*weights, "beta_schedule")]
    if idle and not weighs_kl:
        shown = f"{idle[0]}={_shown(weights[idle[0]])}" if idle[0] in weights else idle[0]
        raise UserError(
            f"{shown}: this objective has no KL term that {idle[0]} weighs; leave {idle[0]} out, or see its own "
            "numbers: vae-lab train … --cfg job"
        )
    both = beta not in (None, 1) and not (k1 is None and k2 is None)
    saved = both and k1 and k2 is not None and beta == k2 / k1  # a run's own config.yaml holds all three
    if (both and not saved) or ("beta" in typed and not (k1 is None and k2 is None)):
        raise UserError(
            f"beta={_shown(beta)} together with k1={_shown(k1)} k2={_shown(k2)}: give either beta (k1=1, k2=beta) "
            "or k1 and k2"
        )
    if k1 is None and k2 is None:
        k1, k2 = 1.0, 1.0 if beta is None else beta
    k1, k2 = (1.0 if k is None else k for k in (k1, k2))
    if not all(isinstance(k, int | float) and not isinstance(k, bool) and k >= 0 for k in (k1, k2)):
        return weights  # the schema names the offender
    if k1 == k2 == 0:
        raise UserError("k1=0 k2=0 leaves nothing to minimise; give at least one of them a positive value")
    return {"k1": float(k1), "k2": float(k2), "beta": k2 / k1 if k1 > 0 else None}


def _components(node: Any, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every mapping with a ``_target_``, with its dotted path."""
    if isinstance(node, Mapping):
        if node.get("_target_"):
            yield path, dict(node)
        for key, value in node.items():
            yield from _components(value, f"{path}.{key}" if path else str(key))


def _check_component(path: str, node: Node) -> None:
    target = _locate(path, current(node)["_target_"])
    parameters = inspect.signature(target).parameters
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = {} if node["_target_"].startswith(_LIBRARIES) else _hints(target)
    for key, value in node.items():
        if key.startswith("_"):
            continue
        if key not in parameters and not accepts_any:
            known = [name for name in parameters if name != "self"]
            raise UserError(f"{path}.{key}: no such key{did_you_mean(key, known)}; known: {', '.join(known)}")
        is_component = isinstance(value, Mapping) and "_target_" in value
        if key in hints and not is_component:
            _check_value(f"{path}.{key}", value, hints[key])


def _check_value(path: str, value: Any, hint: Any) -> None:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
    except PydanticSchemaGenerationError:
        return  # a type that no YAML value has
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise UserError(f"{path}={_shown(value)}: {_reason(error.errors()[0])}") from error


@cache
def _hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except NameError:  # of names that only type checkers import
        return {}


def _locate(path: str, name: str) -> Any:
    from hydra.utils import get_object

    try:
        return get_object(name)
    except Exception as why:
        raise UserError(f"{path}._target_={name} cannot be imported ({' '.join(str(why).split())})") from why


def _first_problem(error: ValidationError, schema: type[BaseModel], config: Node) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"] if part not in ("int", "float", "str"))
    if problem["type"] == "extra_forbidden":
        known = _known_keys(schema, [str(part) for part in problem["loc"][:-1]])
        return f"{path}: no such key{did_you_mean(str(problem['loc'][-1]), known)}; known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{path} is missing; type {path}=…"
    return f"{path}={_shown(problem['input'])}: {_reason(problem)}{_advice(schema, path)}"


def _advice(schema: type[BaseModel], path: str) -> str:
    """What to type instead, for the fields that say so."""
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


def _reason(problem: Any) -> str:
    """Pydantic's message as an instruction."""
    message = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return message.replace("should match pattern", "must match").replace("should be", "must be")


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
