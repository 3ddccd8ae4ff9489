"""Flags anomalies among given images: the threshold comes from held-out normal images, the validation set of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.metrics.anomaly_scores.judged import AnomalyScore, Judged, finite, with_name
from vae_lab.metrics.common.conformal import likely_rates, p_values, threshold
from vae_lab.scores import Trained


@dataclass
class Detected:
    """The result of one score for m images."""

    name: str
    label: str  # of the score, with its unit
    about: dict[str, Any]  # the settings of the score
    scores: Tensor  # float64 [m], higher for more anomalous images
    held_out: Tensor  # float64 [n], of the held-out normal images
    false_alarms: float  # α, the largest accepted share of normal images that are flagged

    @property
    def p_values(self) -> Tensor:
        """(1 + #{held-out ≥ s}) / (n + 1) of every image: float64 [m]."""
        return p_values(self.scores, self.held_out)

    @property
    def threshold(self) -> float:
        """The score above which an image is flagged."""
        return threshold(self.held_out, self.false_alarms)

    @property
    def flagged(self) -> Tensor:
        """Whether each image is flagged, which means p ≤ α: bool [m]."""
        return self.scores > self.threshold

    @property
    def order(self) -> Tensor:
        """The positions of the images, the most anomalous one first: long [m]."""
        return self.scores.argsort(descending=True, stable=True)

    @property
    def guarantee(self) -> str:
        """What the threshold promises, in a sentence."""
        n = len(self.held_out)
        low, high = (f"{100 * rate:.2g}" for rate in likely_rates(self.false_alarms, n))
        return (
            f"Of normal images like the {n:,} held-out validation images, at most {100 * self.false_alarms:g} % are "
            f"flagged on average over held-out sets, whatever the model; for this set, {low} to {high} % with 95 % "
            "probability."
        )

    @property
    def protocol(self) -> dict[str, Any]:
        """How the flags were obtained."""
        return {
            "score": self.name,
            "meaning": f"{self.label}, higher for more anomalous images",
            **({"settings": self.about} if self.about else {}),
            "held_out": f"{len(self.held_out):,} validation images",
            "p_value": "(1 + number of held-out scores that are at least as high) / (held-out + 1)",
            "false_alarms": self.false_alarms,
            "threshold": self.threshold,
            "flagged": int(self.flagged.sum()),
            "images": len(self.scores),
            "guarantee": self.guarantee,
        }


def usable_scores(
    trained: Trained, scores: Mapping[str, AnomalyScore], named: bool
) -> tuple[dict[str, AnomalyScore], list[str]]:
    """Return the scores that make sense for a model, and notes about those of a set that do not.

    Args:
        trained: the model.
        scores: the scores by name.
        named: whether the user has named each of them, instead of a set of scores.

    Raises:
        UserError: a score that the user named makes no sense for the model, or none of a set does.
    """
    reasons = {name: trained.lacks(score) for name, score in scores.items()}
    kept = {name: score for name, score in scores.items() if not reasons[name]}
    if kept and (len(kept) == len(scores) or not named):
        return kept, [f"No {name}: {why}." for name, why in reasons.items() if why]
    name, why = next((name, why) for name, why in reasons.items() if why)
    raise UserError(f"scores={name}: {why}" + ("" if name == "recon" or "type " in why else "; type scores=recon"))


def detect(
    trained: Trained,
    scores: Mapping[str, AnomalyScore],
    images: Judged,
    false_alarms: float,
    held_out: int | None = None,
) -> list[Detected]:
    """Score given images and held-out ones, and flag the given ones whose p-value is at most ``false_alarms``.

    Args:
        trained: the model, with its data.
        scores: the scores by name; each is fitted here to training images.
        images: the images.
        false_alarms: α.
        held_out: number of validation images, a fixed random choice; None: all.

    Raises:
        UserError: there are too few held-out images for so low a rate of false alarms.
    """
    normal = Judged.of_split(trained, "val", held_out, "held-out images")
    found = []
    for name, score in scores.items():
        score.fit(trained)
        of_images, of_normal = (finite(score(trained, some)) for some in (images, normal))
        found.append(Detected(name, with_name(name, score.label), score.about, of_images, of_normal, false_alarms))
    return found
