"""Vectors of attributes for the sliders of a page: raw, and corrected for the attributes that go with each."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vae_lab.data.presence import Presence
from vae_lab.evaluation.trained import Evaluation
from vae_lab.latents.attribute_vectors import Attribute, attributes_of
from vae_lab.latents.codes import encode

MOST = 5_000  # images of a split whose codes are used
_MOST_CLASSES = 20


def attributes_for_page(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return names, vectors and held-out accuracy of each attribute of the dataset; None if it has none.

    The classes of a dataset without attributes serve as such, unless the model is conditional. The vectors are those of
    training images; the accuracy on test images is that of the corrected vector, or of the raw one where there is
    nothing to correct.
    """
    data = evaluation.data
    names = data.attributes or (() if evaluation.model.conditional else data.classes)
    if not names or (not data.attributes and len(names) > _MOST_CLASSES):
        return None
    (codes, values), (held_out, held_out_values) = (_encoded(evaluation, split) for split in ("train", "test"))
    presence = Presence.of(values)
    found = attributes_of(codes, presence(values), names, balance=None if data.attributes else ())
    there = presence(held_out_values)

    def accuracy(one: Attribute) -> float:
        return (one.corrected or one.raw).accuracy(held_out, there[:, one.index])

    return {
        "names": [one.name for one in found],
        "raw": [one.raw.vector.tolist() for one in found],
        "corrected": [one.corrected and one.corrected.vector.tolist() for one in found],
        "balanced": [list(one.balanced) for one in found],
        "accuracy": [accuracy(one) for one in found],
    }


def _encoded(evaluation: Evaluation, split: str) -> tuple[Tensor, Tensor]:
    """Codes of images of a split [N, D], and their attributes or one-hot labels, float [N, A]."""
    data, part = evaluation.data, getattr(evaluation.data, split)
    chosen = torch.linspace(0, len(part) - 1, min(MOST, len(part))).long()
    stored, y = part.at(chosen)
    x = data.as_received(data.values.ready(stored, evaluation.device), evaluation.noise("explorer"))
    given = y if evaluation.model.conditional else None
    codes = encode(evaluation.model, x, given, evaluation.noise, variational=evaluation.objective.variational)
    return codes.mean, (one_hot(y.long(), len(data.classes)) if y.ndim == 1 else y).float().cpu()
