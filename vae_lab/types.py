"""The vocabulary of models and losses: what a batch, a latent variable, a model and an objective are. No logic.

Shapes: B examples per batch, K latent samples per example, D latent dimensions. ``x_shape`` is the shape of one
example: C, H, W for an image, T for a sequence of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
RunPath = str | Path
T = TypeVar("T")


@dataclass
class Batch:
    """Examples as a model receives them, on its device.

    Images are floats scaled to [0, 1], real vectors are floats, and tokens are long integers.
    """

    x: Tensor  # [B, *x_shape], the encoder's input (noisy, when denoising)
    target: Tensor  # [B, *x_shape], the target of the likelihood: `x` itself unless denoising
    y: Tensor | None  # long [B] class labels or float [B, A] attributes, where the dataset has them


@dataclass
class Group:
    """Several consecutive batches, each made on demand."""

    batches: Iterator[Batch]
    first: int  # position in the epoch of the first of them
    epoch_batches: int  # number of batches in the epoch


class Progress(Protocol):
    """Wraps an iterable so that its progress is shown; ``description`` says what is being done."""

    def __call__(self, steps: Iterable[T], description: str, /) -> Iterable[T]:
        """The same elements."""


class Noise(Protocol):
    """The only source of randomness in a forward pass."""

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""


@dataclass
class Step:
    """The moment in training at which a forward pass happens; schedules and noise are functions of it."""

    count: Tensor  # [], optimizer steps taken so far
    epoch: Tensor  # [], epochs since the start, fractional; inf when scoring: every schedule is at its end
    noise: Noise
    phase: str  # which of the objective's phases this is
    train_size: int  # examples in the training set, which estimates of q(z) from a batch need


@dataclass
class Normal:
    """A diagonal Gaussian; ``log_var`` is log σ². In :class:`Latents` both tensors are [1 or K, B, ...]."""

    mu: Tensor
    log_var: Tensor


@dataclass
class Latents:
    """The result of inference: one entry per level, top level first.

    Where the posterior of a level depends on the sample of the level above, its ``q`` and ``kl`` have K entries; where
    it does not, they have one.
    """

    z: tuple[Tensor, ...]  # each [K, B, ...]
    kl: tuple[Tensor, ...]  # each [1 or K, B, ...] nats, not summed; in closed form where there is one
    q: tuple[Normal | None, ...]  # each [1 or K, B, ...]; None: a posterior without a density at an arbitrary z
    log_q: Tensor | None = None  # [K, B] nats over all levels; None unless requested
    log_p: Tensor | None = None  # [K, B] nats over all levels; None unless requested
    aux: dict[str, Tensor] = field(default_factory=dict)  # each [B] nats, added to every loss with weight 1
    codes: tuple[Tensor, ...] | None = None  # each long [K, B, ...], for discrete models
    params: Tensor | None = None  # likelihood parameters, where a top-down pass has computed them already


@dataclass
class LossTerms:
    """The result of an objective: the number to minimise and the terms to log, in nats per example."""

    loss: Tensor  # []
    logs: dict[str, Tensor]  # unweighted and detached, each [] (batch mean)


class Likelihood(Protocol):
    """p(x|z), given a decoder's output ``params`` [K, B, *params_shape] and a ``target`` [B, *x_shape].

    An implementation may also declare ``takes``: the kinds of values that it scores (see
    :class:`vae_lab.examples.Values`); without it, every kind is accepted. An optional method ``params_of_mean(mean)``
    gives the params [*params_shape] of a mean [*x_shape], with which ``initialisation.output_bias=data`` lets a decoder
    begin. If its ``log_prob`` fits a parameter such as σ to the targets in training mode, it also has
    ``scored_log_prob(params, target)``, which uses the running state of earlier batches instead. This is what is
    reported, because a fitted log p is no bound on the likelihood.
    """

    discrete: bool  # a probability mass, so that bits per dimension are meaningful
    fits_sigma: bool  # learns σ, which binary values would draw to 0

    def params_shape(self, x_shape: Shape) -> Shape:
        """Shape of the decoder's output for one example of this shape."""

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target | params), summed over the example: [K, B] nats."""

    def no_likelihood(self, target: Tensor) -> str:
        """Why ``log_prob`` of these targets is not a log-likelihood, in one clause; empty where it is one."""

    def recon_offset(self, values: int) -> float:
        """Nats of −log p that the reported ``recon`` leaves out, for an example of that many values."""

    def mean(self, params: Tensor) -> Tensor:
        """The expected example: an image in [0, 1], or the most probable tokens."""

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """An example drawn from p(x|z)."""

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Update running state such as σ; called once per training step, on real data."""

    def logs(self) -> dict[str, Tensor]:
        """The parts of that state that are logged with the loss terms, each []."""


