"""The vocabulary of datasets: sets of examples, what their numbers mean, and a dataset as metrics see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vae_lab.types import Batch, Noise, Shape


class Values(Protocol):
    """The meaning of the numbers of an example: how they are stored, and how a model receives them."""

    @property
    def kind(self) -> str:
        """'images', 'tokens' or 'vectors': the kind that metrics, figures, likelihoods and networks ask for."""

    @property
    def one(self) -> str:
        """A single example, for units: ``nats per image``."""

    @property
    def many(self) -> str:
        """Several examples, where they are counted: ``1,000 images``."""

    @property
    def value(self) -> str:
        """A single value of an example, for units: ``bits per pixel``."""

    def ready(self, stored: Tensor, device: torch.device) -> Tensor:
        """Stored values [N, *x_shape] as a model receives them, on its device."""

    def describe(self, x_shape: Shape) -> str:
        """The examples in a few words: ``images of 1×28×28``."""

    @property
    def about(self) -> dict[str, Any]:
        """Plain values from which :func:`values_from` makes the same object; saved in ``environment.json``."""


@dataclass(frozen=True)
class ImageBytes:
    """Images [C, H, W], stored as bytes and given to a model as floats in [0, 1]."""

    kind = "images"
    one = "image"
    many = "images"
    value = "pixel"

    def ready(self, stored: Tensor, device: torch.device) -> Tensor:
        """uint8 to float: value / 255."""
        return stored.to(device, non_blocking=True).float().div_(255)

    def describe(self, x_shape: Shape) -> str:
        """``images of 1×28×28``."""
        return f"images of {'×'.join(map(str, x_shape))}"

    @property
    def about(self) -> dict[str, Any]:
        """The kind alone."""
        return {"kind": self.kind}


@dataclass(frozen=True)
class Tokens:
    """Sequences of T tokens, long integers from 0 to V − 1, stored and given to a model as they are.

    Args:
        vocabulary: the V tokens as text.
        separator: what stands between two tokens when a sequence is written as text.
    """

    vocabulary: tuple[str, ...]
    separator: str = " "
    kind = "tokens"
    one = "sequence"
    many = "sequences"
    value = "token"

    def ready(self, stored: Tensor, device: torch.device) -> Tensor:
        """Long integers."""
        return stored.to(device, non_blocking=True).long()

    def describe(self, x_shape: Shape) -> str:
        """``sequences of 15 tokens out of 12``."""
        return f"sequences of {'×'.join(map(str, x_shape))} tokens out of {len(self.vocabulary)}"

    def text(self, x: Tensor) -> list[str]:
        """Sequences [N, T] as lines of text."""
        return [self.separator.join(self.vocabulary[i] for i in row) for row in x.flatten(1).tolist()]

    @property
    def about(self) -> dict[str, Any]:
        """The kind and the vocabulary."""
        return {"kind": self.kind, "vocabulary": list(self.vocabulary), "separator": self.separator}


@dataclass(frozen=True)
class RealVectors:
    """Real numbers of any shape, stored and given to a model as float32."""

    kind = "vectors"
    one = "vector"
    many = "vectors"
    value = "number"

    def ready(self, stored: Tensor, device: torch.device) -> Tensor:
        """float32."""
        return stored.to(device, non_blocking=True).float()

    def describe(self, x_shape: Shape) -> str:
        """``vectors of 30 numbers``."""
        return f"vectors of {'×'.join(map(str, x_shape))} numbers"

    @property
    def about(self) -> dict[str, Any]:
        """The kind alone."""
        return {"kind": self.kind}


def in_words_of(values: Values, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by name, with ``{one}``, ``{many}`` and ``{value}`` as these values say them: ``nats per {one}``."""
    words = {"one": values.one, "many": values.many, "value": values.value}
    return {name: text.format(**words) for name, text in texts.items()}


def values_from(about: dict[str, Any] | None) -> Values:
    """The inverse of :attr:`Values.about`; runs saved before there was a choice hold images."""
    kind = "images" if about is None else about["kind"]
    if kind == "tokens":
        assert about is not None
        return Tokens(tuple(about["vocabulary"]), about["separator"])
    return RealVectors() if kind == "vectors" else ImageBytes()


class Stored(Protocol):
    """Stored values of M examples, [M, *x_shape], held in memory or made on demand. A Tensor is one."""

    @property
    def shape(self) -> Sequence[int]:
        """M, then the shape of an example."""

    @property
    def device(self) -> torch.device:
        """The device that holds them."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take."""

    def __len__(self) -> int:
        """M."""

    def __getitem__(self, index: Any) -> Tensor:
        """The examples at positions: long [N] to [N, *x_shape]."""

    def to(self, device: torch.device) -> Any:
        """The same on another device."""


