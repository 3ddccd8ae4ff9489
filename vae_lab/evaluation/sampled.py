"""Scores the images of a sampler fitted to a model's codes; they are kept next to the scores of the model's prior."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vae_lab.config.node import Node
from vae_lab.evaluation.draws import decoded_draws, drawn_latents, is_code_prior
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import Evaluation, source_of
from vae_lab.scores import PARTS, Conditions, Extractor, Scores, parted
from vae_lab.types import CodePrior, Noise, Sampler


class Sampled(Scoring):
    """Images decoded from a sampler's codes: an argument of metrics and figures of images.

    Scores have their plain names in this object; :meth:`hand_over` appends the sampler's name.

    Args:
        evaluation: the evaluation of the model, with the scores computed so far.
        sampler: the fitted sampler.
        about: the record of its fit, as saved in its file.
        name: name of the sampler.
    """

    learnt_from = "train"

    def __init__(self, evaluation: Evaluation, sampler: Sampler | CodePrior, about: Node, name: str) -> None:
        title = f"{evaluation.title}, sampler={name}"
        super().__init__(evaluation.data, evaluation.seed, evaluation.device, title, evaluation.progress)
        self.evaluation, self.fitted, self.about, self.name = evaluation, sampler, about, name
        self.model, self.objective, self.trained = evaluation.model, evaluation.objective, evaluation
        self.prior = sampler if is_code_prior(sampler) else None
        self.sampler, self.known = source_of(sampler) + evaluation.labels_drawn, evaluation.scores
        if evaluation.scores.protocol.get("samplers", {}).get(name) == about:
            self.scores = _of_sampler(evaluation.scores, name)
        else:  # Scores under this name belong to an earlier fit.
            _remove(evaluation.scores, name)

    @property
    def without_classifier(self) -> str:  # type: ignore[override]
        """As for the evaluation."""
        return self.evaluation.without_classifier

    @property
    def classifier(self) -> Extractor | None:  # type: ignore[override]
        """The classifier of the evaluation, which may have been loaded already."""
        return self.evaluation.classifier

    @property
    def extractor(self) -> Extractor | None:  # type: ignore[override]
        """The extractor of the evaluation, which may have been loaded already."""
        return self.evaluation.extractor

    @property
    def conditions(self) -> Conditions:
        """The y of samples, as for the evaluation."""
        return self.evaluation.conditions

    def latents(
        self,
        n: int,
        noise: Noise,
        y: Tensor | None = None,
        top: tuple[Tensor, ...] = (),
        temperature: Sequence[float] = (1.0,),
    ) -> tuple[Tensor, ...]:
        """Return n draws of z of all levels from a prior over codes; see :meth:`Evaluation.latents`."""
        with torch.inference_mode():
            return drawn_latents(self.model, n, y, noise, self.prior, top, temperature)

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """Yield n decoded means of the sampler's draws; a smaller n gives the first of the same images."""
        model, conditions = self.evaluation.model, self.evaluation.conditions
        yield from decoded_draws(model, n, self.device, self.seed, purpose, size, conditions, self.fitted)

    def y_of_samples(self, n: int, purpose: str = "samples") -> Tensor | None:
        """Return the y of the first n samples, as for the evaluation."""
        return self.evaluation.y_of_samples(n, purpose)

    def _real(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        return self.evaluation._outputs(network, source, n)

    def hand_over(self) -> Scores:
        """Add the sampler's scores, such as ``test/fid_gmm`` and ``test/fid_gmm_floor``, to those of the evaluation."""
        labels = [f"sampler={self.name}: labels were {self.about['labels']}."] if "labels" in self.about else []
        pairs = (self.scores, self.evaluation.scores), (self.fresh, self.evaluation.fresh)
        for own, scores in pairs:
            scores.add(_under_full_names(own, self.name))
            scores.add(Scores({}, notes=labels))
            scores.protocol["samplers"] = {**scores.protocol.get("samplers", {}), self.name: self.about}
        return self.evaluation.scores


def _under_full_names(scores: Scores, name: str) -> Scores:
    """The scores of a sampler with its name in theirs, and in their topics."""
    own = Scores({}, notes=scores.notes)
    for part in PARTS:
        getattr(own, part).update({_full(key, name): value for key, value in getattr(scores, part).items()})
    own.topics = {key: f"{topic}, sampler={name}" for key, topic in own.topics.items()}
    return own


def _full(key: str, name: str) -> str:
    """``fid_floor`` to ``fid_gmm_floor``."""
    bare, floor = parted(key)
    return f"{bare}_{name}{floor}"


def _bare(key: str, name: str) -> str | None:
    """``fid_gmm_floor`` to ``fid_floor``; None if the key is not of this sampler."""
    head, floor = parted(key)
    return head.removesuffix(f"_{name}") + floor if head.endswith(f"_{name}") else None


def _of_sampler(scores: Scores, name: str) -> Scores:
    """The scores of one sampler, under their plain names."""
    own = Scores({})
    for part in PARTS:
        for key, value in getattr(scores, part).items():
            bare = _bare(key, name)
            if bare:
                getattr(own, part)[bare] = value
    return own


def _remove(scores: Scores, name: str) -> None:
    """Delete the scores of one sampler."""
    for part in PARTS:
        for key in [key for key in getattr(scores, part) if _bare(key, name)]:
            del getattr(scores, part)[key]