class Posterior(Protocol):
    """q(z|x) from the encoder's features."""

    def __call__(self, h: Tensor, k: int, noise: Noise) -> tuple[Tensor, Tensor | None, Normal | None]:
        """Features [B, F] to (z [K, B, D], log q(z|x) [K, B] or None to derive it from q, q [1, B, D] or None)."""


@dataclass
class Quantized:
    """Vectors replaced by discrete codes."""

    z: Tensor  # [N, D, ...], the vectors of the codes, with the gradient of the input
    codes: Tensor  # long [N, ...], or [N, ..., depth] of a residual quantizer
    losses: dict[str, Tensor]  # each [N], summed over positions and dimensions


class Quantizer(Protocol):
    """A map of vectors to discrete codes: an ``nn.Module``."""

    codes: int  # K, the number of codes
    dims: int  # D, the number of dimensions of a vector
    depth: int  # codes per position

    def quantize(self, h: Tensor) -> Quantized:
        """Vectors [N, D, ...] to codes."""

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Update running state after a training step, by the vectors that have chosen these codes.

        The state is assigned and never changed in place.
        """

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [N, ...], or [N, ..., depth] of a residual quantizer, to their vectors [N, D, ...]."""


Encode = Callable[[Tensor], Normal]  # inputs u [M, *x_shape] to q(z|u), [M, D]


class Prior(Protocol):
    """p(z). ``encode`` gives q(z|u) for inputs u [M, *x_shape], for priors that are mixtures of posteriors."""

    standard: bool  # N(0, I): the KL of a Gaussian posterior has a closed form

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log p(z): [K, B, D] to [K, B] nats."""

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws: [n, D]."""


class Sampler(Protocol):
    """A distribution over codes, fitted after training: an ``nn.Module`` whose state_dict holds all fitted numbers.

    ``takes`` names the codes that it can be fitted to: 'real' (vectors [N, D]; codes of another shape are flattened for
    it) or 'discrete' (long [N, ...], in their own shape). Where an optional attribute ``fresh_codes`` is true, ``fit``
    receives a fourth argument: the Gaussians q(z|x), :class:`Normal` of [N, D], from which the codes were drawn. The
    optional attribute ``tempered = False`` says that a temperature of its noise changes nothing.
    """

    about: dict[str, Any]  # entries for the protocol: components chosen, steps, the score of the fit
    takes: Sequence[str]

    @property
    def label(self) -> str:
        """A short description of the fitted distribution, for protocols and titles."""

    def fit(self, codes: Tensor, noise: Noise, progress: Progress) -> None:
        """Fit to codes [N, ...] on the CPU."""

    def sample(self, n: int, noise: Noise) -> Tensor:
        """n codes [n, ...] of the shape and dtype of those it was fitted to."""

    def state_dict(self) -> dict[str, Any]:
        """All fitted numbers."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Restore a fit into an instance that was not fitted, whatever the sizes."""

    def eval(self) -> Sampler:
        """Switch to evaluation mode."""


@dataclass
class CodeBatch:
    """Discrete codes of B examples."""

    codes: tuple[Tensor, ...]  # of every level, top first: long [B, ...]
    y: Tensor | None  # long [B] class labels or float [B, A] attributes, where the model is conditional


