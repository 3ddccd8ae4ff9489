"""The vocabulary of scoring: scores, and a trained model or given images as metrics and figures receive them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vae_lab.examples import Data
from vae_lab.types import CodePrior, Model, Noise, Normal, Objective, Progress

Conditions = Callable[[int, int, Noise], Tensor | None]  # (index of the first sample, how many, noise) to their y


@dataclass
class Scores:
    """The result of a metric.

    A score named ``<name>_floor`` is what real images reach under the protocol of ``<name>``, and
    ``<name>_split_floor`` is what sampling error alone gives.
    """

    values: dict[str, float]  # name -> number; names are prefixed with the split, as test/elbo
    protocol: dict[str, Any] = field(default_factory=dict)  # how the numbers were obtained
    arrays: dict[str, list[Any]] = field(default_factory=dict)  # results that are more than one number
    notes: list[str] = field(default_factory=list)  # sentences for the user: a skipped score and its reason
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %, of the values that have one
    meanings: dict[str, str] = field(default_factory=dict)  # name -> unit and direction, in a few words
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)  # name -> columns of <name>.csv, per example
    saved_in: Path | None = None  # the file from which earlier scores were read
    split: str = "test"  # whose examples a metric has scored, 'test' or 'val': the prefix of its names
    topics: dict[str, str] = field(default_factory=dict)  # name -> what the score is about: its heading in the terminal

    def add(self, new: Scores) -> None:
        """Take over other results, in the place of those of the same names, and the notes that are not there yet."""
        for part in PARTS:
            getattr(self, part).update(getattr(new, part))
        self.notes.extend(note for note in new.notes if note not in self.notes)


PARTS = ("values", "intervals", "meanings", "protocol", "arrays", "tables", "topics")  # dictionaries of ``Scores``
FLOORS = ("_split_floor", "_floor")  # ends of the names of scores of real images


def parted(name: str) -> tuple[str, str]:
    """The name of a score without the end of a floor, and that end: ``fid_floor`` to ``fid``, ``_floor``.

    >>> parted("fid_gmm_split_floor"), parted("fid")
    (('fid_gmm', '_split_floor'), ('fid', ''))
    """
    end = next((end for end in FLOORS if name.endswith(end)), "")
    return name.removesuffix(end), end


class Extractor(Protocol):
    """A frozen network in whose features images are compared."""

    num_features: int
    suffix: str  # appended to the names of scores that use it; empty for the dataset's own classifier
    sha256: str  # of its weights

    @property
    def about(self) -> dict[str, Any]:
        """Entries for protocols."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] in [0, 1] to (features [N, F], logits [N, classes])."""


class Generated(Protocol):
    """Generated images and the data that they are compared with: the argument of metrics and figures of images."""

    data: Data
    device: torch.device
    title: str  # key settings in one line
    scores: Scores  # of the metrics so far
    progress: Progress
    seed: int
    known: Scores  # of images by another sampler: scores that do not depend on the sampler are taken from here

    @property
    def without_classifier(self) -> str:
        """Why the dataset's classifier is not used although the dataset has labels; empty if it is."""

    @property
    def learnt_from(self) -> str:
        """The split that the generator may have seen: 'train', or 'pool' where that is unknown."""

    @property
    def available(self) -> int | None:
        """How many images there are; None where any number can be made."""

    @property
    def sampler(self) -> str:
        """The source of the images, in a few words."""

    @property
    def trained(self) -> Trained | None:
        """The model that has made the images, from its prior or another distribution of codes; None of given images."""

    @property
    def extractor(self) -> Extractor | None:
        """The network in whose features images are compared; None where there is none for this dataset."""

    @property
    def classifier(self) -> Extractor | None:
        """The frozen classifier of this dataset; None where there are no labels."""

    def noise(self, purpose: str) -> Noise:
        """Noise that depends on the seed and the purpose only."""

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n examples, [size, *x_shape] at a time: decoded means of prior draws, or given images; images in [0, 1]."""

    def features(self, source: str, n: int) -> Tensor:
        """The extractor's features [n, F] of 'samples', 'reconstructions', 'train', 'val', 'pool' or 'test'."""

    def logits(self, source: str, n: int) -> Tensor:
        """The extractor's logits [n, its classes] of the same images."""

    def class_logits(self, source: str, n: int) -> Tensor:
        """The classifier's logits [n, classes] of the same images, whatever the extractor is."""


