"""What a trained run can be asked for in Python: samples, codes, decoded codes, reconstructions, lines between images.

Everything that is returned is a plain tensor on the CPU, without gradients.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vae_lab.config.node import Node
from vae_lab.config.trust import trusting
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.conditions import Word, as_in_training, in_turn, typed_y, unconditional, y_text
from vae_lab.evaluation.draws import decoded_draws, is_code_prior, temperatures
from vae_lab.evaluation.fitting import at_hand
from vae_lab.evaluation.own_prior import put_own_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import values_from
from vae_lab.inference import code_sizes
from vae_lab.latents.levels import LevelCodes, NoiseFor, decode_line, decode_matrix, encode_levels, matrix
from vae_lab.noise import SeededNoise
from vae_lab.runs.model_input import Given, examples_for, y_for
from vae_lab.scores import Conditions
from vae_lab.training.job import Job
from vae_lab.types import CodePrior, Model, Sampler


class TrainedModel(ABC):
    """The use of a run's model; a :class:`~vae_lab.runs.run.Run` provides the attributes."""

    path: Path
    config: Node
    environment: Node
    trust: Sequence[str]

    @property
    @abstractmethod
    def job(self) -> Job:
        """The model and the objective."""

    @property
    @abstractmethod
    def data(self) -> Dataset:
        """The dataset."""

    @property
    @abstractmethod
    def evaluation(self) -> Evaluation:
        """What metrics and figures receive."""

    @property
    def model(self) -> Model:
        """The trained model in evaluation mode (see :class:`vae_lab.types.Model`)."""
        return self.job.model

    def sample(
        self,
        n: int,
        seed: int = 0,
        y: Word | Sequence[Word] | None = None,
        sampler: str | Sampler | CodePrior = "prior",
        temperature: float | Sequence[float] = 1.0,
    ) -> Tensor:
        """Draw n codes from the prior or from another sampler, and return the decoded means.

        Args:
            n: the number of examples.
            seed: the seed of the draws.
            y: for a conditional run: a label (its name or number), several labels that alternate, or the values of all
                attributes; None: drawn as in training. The codes do not depend on y, unless they are
                drawn from a fitted prior of codes.
            sampler: the name of an option of the group ``sampler``, which is fitted and saved if it has not been yet;
                or a fitted sampler. The default is the prior, which for a discrete model is the one that was fitted to
                its codes.
            temperature: the factor of the noise in z = μ + τ σ ε, or the divisor of the logits of discrete codes;
                several of a hierarchy are one per level, the top level first.

        Returns:
            [n, *x_shape] on the CPU: images [n, C, H, W] in [0, 1].

        Raises:
            UserError: the run is not conditional, there is no such label, there is no such sampler, there are not as
                many temperatures as levels, a temperature would change nothing, or n is less than 1.
        """
        if n < 1:
            raise UserError(f"n={n}: at least one example is drawn; type n=16")
        scales = temperatures(self.model, temperature)
        device, conditions = next(self.job.parameters()).device, self.conditions(y)
        fitted = self._sampler(sampler)
        self.job.to(device)  # self.evaluation moves it to the CPU
        if is_code_prior(fitted):
            fitted.to(device)
        if fitted is None and scales != [1.0] and code_sizes(self.model):
            raise UserError("this run has no prior that was fitted to its codes, and the uniform prior of codes has no "
                            "temperature; type temperature=1, or sampler=code_transformer")  # fmt: skip
        if fitted is not None and scales != [1.0] and not getattr(fitted, "tempered", True):
            raise UserError("this sampler draws stored codes, which a temperature does not change; type temperature=1")
        examples = decoded_draws(
            self.model, n, device, seed, "sample command", conditions=conditions, sampler=fitted, temperature=scales
        )
        return torch.cat(list(examples)).cpu()

    def _sampler(self, named: str | Sampler | CodePrior) -> Sampler | CodePrior | None:
        """The sampler of this name; None for the prior of the model itself."""
        if not isinstance(named, str):
            return named
        with trusting(self.trust):
            if named != "prior":
                return at_hand(self.evaluation, named, self.path)[0]
            if self.config.get("sampler"):  # a model without one needs no data here
                put_own_prior(self.evaluation, self.config, self.path)
                return self.evaluation.prior
        return None

    def conditions(self, y: Word | Sequence[Word] | None = None) -> Conditions:
        """The labels or attributes of generated examples: those given, or otherwise drawn as in training.

        The result gives None for a run that is not conditional.

        Raises:
            UserError: y is given although the run is not conditional, or there is no such label.
        """
        if self.model.conditional:
            if y is None:
                return as_in_training(self.data.train)
            return in_turn(typed_y(y, self.environment["classes"], self.environment["attributes"]))
        if y is not None:
            raise _unused(y)
        return unconditional

    def encode(self, x: Tensor, y: Given | None = None) -> Tensor:
        """Return the codes of examples: [N, D], the means of q(z|x), of discrete codes long integers.

        A row has the codes of all levels, the top level first, each flattened. :meth:`posterior` has their variances
        and KL, too.

        Args:
            x: examples [N, *x_shape]; images [N, C, H, W] in [0, 1].
            y: for a conditional run: one label or the values of all attributes, for all examples; or one label each; or
                labels [N] or attributes [N, A] as a tensor.

        Raises:
            UserError: x has another shape or type or images are outside [0, 1], or y does not suit the run.
        """
        return matrix(self.posterior(x, y))

    def posterior(self, x: Tensor, y: Given | None = None) -> list[LevelCodes]:
        """Return the codes of every level, top first, with log σ² and KL in nats; see :meth:`encode`."""
        x = self._examples(x)
        given = self.y_of(y, len(x))
        return encode_levels(self.model, x, given, self._noise, self.job.objective.variational)

    def decode(self, z: Tensor, y: Given | None = None) -> Tensor:
        """Return the likelihood's means of codes: [N, *x_shape], images [N, C, H, W] in [0, 1].

        Args:
            z: codes [N, D] as :meth:`encode` returns them, or those of the top level alone: the levels below are then
                at the means of their priors.
            y: as for :meth:`encode`.

        Raises:
            UserError: z are no codes of this run, or y does not suit the run.
        """
        z = torch.as_tensor(z)
        if z.is_floating_point():
            z = z.float()
        return decode_matrix(self.model, z, self.y_of(y, len(z)), self._noise)

    def reconstruct(self, x: Tensor, y: Given | None = None) -> Tensor:
        """Return the decoded codes of examples, ``decode(encode(x, y), y)``: [N, *x_shape]; see :meth:`encode`."""
        return self.decode(self.encode(x, y), y)

    def interpolate(
        self, a: Tensor, b: Tensor, steps: int = 10, y: Given | None = None, spherical: bool = False
    ) -> Tensor:
        """Return decoded codes on the line from example a to example b: [steps, *x_shape].

        The first and the last are the reconstructions of a and b; the codes of all levels move together.

        Args:
            a, b: examples [*x_shape].
            steps: at least 2.
            y: as for :meth:`encode`, for a and b. Attributes, and labels as one-hot vectors, move along a line, too.
            spherical: on a great circle instead of a straight line.

        Raises:
            UserError: an example has another shape or type, steps is less than 2, or y does not suit the run.
        """
        if steps < 2:
            raise UserError(f"steps={steps}: a line has two ends, which are among the steps; type steps=10")
        x = self._examples(torch.stack([torch.as_tensor(a), torch.as_tensor(b)]))
        given = self.y_of(y, 2)
        if given is not None and given.ndim == 1:
            given = one_hot(given, self.environment["y_size"])
        given = None if given is None else given.float()
        return decode_line(self.model, x, given, self._noise, steps, spherical)

    @property
    def _noise(self) -> NoiseFor:
        """Makes the noise of a purpose as in the run's evaluation, so that results are the same."""
        device = next(self.job.parameters()).device
        return partial(SeededNoise, device, self.config["seed"], "evaluation")

    def _examples(self, x: Tensor) -> Tensor:
        """The examples as the model receives them."""
        return examples_for(self.model, values_from(self.environment.get("values")), x)

    def y_of(self, y: Given | None, n: int) -> Tensor | None:
        """Return the labels [n] or the attributes [n, A] of n examples, which :meth:`encode` takes as y.

        Raises:
            UserError: the run is conditional and y is missing, or the reverse; or y is not of n examples.
        """
        if self.model.conditional:
            return y_for(self.environment["classes"], self.environment["attributes"], y, n)
        if y is not None:
            raise _unused(y.tolist() if isinstance(y, Tensor) else y)
        return None


def _unused(y: Word | Sequence[Word]) -> UserError:
    return UserError(f"y={y_text(y)}: this run is not conditional; leave y out, or train with conditional=true")