class CodeSource(Protocol):
    """The discrete codes of a dataset, encoded anew at every pass: examples that are drawn anew have other codes."""

    device: torch.device  # where the codes are, and where a network is to be fitted
    examples: int  # in the training set
    held_out_examples: int  # in the validation set

    @property
    def shapes(self) -> Sequence[Shape]:
        """The shape of one example's codes, of every level, top first."""

    @property
    def sizes(self) -> Sequence[int]:
        """K of every level."""

    @property
    def y_size(self) -> int:
        """Number of classes or attributes that the model is conditional on; 0: none."""

    def batches(self, epoch: int, size: int) -> Iterator[CodeBatch]:
        """The training set in the order and with the noise of an epoch, ``size`` examples at a time."""

    def held_out(self, size: int) -> Iterator[CodeBatch]:
        """The validation set, the same at every call."""


class Unfinished(Protocol):
    """Where a fit that takes long keeps its state, so that it continues after an interruption."""

    def read(self) -> dict[str, Any] | None:
        """The last state that was kept; None: the fit starts."""

    def keep(self, state: dict[str, Any]) -> None:
        """Keep a state of tensors and plain values, in the place of the one before."""


class CodePrior(Protocol):
    """p(c|y) of the discrete codes of all levels, fitted after training: an ``nn.Module`` like a :class:`Sampler`.

    p(c|y) = Π_l p(c_l | c_{<l}, y), the top level first. In a run of a discrete model, it takes the place of the
    model's uniform prior.
    """

    about: dict[str, Any]
    takes: Sequence[str]  # ('discrete',)
    prior_of_codes: bool  # True; an attribute that a :class:`Sampler` does not have

    @property
    def label(self) -> str:
        """A short description of the fitted distribution, for protocols and titles."""

    def fit(self, source: CodeSource, noise: Noise, progress: Progress, unfinished: Unfinished) -> None:
        """Fit every level apart, given the codes of the levels above it, on the device of the source."""

    def sample(
        self,
        n: int,
        noise: Noise,
        y: Tensor | None = None,
        top: tuple[Tensor, ...] = (),
        temperature: Sequence[float] = (1.0,),
    ) -> tuple[Tensor, ...]:
        """n draws of the codes of every level, each long [n, ...], for ``model.prior_sample(…, top=codes)``.

        Args:
            n: number of draws.
            noise: makes the draws, on the device of the prior.
            y: their labels [n] or attributes [n, A], for a conditional model.
            top: codes of the uppermost levels, each [n, ...]; the levels below are drawn given them.
            temperature: the logits are divided by it; one for all levels or one per level, the top first.
        """

    def log_prob(self, codes: tuple[Tensor, ...], y: Tensor | None = None) -> Tensor:
        """log p(c_l | c_{<l}, y) of the codes of all levels, each long [N, ...]: [N, levels] nats."""

    def state_dict(self) -> dict[str, Any]:
        """All fitted numbers."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Restore a fit into an instance that was not fitted, whatever the sizes."""

    def eval(self) -> CodePrior:
        """Switch to evaluation mode."""

    def to(self, device: torch.device) -> CodePrior:
        """Move to a device."""


class Architecture(Protocol):
    """A pair of networks that fit together, through a vector of features."""

    def encoder(self, x_shape: Shape) -> nn.Module:
        """A network [B, *x_shape] -> [B, out_features]; it has the attribute ``out_features``."""

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """A network [N, latent_dim] -> [N, *out_shape]."""


class SpatialArchitecture(Protocol):
    """A pair of convolutional networks that fit together, through a grid of features."""

    def grid_encoder(self, x_shape: Shape) -> nn.Module:
        """A network [B, C, H, W] -> [B, *out_shape]; it has the attribute ``out_shape``: F, H', W'."""

    def grid_decoder(self, channels: int, out_shape: Shape) -> nn.Module:
        """A network [N, channels, H', W'] -> [N, *out_shape], with H', W' as the encoder's for that image size."""


class LevelArchitecture(Protocol):
    """Networks between the levels of a hierarchy; level 0 is the lowest, next to the example."""

    levels: int

    def upward(self, in_shape: Shape, level: int, x_shape: Shape) -> nn.Module:
        """A network [N, *in_shape] -> [N, *out_shape] to the features of a level; it has the attribute ``out_shape``.

        Its input is an example of shape ``x_shape``, or the features or the codes of the level below.
        """

    def downward(self, in_shape: Shape, out_shape: Shape, level: int) -> nn.Module:
        """A network [N, *in_shape] -> [N, *out_shape] from codes of the level above to the features of a level."""

    def output(self, in_shape: Shape, out_shape: Shape) -> nn.Module:
        """A network [N, *in_shape] -> [N, *out_shape] from codes of level 0 to the likelihood's parameters."""


