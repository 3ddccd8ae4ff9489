"""The words that all parts of vae-lab share: what a batch, a latent and a loss are. No logic.

Shapes: B images per batch, K latent samples per image, D latent dimensions, C×H×W an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shape = tuple[int, ...]


@dataclass
class Batch:
    """Images as the model meets them, scaled to [0, 1], on the device."""

    x: Tensor  # [B, *x_shape], what the encoder sees (noisy, when denoising)
    target: Tensor  # [B, *x_shape], what the likelihood scores: `x` itself unless denoising
    y: Tensor | None  # long [B] class labels or float [B, A] attributes, where the dataset has them


@dataclass
class Group:
    """Several batches in a row, made when they are asked for."""

    batches: Iterator[Batch]
    first: int  # place in the epoch of the first of them
    epoch_batches: int  # batches in the epoch


class Noise(Protocol):
    """The only source of randomness inside a forward pass."""

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""


@dataclass
class Step:
    """Where in training a forward pass happens; schedules and noise are functions of it."""

    count: Tensor  # [], optimizer steps taken so far
    epoch: Tensor  # [], epochs since the start, fractional; inf when scoring: every schedule at its end
    noise: Noise
    phase: str  # which of the objective's phases this is
    images: int  # in the training set: estimates of q(z) from a batch need it


@dataclass
class Normal:
    """A diagonal Gaussian. ``log_var`` is log σ²."""

    mu: Tensor  # [B, D]
    log_var: Tensor  # [B, D]


@dataclass
class Latents:
    """What inference gives: one entry per level, top level first."""

    z: tuple[Tensor, ...]  # each [K, B, ...]
    kl: tuple[Tensor, ...]  # each [1 or K, B, ...] nats, not summed; closed form where there is one
    q: tuple[Normal | None, ...]  # None: a posterior without a density at an arbitrary z
    log_q: Tensor | None = None  # [K, B] nats over all levels; only when asked for
    log_p: Tensor | None = None  # [K, B] nats over all levels; only when asked for
    aux: dict[str, Tensor] = field(default_factory=dict)  # each [B] nats, added with weight 1
    codes: tuple[Tensor, ...] | None = None  # each long [K, B, ...], for discrete models
    params: Tensor | None = None  # likelihood parameters, where the top-down pass made them already


@dataclass
class LossTerms:
    """What an objective returns: the number to minimise and what to log, in nats per image."""

    loss: Tensor  # []
    logs: dict[str, Tensor]  # unweighted and detached, each [] (batch mean)


class Likelihood(Protocol):
    """p(x|z), given a decoder's output ``params`` [K, B, C', H, W] and ``target`` [B, C, H, W]."""

    params_per_value: int  # decoder outputs per image value, C' = C · params_per_value
    discrete: bool  # a probability mass: bits per dimension are meaningful
    fits_sigma: bool  # learns σ, which black and white pixels would draw to 0

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target | params), summed over the image: [K, B] nats."""

    def recon_offset(self, values: int) -> float:
        """Nats that the reported ``recon`` leaves out of −log p, for an image of that many values."""

    def mean(self, params: Tensor) -> Tensor:
        """The expected image, in [0, 1]."""

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """An image drawn from p(x|z)."""

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Called once per training step on real data; keeps running state such as σ."""

    def logs(self) -> dict[str, Tensor]:
        """What of that state is logged beside the loss terms, each []."""


class Posterior(Protocol):
    """q(z|x) from the encoder's features."""

    def __call__(self, h: Tensor, k: int, noise: Noise) -> tuple[Tensor, Tensor | None, Normal | None]:
        """Features [B, F] to (z [K, B, D], log q(z|x) [K, B] or None to derive it from q, q)."""


Encode = Callable[[Tensor], Normal]


class Prior(Protocol):
    """p(z). ``encode`` gives q(z|u) of images u [M, *x_shape], for priors that are made of posteriors."""

    standard: bool  # N(0, I): the KL of a Gaussian posterior is had in closed form

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log p(z): [K, B, D] to [K, B] nats."""

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws: [n, D]."""


class Sampler(Protocol):
    """A distribution over codes, an ``nn.Module`` whose state_dict holds all that was fitted."""

    about: dict[str, Any]  # what the protocol says of the fit: components chosen, steps, fit's own score

    @property
    def label(self) -> str:
        """What it is in a few words, once fitted, for protocols and titles."""

    def fit(self, codes: Tensor, noise: Noise, progress: Callable[..., Any]) -> None:
        """To codes [N, D] on the CPU; ``progress`` wraps an iterable (with a description) and shows how far it is."""

    def sample(self, n: int, noise: Noise) -> Tensor:
        """n codes: [n, D]."""

    def state_dict(self) -> dict[str, Any]:
        """All that was fitted."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Into one that was not fitted, whatever the sizes."""


