"""A trained model in evaluation mode, the argument of metrics and figures, and functions that generate its examples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vae_lab.evaluation.conditions import as_in_training, in_turn, unconditional
from vae_lab.evaluation.draws import conditions_of_draws, decoded_draws, drawn_latents
from vae_lab.evaluation.scoring import AT_ONCE, Counted, FeaturesFor, Scoring, silent
from vae_lab.examples import Data
from vae_lab.features.classifier import classifier_features
from vae_lab.inference import at_the_means, mean_latents, posterior_moments
from vae_lab.scores import Conditions, Extractor, Trained
from vae_lab.training.job import Job
from vae_lab.types import Batch, CodePrior, Model, Noise, Normal, Progress, Sampler

PRIOR = "decoder means of draws from the prior"


def source_of(sampler: Sampler | CodePrior) -> str:
    """Return the source of a sampler's images, as a text for protocols and titles."""
    return f"decoder means of draws from {sampler.label}"


class Evaluation(Scoring):
    """A trained model in evaluation mode, with its data.

    Args:
        job: the trained model with its objective.
        history: one row of loss terms per epoch.
        data, seed, device, title, progress, features: see :class:`Scoring`.
    """

    prior: CodePrior | None = None
    learnt_from = "train"
    labels_drawn = ""  # how the y of samples are drawn, as the end of a sentence

    def __init__(
        self,
        job: Job,
        data: Data,
        seed: int,
        device: torch.device,
        title: str = "",
        history: list[dict[str, float]] | None = None,
        progress: Progress = silent,
        features: FeaturesFor = classifier_features,
    ) -> None:
        super().__init__(data, seed, device, title, progress, features)
        job.to(device).eval()
        self.model, self.objective = job.model, job.objective
        self.history = history or []
        self.ensemble: Sequence[Trained] = (self,)
        self.trained: Trained | None = self
        if self.model.conditional:
            kind = "attributes" if data.attributes else "labels"
            self.conditioned_on = f"the {data.values.many}' {kind}"
            self.labels_drawn = f", {kind} drawn as in training"
        self._encodings: dict[tuple[str, int | None, int], _Encoded] = {}  # by split, n and level
        self._factor_posteriors: Normal | None = None

    @property
    def sampler(self) -> str:  # type: ignore[override]
        """The source of the samples, for protocols."""
        return (PRIOR if self.prior is None else source_of(self.prior)) + self.labels_drawn

    @cached_property
    def conditions(self) -> Conditions:
        """The y of samples: of a conditional model as in training, whose targets are read at the first access."""
        return as_in_training(self.data.train) if self.model.conditional else unconditional

    def __repr__(self) -> str:
        """What is evaluated, on which data, in one line."""
        return f"Evaluation({self.title or type(self.model).__name__}; {self.data!r}; {self.device})"

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: Tensor | None = None) -> Iterator[Tensor]:
        """Yield n decoded means of prior draws; a smaller n gives the first of the same examples.

        A conditional model decodes the rows of y in turn, or y drawn as in training. z depends on y only if its prior
        does.
        """
        conditions = self.conditions if y is None else in_turn(y)
        yield from decoded_draws(self.model, n, self.device, self.seed, purpose, size, conditions, self.prior)

    def y_of_samples(self, n: int, purpose: str = "samples") -> Tensor | None:
        """Return the y of the first n samples of :meth:`sample`; None where the model takes none."""
        return conditions_of_draws(self.conditions, n, self.seed, purpose)

    def latents(
        self,
        n: int,
        noise: Noise,
        y: Tensor | None = None,
        top: tuple[Tensor, ...] = (),
        temperature: Sequence[float] = (1.0,),
    ) -> tuple[Tensor, ...]:
        """Return n draws of z of all levels; see :func:`~vae_lab.evaluation.draws.drawn_latents`."""
        with torch.inference_mode():
            return drawn_latents(self.model, n, y, noise, self.prior, top, temperature)

    def _generated(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        if source == "samples":
            return super()._generated(network, source, n)
        images = (self.reconstruct(batch.x, batch.y) for batch in self.data.batches("test", n))
        return self._through(network, images, source, n)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the decoded means of the posterior means; ``y`` holds labels or attributes for a conditional model."""
        y = None if y is None else y.to(x.device)
        return reconstructed(self.model, x, y, self.noise)

    def codes(self, split: str = "test", n: int | None = None, level: int = 0) -> tuple[Normal, Tensor | None]:
        """Return the posterior of n examples at one level, [n, D], and their labels, on the CPU.

        ``level`` counts from the top.
        """
        encoded = self._encoded(split, n, level)
        return encoded.moments, None if self.data.attributes else encoded.y

    def attribute_values(self, split: str = "test", n: int | None = None) -> Tensor:
        """Return the attributes of the same examples as those of :meth:`codes`: [n, A], on the CPU."""
        y = self._encoded(split, n, 0).y
        if y is None or not self.data.attributes:
            raise ValueError("the dataset has no attributes")
        return y

    def kl(self, split: str = "test", n: int | None = None, level: int | None = None) -> Tensor:
        """Return KL[q(z|x) ‖ p(z)] of the same examples in nats: [n, D] in closed form, else an estimate, [n, 1].

        ``level`` None: the KL of all levels, concatenated.
        """
        kl = self._encoded(split, n, 0).kl
        return torch.cat(kl, 1) if level is None else kl[level]

    def _encoded(self, split: str, n: int | None, level: int) -> "_Encoded":
        """The KL and the labels of n examples of a split and the moments of one level, computed once.

        Scores need the moments of the top alone; those of a deep hierarchy would fill the memory.
        """
        if (split, n, level) not in self._encodings:
            parts = [self._encode(batch.x, batch.y, level) for batch in self._shown_batches(split, n)]
            self._encodings[split, n, level] = _Encoded(
                moments=_joined([moments for moments, _, _ in parts]),
                kl=[] if level else [torch.cat([kl[i] for _, kl, _ in parts]) for i in range(len(parts[0][1]))],
                y=_joined_targets([y for _, _, y in parts]),
            )
        return self._encodings[split, n, level]

    def code_draws(self) -> Tensor:
        """Return one code of the top level per training example, to which samplers are fitted: [N, *shape], on the CPU.

        A code is a draw from q(z|x), the same at every call, or the posterior's mean if the objective is not
        variational. Discrete codes are long integers.
        """
        noise, drawn, parts = self.noise("codes of samplers"), self.objective.variational, []
        with torch.inference_mode():
            for batch in self._shown_batches("train", None):
                if drawn:
                    latents = self.model.infer(batch.x, batch.y, 1, noise)
                else:
                    latents = at_the_means(self.model, batch.x, batch.y, noise)
                codes = latents.z if latents.codes is None else latents.codes
                parts.append(codes[0][0].cpu())
        return torch.cat(parts).clone()

    def _shown_batches(self, split: str, n: int | None) -> Iterable[Batch]:
        """Batches of n examples of a split, with their progress shown."""
        total = min(n or len(getattr(self.data, split)), len(getattr(self.data, split)))
        return self.progress(
            Counted(self.data.batches(split, n), -(-total // 1000)), f"encoding {total:,} {self.data.values.many}"
        )

    def factor_codes(self) -> Tensor:
        """Return the posterior means [M, D] of all images of ``data.factors``, on the CPU."""
        return self.factor_posteriors().mu

    def factor_posteriors(self) -> Normal:
        """Return the posterior of all images of ``data.factors``, [M, D], on the CPU."""
        factors = self.data.factors
        if factors is None:
            raise ValueError("the dataset has no known factors")
        if self._factor_posteriors is None:
            total, parts = len(factors.stored), []
            for index in self.progress(
                torch.arange(total).split(AT_ONCE), f"encoding all {total:,} {self.data.values.many}"
            ):
                x = self.data.values.ready(factors.stored[index], self.device)
                y = None if factors.targets is None else factors.targets[index].to(self.device)
                parts.append(self._encode(x, y, 0)[0])
            self._factor_posteriors = _joined(parts)
        return self._factor_posteriors

    def _encode(self, x: Tensor, y: Tensor | None, level: int) -> "tuple[Normal, list[Tensor], Tensor | None]":
        """The moments of a level and the KL of every level, flattened to [B, D], and y, on the CPU."""
        with torch.inference_mode():
            moments, latents = posterior_moments(self.model, x, y, self.noise)
            kl = [] if level else [part.mean(0).flatten(1).cpu() for part in latents.kl]
            q = Normal(moments[level].mu.flatten(1).cpu(), moments[level].log_var.flatten(1).cpu())
            return q, kl, None if y is None else y.cpu()


@dataclass
class _Encoded:
    """The result of inference for n examples, on the CPU."""

    moments: Normal  # of one level, [n, D]
    kl: list[Tensor]  # of every level, top level first, each [n, D] or [n, 1]; empty with moments below the top
    y: Tensor | None  # labels [n] or attributes [n, A]


def _joined(parts: Sequence[Normal]) -> Normal:
    return Normal(torch.cat([q.mu for q in parts]), torch.cat([q.log_var for q in parts]))


def _joined_targets(parts: Sequence[Tensor | None]) -> Tensor | None:
    targets = [y for y in parts if y is not None]
    return torch.cat(targets) if targets else None


def reconstructed(model: Model, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]) -> Tensor:
    """Return decoded posterior means: examples [B, *x_shape] to the same shape.

    If the posterior has no mean in closed form, e.g. that of a flow, its mean is estimated from draws of ``noise``.
    """
    with torch.inference_mode():
        latents = mean_latents(model, x, y, noise)
        params = latents.params if latents.params is not None else model.decode(latents.z, y)
        return model.likelihood.mean(params)[0]