class Model(Protocol):
    """How latent variables are structured; it has no loss. Implementations are ``nn.Module``s.

    The constructor's parameters say which groups of the config a model reads: ``latent_dim``, ``posterior``, ``prior``
    and ``conditional``. A choice in a group that it does not read is refused.

    A model of discrete codes has the attribute ``code_sizes``: K of every level, top first. Its prior is uniform over
    codes, and its YAML chooses a :class:`CodePrior` (``override /sampler@_global_.sampler: …``), which is fitted after
    training and takes the place of that prior.
    """

    likelihood: Likelihood
    x_shape: Shape
    latent_shapes: tuple[Shape, ...]  # shape of one code per level, top first: those of z, or of discrete codes
    conditional: bool  # infer and decode need y; otherwise they do not read it
    deterministic: bool  # q(z|x) is a single point: nothing is drawn, and more samples repeat it
    standard_prior: bool  # p(z) is N(0, I)
    kl_trains_prior: bool  # p(z) has parameters that nothing but a KL term trains
    inference: Sequence[str]  # prefixes of the names of the parameters that infer z
    generation: Sequence[str]  # prefixes of the names of the parameters of p(x, z)
    training: bool

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """K posterior samples per example; ``densities`` also fills log_q and log_p.

        With :class:`vae_lab.noise.NoNoise` every level is at the mean of its Gaussian, given the means above it.
        """

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z) over all levels: [K, B] nats."""

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Likelihood parameters [K, B, *params_shape]."""

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """n draws from p(z), each level [1, n, ...].

        ``top`` holds codes [1, n, ...] of the uppermost levels, z or discrete codes; the levels below are drawn given
        them. A hierarchy of Gaussian levels calls ``noise.normal`` once for each level that it draws, the top first, so
        that every level may have a temperature of its own.
        """

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def state_dict(self) -> dict[str, Any]:
        """All weights and buffers."""


KL_OF_LEVEL = "kl_level"  # before the number of a level, 1 next to the data: a logged term, and a score
INFERENCE, GENERATION = "<inference>", "<generation>"  # in ``Objective.phases``: the model's prefixes of that role


class Objective(Protocol):
    """A loss to minimise: an ``nn.Module`` that holds no networks of the model.

    ``phases`` maps each phase to prefixes of the names of the parameters that it updates, ``model.…`` or
    ``objective.…``; :data:`INFERENCE` and :data:`GENERATION` stand for the prefixes that the model declares. Phase
    'model' is there in every objective: its terms are those of validation and test, and in it the likelihood observes
    the batch.

    Optional attributes: ``optimizers``, {phase: parameters to an optimizer}, where a phase brings its own optimizer;
    ``repeats``, {phase: number of optimizer steps per batch}, where a phase takes more than one;
    ``stackable = False`` where the loss cannot be differentiated under vmap, so that its jobs train one by one;
    ``batch_terms``, names of logged terms whose value depends on the number of examples that they are computed from,
    and ``batch_size``, that number in validation and test; ``meanings``, {term: its meaning in a few words};
    ``ranks_epochs = False`` where the validation loss does not say which epoch is best, so that the last one is kept;
    ``vae_epochs``, the number of epochs [] at the start in which it trains a VAE, where it has such a start;
    ``loss_leaves_out``, what the logged ``loss`` lacks of the one that is minimised, in a few words; ``introspective =
    True`` where the encoder is trained on decoded images, too, whose KL is logged as ``kl_reconstructions`` and
    ``kl_samples``.
    """

    phases: Mapping[str, Sequence[str]]
    samples: int  # latent samples per example
    variational: bool  # whether kl and elbo have a meaning
    matches_prior: bool  # whether codes are drawn towards p(z), so that samples from p(z) have a meaning

    def __call__(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch."""