class Architecture(Protocol):
    """A pair of networks that fit together."""

    def encoder(self, x_shape: Shape) -> nn.Module:
        """A network [B, *x_shape] -> [B, out_features]; it has the attribute ``out_features``."""

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """A network [N, latent_dim] -> [N, *out_shape]."""


class Model(Protocol):
    """How latents are structured. No loss."""

    likelihood: Likelihood
    latent_dim: int
    x_shape: Shape
    conditional: bool  # infer and decode need y, else they do not read it

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """K posterior samples per image; ``densities`` also fills log_q and log_p."""

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z) over all levels: [K, B] nats."""

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Likelihood parameters [K, B, C', H, W]."""

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise) -> tuple[Tensor, ...]:
        """n draws from p(z), each level [1, n, ...]."""


class Objective(Protocol):
    """What is minimised. An ``nn.Module`` without networks of the model in it."""

    phases: Mapping[str, Sequence[str]]  # phase -> prefixes of the parameter names that it updates
    samples: int  # latent samples per image
    variational: bool  # whether kl and elbo mean anything
    matches_prior: bool  # whether codes are drawn towards p(z), so that samples from it mean anything
    # and, where a phase has an optimizer of its own: optimizers = {phase: parameters to an optimizer}

    def __call__(self, model: Any, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch."""


class Pixels(Protocol):
    """Bytes of M images, uint8 [M, C, H, W], held or made when they are asked for. A Tensor is one."""

    @property
    def shape(self) -> Sequence[int]:
        """M, C, H, W."""

    @property
    def device(self) -> torch.device:
        """Where the bytes are."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take."""

    def __len__(self) -> int:
        """M."""

    def __getitem__(self, index: Any) -> Tensor:
        """The images at positions: long [N] to uint8 [N, C, H, W]."""

    def to(self, device: torch.device) -> Any:
        """The same on another device."""


@dataclass
class Factors:
    """Known factors of variation of a dataset that has one image for every combination of their values."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]  # number of values of each factor
    pixels: Pixels  # [product of the sizes, C, H, W], the last factor changing fastest
    label: str = ""  # what the images are called beside scores


@dataclass
class Images:
    """A set of images held as bytes, or a part of one that shares its bytes."""

    pixels: Pixels  # uint8 [M, C, H, W]
    targets: Tensor | None  # long [M] class labels or float [M, A] attributes
    classes: tuple[str, ...] = ()  # names of the labels
    chosen: Tensor | None = None  # long [N]: which of the M belong to this part; None: all
    factors: Factors | None = None  # of all M, where the images were made from them
    attributes: tuple[str, ...] = ()  # their names

    def __len__(self) -> int:
        return len(self.pixels if self.chosen is None else self.chosen)

    @property
    def labels(self) -> Tensor | None:
        """Class labels of this part: long [N]; None where there are attributes or nothing."""
        return None if self.attributes else self.y

    @property
    def y(self) -> Tensor | None:
        """Class labels, long [N], or attributes, float [N, A], of this part; None where there are none."""
        return self.targets if self.targets is None or self.chosen is None else self.targets[self.chosen]

    def at(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Bytes, and labels or attributes, at positions of this part."""
        where = index if self.chosen is None else self.chosen[index]
        return self.bytes_at(where), None if self.targets is None else self.targets[where]

    def bytes_at(self, where: Tensor) -> Tensor:
        """Bytes at positions among all M: long [N] to uint8 [N, C, H, W]."""
        if isinstance(self.pixels, Tensor):  # six times as fast as brackets: it copies whole images
            return self.pixels.index_select(0, where)
        return self.pixels[where]

    def part(self, index: Tensor) -> Images:
        """The part at these positions."""
        chosen = index if self.chosen is None else self.chosen[index]
        return replace(self, chosen=chosen)


@dataclass
class Scores:
    """What a metric returns.

    A score named ``<name>_floor`` is what real images reach under the protocol of ``<name>``.
    """

    values: dict[str, float]  # name -> number; names are prefixed with test/
    protocol: dict[str, Any] = field(default_factory=dict)  # how the numbers came about
    arrays: dict[str, list[Any]] = field(default_factory=dict)  # what does not fit into one number
    notes: list[str] = field(default_factory=list)  # sentences for the person: a skipped score and its reason
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %, of the values that have one
    meanings: dict[str, str] = field(default_factory=dict)  # name -> unit and direction, in a few words
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)  # name -> columns, for <name>.csv: per image


