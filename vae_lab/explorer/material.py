"""What a page shows: test images with their codes, draws from the prior, attributes, and the decoder or its images."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation
from vae_lab.explorer.checking import Checks, checks_of, refuse_other_pixels
from vae_lab.explorer.decoding import decoder_program
from vae_lab.explorer.prepared import prepared
from vae_lab.explorer.program import Program, Weights
from vae_lab.explorer.recording import CannotRun
from vae_lab.latents.aggregate import Aggregate
from vae_lab.latents.codes import decode, encode

DRAWS = 200  # codes of the prior
_MOST_NUMBERS = 750_000  # of the codes in a page: 1.5 MB in half precision


@dataclass
class Material:
    """All that a page is made of, on the CPU."""

    title: str
    images: Tensor  # [N, C, H, W]
    labels: Tensor | None  # [N]
    classes: tuple[str, ...]
    codes: Tensor  # [N, D]
    aggregate: Aggregate
    draws: Tensor  # [M, D], codes of the prior
    y: Tensor | None  # [N, A], of a conditional model
    y_names: tuple[str, ...] = ()
    program: Program | None = None
    checks: Checks | None = None
    worst: float = 0.0  # the largest difference between the page's pixels and the model's, in [0, 1]
    prepared: dict[str, Any] | None = None  # in the place of a program
    attributes: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)


def material_of(evaluation: Evaluation, points: int, weights: Weights) -> Material:
    """Encode test images, and make their decoder a program, or decode what the page needs beforehand.

    Args:
        evaluation: the run, on the CPU.
        points: the largest number of test images; there are fewer if their codes have many dimensions.
        weights: how the page stores matrices and kernels.

    Raises:
        UserError: the examples are not images, or the page's pixels would differ from the model's.
    """
    data, model, noise = evaluation.data, evaluation.model, evaluation.noise
    if data.values.kind != "images":
        raise UserError(f"vae-lab explore shows images, and this run generates {data.values.many}")
    total = len(data.test)
    chosen = _spread(total, min(points, total))
    x, y = _examples(evaluation, chosen)
    codes = encode(model, x, y, noise, variational=evaluation.objective.variational)
    fewer = _spread(len(x), max(16, min(len(x), _MOST_NUMBERS // codes.mean.shape[1])))
    mean, aggregate = codes.mean[fewer], Aggregate.of(codes)
    x, y, chosen = x[fewer], None if y is None else y[fewer], chosen[fewer]
    vectors = _vectors(y, len(data.classes))
    labels = None if data.attributes else data.test.at(chosen)[1]
    made = Material(
        title=evaluation.title, images=x, labels=labels, classes=tuple(data.classes), codes=mean, aggregate=aggregate,
        draws=_draws(evaluation, y), y=vectors, y_names=tuple(data.attributes or data.classes) if y is not None else (),
    )  # fmt: skip
    try:
        made.program = decoder_program(model, mean, vectors, noise, weights)
    except CannotRun as why:
        made.prepared = prepared(evaluation, made.codes, aggregate, x, y, str(why))
        return made
    made.checks = checks_of(mean, aggregate, vectors, lambda z, given: decode(model, z, given, noise))
    made.worst = refuse_other_pixels(made.program, made.checks)
    return made


def _spread(total: int, n: int) -> Tensor:
    return torch.linspace(0, total - 1, n).long()


def _examples(evaluation: Evaluation, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
    """Test images as the model receives them, and their y if the model is conditional."""
    data = evaluation.data
    stored, y = data.test.at(chosen)
    x = data.as_received(data.values.ready(stored, evaluation.device), evaluation.noise("explorer"))
    return x, y if evaluation.model.conditional else None


def _vectors(y: Tensor | None, classes: int) -> Tensor | None:
    """The numbers that a conditional decoder receives: attributes, or labels as one-hot vectors."""
    if y is None:
        return None
    return one_hot(y.long(), classes).float() if y.ndim == 1 else y.float()


def _draws(evaluation: Evaluation, y: Tensor | None) -> Tensor:
    """Codes of the top level, drawn from the prior; those of a conditional model given the y of the images in turn."""
    given = None if y is None else y[torch.arange(DRAWS) % len(y)]
    drawn = evaluation.latents(DRAWS, evaluation.noise("draws of the explorer"), given)
    return drawn[0].flatten(0, 1).flatten(1).float().cpu()
