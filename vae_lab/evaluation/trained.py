"""A trained model in evaluation mode, as metrics and figures are called with it, and images drawn from one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from vae_lab.evaluation.conditions import Conditions, as_in_training, in_turn, unconditional
from vae_lab.evaluation.posterior_means import posterior_moments
from vae_lab.evaluation.scoring import AT_ONCE, Counted, FeaturesFor, Progress, Scoring, silent
from vae_lab.features.classifier import classifier_features
from vae_lab.noise import SeededNoise
from vae_lab.training.job import Job
from vae_lab.types import Extractor, Noise, Normal, Sampler

PRIOR = "decoder means of draws from the prior"


class Evaluation(Scoring):
    """A trained model in evaluation mode, with its data.

    Args:
        job: the trained model with its objective.
        history: one row of terms per epoch.
        data, seed, device, title, progress, features: see :class:`Scoring`.
    """

    sampler = PRIOR
    learnt_from = "train"

    def __init__(
        self,
        job: Job,
        data: Any,
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
        self.conditions: Conditions = unconditional
        if self.model.conditional:
            self.conditions = as_in_training(data.train)
            known = "attributes" if data.attributes else "labels"
            self.told_of = f"the images' {known}"
            self.sampler = f"{PRIOR}, {known} drawn as in training"
        self._codes: dict[tuple[str, int | None], tuple[Normal, Tensor | None]] = {}
        self._kl: dict[tuple[str, int | None], Tensor] = {}
        self._factor_codes: Tensor | None = None

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: Tensor | None = None) -> Iterator[Tensor]:
        """n decoded means of prior draws; the first n are the same whatever n is.

        A conditional model decodes the rows of y in turn, or y drawn as in training; z does not depend on which.
        """
        conditions = self.conditions if y is None else in_turn(y)
        yield from decoded_draws(self.model, n, self.device, self.seed, purpose, size, conditions)

    def _made(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        if source == "samples":
            return super()._made(network, source, n)
        images = (self.reconstruct(batch.x, batch.y) for batch in self.data.batches("test", n))
        return self._through(network, images, source, n)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Decoded means of the posterior means; y is what a conditional model is told of the images."""
        y = None if y is None else y.to(x.device)
        return reconstructed(self.model, x, y, self.noise)

    def codes(self, split: str = "test", n: int | None = None) -> tuple[Normal, Tensor | None]:
        """The posterior of n images of a split (the top level's, where there are several), on the CPU."""
        if (split, n) not in self._codes:
            parts = [(self._posterior(batch.x, batch.y), batch.y) for batch in self._shown_batches(split, n)]
            self._kl[split, n] = torch.cat([kl for (_, kl), _ in parts])
            q = Normal(torch.cat([q.mu for (q, _), _ in parts]), torch.cat([q.log_var for (q, _), _ in parts]))
            labels = [y.cpu() for _, y in parts if y is not None and not self.data.attributes]
            self._codes[split, n] = q, torch.cat(labels) if labels else None
        return self._codes[split, n]

    def kl(self, split: str = "test", n: int | None = None) -> Tensor:
        """KL[q(z|x) ‖ p(z)] of the same images: [n, D] where it has a closed form, else one draw's, [n, 1]; nats."""
        self.codes(split, n)
        return self._kl[split, n]

    def code_draws(self) -> Tensor:
        """One draw of q(z|x) per training image (top level, flattened; the mean where nothing is drawn): [N, D].

        Computed anew with the same draws each time, on the CPU: what samplers are fitted to.
        """
        noise, drawn, found = self.noise("codes of samplers"), self.objective.variational, []
        with torch.inference_mode():
            for batch in self._shown_batches("train", None):
                latents = self.model.infer(batch.x, batch.y, 1, noise)
                q = latents.q[0]
                found.append((latents.z[0][0] if drawn or q is None else q.mu).flatten(1).cpu())
        return torch.cat(found).clone()

    def _shown_batches(self, split: str, n: int | None) -> Iterable[Any]:
        total = min(n or len(getattr(self.data, split)), len(getattr(self.data, split)))
        return self.progress(Counted(self.data.batches(split, n), -(-total // 1000)), f"encoding {total:,} images")

    def factor_codes(self) -> Tensor:
        """Posterior means [M, D] of every image of ``data.factors``, on the CPU."""
        factors = self.data.factors
        if factors is None:
            raise ValueError("the dataset has no known factors")
        if self._factor_codes is None:
            total = len(factors.pixels)
            parts = torch.arange(total).split(AT_ONCE)
            places = self.progress(parts, f"encoding all {total:,} images")
            pixels = ((factors.pixels[index].to(self.device).float().div_(255), index) for index in places)
            known = self.data.pool.targets  # of every image, whatever split it is in
            told = ((x, None if known is None else known[index].to(self.device)) for x, index in pixels)
            self._factor_codes = torch.cat([self._posterior(x, y)[0].mu for x, y in told])
        return self._factor_codes

    def _posterior(self, x: Tensor, y: Tensor | None) -> tuple[Normal, Tensor]:
        """The top level's moments [B, D] and the KL over all levels, [B, its dimensions]."""
        with torch.inference_mode():
            (q, *_), latents = posterior_moments(self.model, x, y, self.noise)
            kl = torch.cat([part.mean(0).flatten(1) for part in latents.kl], 1)
            return Normal(q.mu.flatten(1).cpu(), q.log_var.flatten(1).cpu()), kl.cpu()


def reconstructed(model: Any, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]) -> Tensor:
    """Decoded means of the posterior means: images [B, C, H, W] to the same; a flow draws its means with ``noise``."""
    with torch.inference_mode():
        means = tuple(q.mu.unsqueeze(0) for q in posterior_moments(model, x, y, noise)[0])
        return model.likelihood.mean(model.decode(means, y))[0]  # type: ignore[no-any-return]


def decoded_draws(
    model: Any,
    n: int,
    device: torch.device,
    seed: int,
    purpose: str,
    size: int = 1000,
    conditions: Conditions = unconditional,
    sampler: Sampler | None = None,
) -> Iterator[Tensor]:
    """n decoded means of draws from a model's prior or a sampler, [size, C, H, W] at a time: of weights and seed alone.

    A sampler's codes are drawn on the CPU, for all devices; where they come from does not change which y are drawn.
    """
    for start in range(0, n, size):
        key = (seed, "evaluation", purpose, start)
        y = conditions(start, size, SeededNoise("cpu", *key, "y"))
        y = None if y is None else y.to(device)
        with torch.inference_mode():
            if sampler is None:
                z = model.prior_sample(size, y, SeededNoise(device, *key))
            else:
                z = (sampler.sample(size, SeededNoise("cpu", *key)).to(device).unsqueeze(0),)
            images = model.likelihood.mean(model.decode(z, y))[0]
        yield images[: n - start]