class Extractor(Protocol):
    """A frozen network in whose features images are compared."""

    num_features: int
    suffix: str  # of the names of scores that stand on it; the dataset's own classifier has none
    sha256: str  # of its weights

    @property
    def about(self) -> dict[str, Any]:
        """What the protocol says of it."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] in [0, 1] to (features [N, F], logits [N, classes])."""


class Data(Protocol):
    """A dataset as metrics and figures see it."""

    @property
    def name(self) -> Any:
        """What the dataset is called in results."""

    @property
    def x_shape(self) -> Shape:
        """C, H, W."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels; empty where there are none."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes; empty where there are none."""

    @property
    def factors(self) -> Factors | None:
        """The known factors of variation, where the dataset was made from them."""

    pool: Images  # all training images: train, val and what a limit leaves out
    train: Images
    val: Images
    test: Images

    def batches(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Batch]:
        """n images of a split (all by default) by a fixed draw, as the model meets them in scoring."""

    def images(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Tensor]:
        """n clean images in [0, 1] of a split or the pool by a fixed draw, [size, C, H, W] at a time."""

    def fingerprint(self, split: str, n: int | None = None) -> str:
        """Hash of those images' bytes."""

    @property
    def root(self) -> Path:
        """The folder that datasets lie in."""

    def shown(self, clean: Tensor, noise: Noise) -> Tensor:
        """Images in [0, 1] from elsewhere as the model would meet them: black and white where its own are."""


class Generated(Protocol):
    """Images that somebody made, with the data that they are held against: what scores of images are called with."""

    data: Data
    device: torch.device
    title: str  # key settings in one line
    scores: Scores  # of the metrics so far
    progress: Callable[..., Any]  # wraps an iterable and shows how far it is
    seed: int
    known: Scores  # of images by another sampler: what does not depend on the sampler need not be scored again

    @property
    def learnt_from(self) -> str:
        """The split that the generator may have seen: 'train', or 'pool' where nobody knows."""

    @property
    def available(self) -> int | None:
        """How many images there are; None where any number can be made."""

    @property
    def sampler(self) -> str:
        """Where they come from, in a few words."""

    @property
    def extractor(self) -> Extractor | None:
        """The network in whose features images are compared; None where there is none for this dataset."""

    @property
    def classifier(self) -> Extractor | None:
        """The frozen classifier of this dataset; None where there are no labels."""

    def noise(self, purpose: str) -> Noise:
        """Noise that depends on the seed and the purpose only."""

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n images in [0, 1], [size, C, H, W] at a time: decoded means of prior draws, or those that were given."""

    def features(self, source: str, n: int) -> Tensor:
        """The extractor's features [n, F] of 'samples', 'reconstructions', 'train', 'pool' or 'test'."""

    def logits(self, source: str, n: int) -> Tensor:
        """The extractor's logits [n, its classes] of the same images."""

    def class_logits(self, source: str, n: int) -> Tensor:
        """The classifier's logits [n, classes] of the same images, whatever the extractor is."""


class Trained(Generated, Protocol):
    """A trained model with its data: what every other metric and every figure is called with."""

    model: Any
    objective: Any
    history: list[dict[str, float]]  # one row per epoch, as in metrics.csv

    @property
    def conditions(self) -> Callable[[int, int, Noise], Tensor | None]:
        """(Place of the first sample, how many, noise) to the y of samples; None where the model takes none."""

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: Tensor | None = None) -> Iterator[Tensor]:
        """As before; a conditional model decodes the rows of ``y`` in turn, with the same z whatever y is."""

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Decoded means of the posterior means: [B, C, H, W] to the same; ``y`` is read by conditional models."""

    def codes(self, split: str = "test", n: int | None = None) -> tuple[Normal, Tensor | None]:
        """The posterior of n images of a split (all by default), with their labels, on the CPU; a flow's moments."""

    def kl(self, split: str = "test", n: int | None = None) -> Tensor:
        """KL[q(z|x) ‖ p(z)] of the same images: [n, D] where it has a closed form, else one draw's, [n, 1]; nats."""

    def factor_codes(self) -> Tensor:
        """Posterior means [M, D] of every image of ``data.factors``, on the CPU."""


class Metric(Protocol):
    """Scores of a trained model; one that needs images alone says ``of_images = True``."""

    def __call__(self, trained: Trained) -> Scores:
        """Compute them."""


class Plot(Protocol):
    """A picture of a trained model."""

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw it; None where it does not apply to this run."""


RunPath = str | Path