@dataclass
class Factors:
    """Known factors of variation: one image for every combination of their values.

    They are the images of the dataset, or others that are made for the scores.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]  # number of values of each factor
    stored: Stored  # [product of the sizes, *x_shape], the last factor changing fastest
    label: str = ""  # the name of these images in protocols
    targets: Tensor | None = None  # their labels or attributes, which a conditional model reads


@dataclass
class Examples:
    """A set of examples held in memory, or a part of one that shares its memory."""

    stored: Stored  # [M, *x_shape]: uint8 for images, integers for tokens, floats for vectors
    targets: Tensor | None  # long [M] class labels or float [M, A] attributes
    classes: tuple[str, ...] = ()  # names of the labels
    chosen: Tensor | None = None  # long [N]: which of the M belong to this part; None: all
    factors: Factors | None = None  # of all M, where the examples were made from them
    attributes: tuple[str, ...] = ()  # names of the attributes
    values: Values = field(default_factory=ImageBytes)
    for_validation: Tensor | None = None  # bool [M]: those that the source gives for validation; None: none are given
    notes: tuple[str, ...] = ()  # sentences for the user about how the source was read
    masks: Stored | None = None  # uint8 [M, 1, H, W]: 255 where the pixels of an image show a defect, else 0
    normal: tuple[int, ...] = ()  # labels of normal examples, where the others are anomalies; empty: there are none
    preparation: Mapping[str, Any] = field(default_factory=dict)  # entries of every protocol: {"crop": 148}

    def __len__(self) -> int:
        return len(self.stored if self.chosen is None else self.chosen)

    @property
    def x_shape(self) -> Shape:
        """The shape of one example."""
        return tuple(self.stored.shape[1:])

    @property
    def labels(self) -> Tensor | None:
        """Class labels of this part: long [N]; None where there are attributes or nothing."""
        return None if self.attributes else self.y

    @property
    def y(self) -> Tensor | None:
        """Class labels, long [N], or attributes, float [N, A], of this part; None where there are none."""
        return self.targets if self.targets is None or self.chosen is None else self.targets[self.chosen]

    @property
    def given_validation(self) -> Tensor | None:
        """Which examples of this part the source gives for validation: bool [N]; None if a share is to be held out."""
        given = self.for_validation
        return given if given is None or self.chosen is None else given[self.chosen]

    def at(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Stored values, and labels or attributes, at positions of this part."""
        where = index if self.chosen is None else self.chosen[index]
        return self.stored_at(where), None if self.targets is None else self.targets[where]

    def stored_at(self, where: Tensor) -> Tensor:
        """Stored values at positions among all M: long [N] to [N, *x_shape]."""
        if isinstance(self.stored, Tensor):  # index_select copies whole examples: six times as fast as indexing
            return self.stored.index_select(0, where)
        return self.stored[where]

    def masks_at(self, index: Tensor) -> Tensor:
        """Masks of defects at positions of this part: long [N] to uint8 [N, 1, H, W] of 0 and 255.

        Raises:
            ValueError: the examples have no masks; ``masks`` is then None.
        """
        if self.masks is None:
            raise ValueError("these examples have no masks")
        return self.masks[index if self.chosen is None else self.chosen[index]]

    def part(self, index: Tensor) -> Examples:
        """The part at these positions."""
        chosen = index if self.chosen is None else self.chosen[index]
        return replace(self, chosen=chosen)


class Data(Protocol):
    """A dataset as metrics and figures see it."""

    @property
    def name(self) -> str:
        """The dataset's name in results."""

    @property
    def x_shape(self) -> Shape:
        """The shape of one example: C, H, W of an image."""

    @property
    def values(self) -> Values:
        """The meaning of the numbers of an example."""

    @property
    def y_size(self) -> int:
        """Number of classes or attributes; 0 where there are none."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels; empty where there are none."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes; empty where there are none."""

    @property
    def factors(self) -> Factors | None:
        """The known factors of variation, where the dataset was made from them."""

    @property
    def notes(self) -> list[str]:
        """Sentences for the user about how the dataset was read: what was left out, and what was assumed."""

    @property
    def normal(self) -> Sequence[int]:
        """The labels of normal examples, on which models are trained, where others are anomalies; empty: all are."""

    @property
    def binarize(self) -> str | None:
        """'dynamic' or 'static' where images are drawn black and white."""

    device: torch.device  # where batches are made
    pool: Examples  # all training examples: train, val and those that a limit leaves out
    train: Examples
    val: Examples
    test: Examples

    def batches(self, split: str, n: int | None = None, size: int = 1000, mixed: bool = False) -> Iterator[Batch]:
        """n examples of a split (all by default) by a fixed draw, as the model receives them in scoring.

        ``mixed``: in a fixed random order instead of the stored one.
        """

    def epoch(self, number: int, size: int) -> Iterator[Batch]:
        """The training examples in the order of an epoch, with its draw of black and white pixels; no added noise."""

    def clean(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Tensor]:
        """n unchanged examples of a split or the pool by a fixed draw, [size, *x_shape] at a time; images in [0, 1]."""

    def fingerprint(self, split: str, n: int | None = None) -> str:
        """Hash of the stored values of those examples."""

    @property
    def root(self) -> Path:
        """The folder that holds datasets."""

    def as_received(self, clean: Tensor, noise: Noise) -> Tensor:
        """Images in [0, 1] from elsewhere as the model would receive them: binarised where its own images are."""

    def reseeded(self, seed: int) -> Data:
        """The same examples, sharing their memory, in the order and with the noise of another seed."""
