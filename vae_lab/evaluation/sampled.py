"""Images of a sampler that was fitted to a model's codes, scored beside its prior's under names of their own."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from vae_lab.config.make import make_all
from vae_lab.evaluation.scoring import Scoring
from vae_lab.evaluation.trained import PRIOR, Evaluation, decoded_draws
from vae_lab.scores import Extractor, Scores
from vae_lab.types import Sampler

Node = dict[str, Any]
_PARTS = ("values", "intervals", "meanings", "protocol", "arrays", "tables")


class Sampled(Scoring):
    """Images decoded from a sampler's codes, as scores and figures of images are called with them.

    Scores have their plain names in here; :meth:`hand_over` puts the sampler's behind them.

    Args:
        evaluation: of the model, with the scores that there are already.
        sampler: fitted.
        about: what its file says of the fit.
        name: of the sampler.
    """

    learnt_from = "train"

    def __init__(self, evaluation: Evaluation, sampler: Sampler, about: Node, name: str) -> None:
        title = f"{evaluation.title}, sampler={name}"
        super().__init__(evaluation.data, evaluation.seed, evaluation.device, title, evaluation.progress)
        self.evaluation, self.fitted, self.about, self.name = evaluation, sampler, about, name
        told = evaluation.sampler.removeprefix(PRIOR)  # of the labels of a conditional model
        self.sampler, self.known = source_of(sampler) + told, evaluation.scores
        if evaluation.scores.protocol.get("samplers", {}).get(name) == about:
            self.scores = _own(evaluation.scores, name)
        else:  # what was scored under this name was of another fit
            _remove(evaluation.scores, name)

    @property
    def classifier(self) -> Extractor | None:  # type: ignore[override]
        """That of the evaluation, which may have it already."""
        return self.evaluation.classifier

    @property
    def extractor(self) -> Extractor | None:  # type: ignore[override]
        """That of the evaluation, which may have it already."""
        return self.evaluation.extractor

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n decoded means of the sampler's draws; the first n are the same whatever n is."""
        model, conditions = self.evaluation.model, self.evaluation.conditions
        yield from decoded_draws(model, n, self.device, self.seed, purpose, size, conditions, self.fitted)

    def _real(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        return self.evaluation._by(network, source, n)

    def hand_over(self) -> Scores:
        """The evaluation's scores with those of the sampler: ``test/fid_gmm``, ``test/fid_gmm_floor``."""
        scores = self.evaluation.scores
        for part in _PARTS:
            getattr(scores, part).update({_full(k, self.name): v for k, v in getattr(self.scores, part).items()})
        scores.protocol["samplers"] = {**scores.protocol.get("samplers", {}), self.name: self.about}
        told = [f"sampler={self.name}: labels were {self.about['labels']}."] if "labels" in self.about else []
        scores.notes.extend(note for note in [*self.scores.notes, *told] if note not in scores.notes)
        return scores


def of_images(nodes: Node) -> dict[str, Any]:
    """The metrics or figures of a config that concern generated images, made."""
    return {name: part for name, part in make_all(nodes).items() if getattr(part, "of_images", False)}


def source_of(sampler: Sampler) -> str:
    """Where images come from, for protocols and titles."""
    return f"decoder means of draws from {sampler.label}"


def _full(key: str, name: str) -> str:
    """``fid_floor`` to ``fid_gmm_floor``."""
    bare = key.removesuffix("_floor")
    return f"{bare}_{name}{key.removeprefix(bare)}"


def _bare(key: str, name: str) -> str | None:
    """``fid_gmm_floor`` to ``fid_floor``; None where it is not of this sampler."""
    head = key.removesuffix("_floor")
    return head.removesuffix(f"_{name}") + key.removeprefix(head) if head.endswith(f"_{name}") else None


def _own(scores: Scores, name: str) -> Scores:
    """Those of one sampler, under their plain names."""
    found: Any = {part: {} for part in _PARTS}
    for part in _PARTS:
        for key, value in getattr(scores, part).items():
            bare = _bare(key, name)
            if bare:
                found[part][bare] = value
    return Scores(**found)


def _remove(scores: Scores, name: str) -> None:
    for part in _PARTS:
        for key in [key for key in getattr(scores, part) if _bare(key, name)]:
            del getattr(scores, part)[key]