class Trained(Generated, Protocol):
    """A trained model with its data: the argument of all other metrics and figures."""

    model: Model
    objective: Objective
    history: list[dict[str, float]]  # one row per epoch, as in metrics.csv
    prior: CodePrior | None  # the fitted prior of a discrete model's codes; None: the model's own prior
    ensemble: Sequence[Trained]  # models that differ in their seed, this one among them; of a single run, itself

    def lacks(self, part: object) -> str:
        """Why a metric or a score whose ``needs`` it declares makes no sense here; empty if it does."""

    @property
    def conditions(self) -> Conditions:
        """The y of samples; it gives None where the model takes none."""

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: Tensor | None = None) -> Iterator[Tensor]:
        """As in :class:`Generated`; a conditional model decodes the rows of ``y`` in turn. z does not depend on y."""

    def y_of_samples(self, n: int, purpose: str = "samples") -> Tensor | None:
        """The y of the first n samples that ``sample`` makes without a given y; None where the model takes none."""

    def latents(
        self,
        n: int,
        noise: Noise,
        y: Tensor | None = None,
        top: tuple[Tensor, ...] = (),
        temperature: Sequence[float] = (1.0,),
    ) -> tuple[Tensor, ...]:
        """n draws of z of all levels, each [1, n, ...], from ``prior`` or else from the model's own prior.

        ``top`` holds the uppermost levels, which are kept: [1, n, ...], z or discrete codes; the others are drawn given
        them. ``temperature`` is one for all levels or one per level.
        """

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Decoded means of the posterior means: [B, *x_shape] to the same; ``y`` is read by conditional models."""

    def codes(self, split: str = "test", n: int | None = None, level: int = 0) -> tuple[Normal, Tensor | None]:
        """The posterior of n examples of a split (all by default), flattened to [n, D], with their labels, on the CPU.

        ``level`` counts from the top. A posterior without a density is given by the moments of its draws.
        """

    def attribute_values(self, split: str = "test", n: int | None = None) -> Tensor:
        """The attributes of the same examples, [n, A], on the CPU, where the dataset has attributes."""

    def kl(self, split: str = "test", n: int | None = None, level: int | None = None) -> Tensor:
        """KL[q(z|x) ‖ p(z)] of the same examples in nats: [n, D] in closed form, otherwise one draw's, [n, 1].

        ``level`` None: of all levels, side by side.
        """

    def factor_codes(self) -> Tensor:
        """Posterior means [M, D] of every image of ``data.factors``, on the CPU."""

    def factor_posteriors(self) -> Normal:
        """The posteriors of the same images, [M, D] each, on the CPU."""


def differing_loss(trained: Trained) -> str:
    """In what the reported ``loss`` differs from the one that is minimised: " with the running σ"; empty: in nothing.

    A likelihood that fits σ to each batch in training is scored with the running σ, and an objective names the term
    that it does not report in ``loss_leaves_out``.
    """
    left_out = getattr(trained.objective, "loss_leaves_out", "")
    parts = ["with the running σ"] if hasattr(trained.model.likelihood, "scored_log_prob") else []
    parts += [f"without {left_out}"] if left_out else []
    return " " + " and ".join(parts) if parts else ""


class Metric(Protocol):
    """Scores of a trained model.

    Optional attributes: ``needs``, the capabilities that it requires (see :mod:`vae_lab.evaluation.needs`), such as
    ``("images", "labels")``; ``of_images = True`` where it looks at generated images alone; ``of_prior = True`` where
    it draws from the model's prior, which a prior over codes replaces; ``topic``, the heading of its scores in the
    terminal, such as ``"Samples"``.
    """

    def __call__(self, trained: Trained) -> Scores:
        """Compute them."""


def needs_of(part: object) -> Sequence[str]:
    """The capabilities that a metric or a figure requires."""
    return tuple(getattr(part, "needs", ()))


def needs_in_a_set_of(part: object) -> Sequence[str]:
    """The capabilities that it also requires in a set of figures, which it does not if the user has named it."""
    return tuple(getattr(part, "needs_in_a_set", ()))
