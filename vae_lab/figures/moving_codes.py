"""What figures that move codes share: the codes of a run, its test images, and decoding with the condition of an image.

Figures of the latent space read codes through this module, so that they treat every family of models alike: an
autoencoder has no variance, a hierarchy is moved at its top level, and a conditional model keeps its condition.
"""

from collections.abc import Sequence
from itertools import islice
from math import prod
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vae_lab.errors import UserError, counted
from vae_lab.figures.image_grids import pick
from vae_lab.figures.reconstructions import spread
from vae_lab.latents.codes import Codes, decode, encode
from vae_lab.noise import NoNoise
from vae_lab.scores import Trained

_READ = 1000  # test images at a time


def codes_of(trained: Trained, split: str = "test", n: int | None = None, level: int = 0) -> Codes:
    """The codes of n examples of a split (all by default), encoded once for all figures and metrics."""
    check_level(trained, level)
    q, _ = trained.codes(split, n, level)
    if trained.model.deterministic or not trained.objective.variational:
        return Codes(q.mu, None, None)
    return Codes(q.mu, q.log_var.exp(), trained.kl(split, n, level))


def check_level(trained: Trained, level: int) -> None:
    """Refuse a level that the model does not have.

    Raises:
        UserError: names the levels.
    """
    levels = len(trained.model.latent_shapes)
    if level >= levels:
        raise UserError(f"level={level}: this model has {levels} level{'s' * (levels > 1)}, and 0 is the top")


def level_in_words(trained: Trained, moving: Sequence[int]) -> str:
    """The levels that move as the end of a clause, ``, top level of 3 (8 dimensions)``; empty for one level alone."""
    shapes = trained.model.latent_shapes
    if len(moving) == len(shapes):
        return "" if len(shapes) == 1 else f", all {len(shapes)} levels"
    dims = counted(prod(shapes[moving[0]]), "dimension")
    below = f"level {moving[0]} below the top of {len(shapes)}" if moving[0] else f"top level of {len(shapes)}"
    return f", {below} ({dims})"


def test_images(trained: Trained, index: list[int] | None, n: int) -> tuple[Tensor, Tensor | None, list[int]]:
    """Test images as the model receives them, their condition (None for a model without one), and their positions.

    Args:
        trained: the run.
        index: positions in the test set; None: the first n, evenly from all classes if there are labels.
        n: number of images if no positions are given.

    Raises:
        UserError: a position is not in the test set.
    """
    test = trained.data.test
    places = spread(test.labels, min(n, len(test))).tolist() if index is None else index
    outside = [place for place in places if not 0 <= place < len(test)]
    if outside:
        raise UserError(f"there is no test image {outside[0]}: the test set has images 0 to {len(test) - 1}")
    first = islice(trained.data.batches("test", size=_READ), max(places, default=0) // _READ + 1)
    x = pick((batch.x for batch in first), places)
    y = test.at(torch.tensor(places))[1]
    return x.to(trained.device), y if trained.model.conditional else None, places


def soft(y: Tensor | None, trained: Trained) -> Tensor | None:
    """Conditions as numbers that can be mixed, float [N, y_size]: labels as one-hot vectors, attributes as they are."""
    if y is None or y.ndim > 1:
        return y
    return one_hot(y.long(), trained.data.y_size).float()


def means_of(trained: Trained, x: Tensor, y: Tensor | None, level: int = 0) -> Tensor:
    """The means of the codes of images at a level, [N, D]."""
    return encode(trained.model, x, y, trained.noise, level).mean


def decoded(
    trained: Trained,
    z: Tensor,
    y: Tensor | None,
    level: int = 0,
    below: list[Tensor] | None = None,
    above: list[Tensor] | None = None,
) -> Tensor:
    """Images [N, C, H, W] of codes of one level [N, D]; y may be that of a single example."""
    if y is not None and len(y) == 1:
        y = y.expand(len(z), *y.shape[1:])
    return decode(trained.model, z, y, trained.noise, level, below, above)


def centre(trained: Trained, mean: Tensor, y: Tensor | None, level: int = 0) -> tuple[Tensor, str]:
    """The code [D] in the middle of a level and its name: the prior's mean, or else the mean of all codes.

    Args:
        trained: the run.
        mean: the mean of the codes of the data [D], which is the middle for a model whose objective draws no codes
            towards the prior, or whose prior has several modes.
        y: the condition, for a model whose prior depends on it: a single row.
        level: counted from 0 at the top.
    """
    model = trained.model
    if not trained.objective.matches_prior or not (model.standard_prior or len(model.latent_shapes) > 1):
        return mean, "the mean of all codes"
    given = None if y is None else y[:1].to(trained.device)
    with torch.inference_mode():
        z = model.prior_sample(1, given, NoNoise(trained.noise("centre of the prior")))[level]
    return z.flatten().cpu().clone(), "the prior's mean"


def condition_in_words(trained: Trained, y: Tensor | None) -> str:
    """``, label 7`` or ``, smiling 1, glasses 0`` of the first of these conditions; empty without one."""
    if y is None:
        return ""
    data = trained.data
    if y.ndim == 1:
        return f", label {data.classes[int(y[0])]}"
    values = zip(data.attributes, cast(list[float], y[0].tolist()))
    return ", " + ", ".join(f"{name} {value:g}" for name, value in values)
