"""The codes of all levels of a model as one matrix, from which exactly the reconstructions are decoded.

A row holds the codes of one example, the top level first, each level flattened: the means of q(z|x), of a flow those of
:data:`vae_lab.inference.DRAWS` draws, or the integers of discrete codes. :mod:`vae_lab.latents.codes` has single levels
and, of discrete codes, their vectors.

>>> import torch
>>> from functools import partial
>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.models.ladder import Ladder
>>> from vae_lab.nets.dense_levels import DenseLevels
>>> from vae_lab.noise import SeededNoise
>>> model = Ladder(DenseLevels([32, 16], norm="none"), Bernoulli(), (1, 8, 8), latent_dims=[4, 2]).eval()
>>> noise = partial(SeededNoise, "cpu", 0)
>>> levels = encode_levels(model, torch.rand(5, 1, 8, 8), None, noise)
>>> [(level.name, tuple(level.codes.shape)) for level in levels]
[('level2_', (5, 2)), ('level1_', (5, 4))]
>>> decode_matrix(model, matrix(levels), None, noise).shape
torch.Size([5, 1, 8, 8])
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from vae_lab.errors import UserError, counted
from vae_lab.inference import code_sizes, mean_latents, posterior_moments
from vae_lab.latents.codes import AT_ONCE, device_of
from vae_lab.latents.lines import line
from vae_lab.noise import NoNoise
from vae_lab.types import Model, Noise

NoiseFor = Callable[[str], Noise]  # makes the noise of a purpose, on the model's device


@dataclass
class LevelCodes:
    """The codes of N examples at one level, flattened, on the CPU."""

    name: str  # before the names of its columns: ``level1_`` next to the data; empty if there is one level alone
    codes: Tensor  # [N, D]: the posterior's means, or long integers of a discrete model
    log_var: Tensor | None  # [N, D], log σ²; None: each code is a single point
    kl: Tensor | None  # nats: [N, D] where each dimension has its own, otherwise [N, 1]; None: without a meaning

    @classmethod
    def joined(cls, parts: Sequence["LevelCodes"]) -> "LevelCodes":
        """The codes of several batches of one level."""

        def all_of(tensors: Sequence[Tensor | None]) -> Tensor | None:
            return _plain(torch.cat([part for part in tensors if part is not None])) if tensors[0] is not None else None

        log_var, kl = all_of([part.log_var for part in parts]), all_of([part.kl for part in parts])
        return cls(parts[0].name, _plain(torch.cat([part.codes for part in parts])), log_var, kl)


def level_names(model: Model) -> list[str]:
    """The names of a model's levels, top first, numbered as in the scores ``kl_level1`` …: from 1 next to the data."""
    levels = len(model.latent_shapes)
    return [f"level{levels - i}_" for i in range(levels)] if levels > 1 else [""]


def level_sizes(model: Model) -> list[int]:
    """The number of codes of one example at every level, top first."""
    return [math.prod(shape) for shape in model.latent_shapes]


def encode_levels(
    model: Model, x: Tensor, y: Tensor | None, noise: NoiseFor, variational: bool = True
) -> list[LevelCodes]:
    """The posteriors of all levels, top first; every level is given the means of those above it.

    Args:
        model: infers the codes, in evaluation mode.
        x: examples [N, *x_shape], on any device.
        y: their labels [N] or attributes [N, A], for a conditional model.
        noise: makes the noise of a purpose.
        variational: whether the objective gives variance and KL a meaning; false for an autoencoder.
    """
    parts = [_encoded(model, *rows, noise, variational) for rows in _batches(model, x, y)]
    return [LevelCodes.joined(of_level) for of_level in zip(*parts)]


def _encoded(model: Model, x: Tensor, y: Tensor | None, noise: NoiseFor, variational: bool) -> list[LevelCodes]:
    with torch.inference_mode():
        moments, latents = posterior_moments(model, x, y, noise)
        drawn = variational and not model.deterministic
        return [
            LevelCodes(
                name,
                (q.mu if latents.codes is None else latents.codes[i][0]).flatten(1).cpu(),
                q.log_var.flatten(1).cpu() if drawn else None,
                latents.kl[i].mean(0).flatten(1).cpu() if drawn else None,
            )
            for i, (name, q) in enumerate(zip(level_names(model), moments))
        ]


def matrix(levels: Sequence[LevelCodes]) -> Tensor:
    """The codes of all levels side by side, [N, ΣD]: floats, or long integers of a discrete model."""
    return torch.cat([level.codes for level in levels], 1)


def decode_matrix(model: Model, codes: Tensor, y: Tensor | None, noise: NoiseFor) -> Tensor:
    """The likelihood's means of codes, [N, *x_shape] on the CPU; images are in [0, 1].

    Args:
        model: decodes, in evaluation mode.
        codes: of all levels as :func:`matrix` returns them, or of the uppermost ones alone; the others are then at the
            means of their priors.
        y: labels [N] or attributes [N, A], for a conditional model.
        noise: makes the noise of a purpose; its draws are replaced by their mean.

    Raises:
        UserError: the columns are not those of a number of levels, or discrete codes are not integers of the codebook,
            or are not of all levels.
    """
    levels = divided(model, codes)
    shapes, whole = model.latent_shapes, len(levels) == len(model.latent_shapes)
    images = []
    for rows, given in _batches(model, codes, y):
        parts = rows.split([part.shape[1] for part in levels], 1)
        z = tuple(part.reshape(1, len(rows), *shape) for part, shape in zip(parts, shapes))
        with torch.inference_mode():
            if not whole or code_sizes(model):
                z = model.prior_sample(len(rows), given, NoNoise(noise("levels at their means")), z)
            images.append(model.likelihood.mean(model.decode(z, given))[0].cpu())
    return _plain(torch.cat(images))


def divided(model: Model, codes: Tensor) -> Sequence[Tensor]:
    """The codes of each level that is given, top first.

    Raises:
        UserError: see :func:`decode_matrix`.
    """
    sizes, books = level_sizes(model), code_sizes(model)
    if codes.ndim != 2:
        raise UserError(f"codes of shape {list(codes.shape)}; a matrix [N, {sum(sizes)}] is needed, one row per image")
    complete = [count for count in range(1, len(sizes) + 1) if sum(sizes[:count]) == codes.shape[1]]
    if not complete or (books and complete[0] < len(sizes)):
        top = f", or the {sizes[0]} of the top level" if len(sizes) > 1 and not books else ""
        raise UserError(
            f"{counted(codes.shape[1], 'value')} per image, and this run has {sum(sizes)}{top}; the codes are those of "
            "another run"
        )
    levels = codes.split(sizes[: complete[0]], 1)
    for level, book in zip(levels, books):
        if level.is_floating_point() or level.dtype == torch.bool:
            raise UserError("the codes of this run are integers, not real numbers; type the codes that encode writes")
        if len(level) and not (int(level.min()) >= 0 and int(level.max()) < book):
            raise UserError(
                f"codes from {int(level.min())} to {int(level.max())}; those of this run are from 0 to {book - 1}"
            )
    if not books and not codes.isfinite().all():
        raise UserError("some codes are NaN or infinite; repair or remove their rows")
    return levels


def decode_line(
    model: Model, x: Tensor, y: Tensor | None, noise: NoiseFor, steps: int, spherical: bool = False
) -> Tensor:
    """Decoded codes on the line between the codes of two examples, [steps, *x_shape] on the CPU, images in [0, 1].

    The first and the last are the reconstructions, since the codes of all levels move together. Between discrete codes
    the vectors move, and the decoder receives vectors that no code has.

    Args:
        model: infers and decodes, in evaluation mode.
        x: the two examples [2, *x_shape].
        y: for a conditional model, their attributes [2, A] or labels as one-hot rows [2, classes]; they move along a
            straight line, too.
        noise: makes the noise of a purpose.
        steps: at least 2, the ends among them.
        spherical: on a great circle, :func:`vae_lab.latents.lines.slerp`, of each level.
    """
    ((x, given),) = _batches(model, x, y)
    with torch.inference_mode():
        ends = [z[0] for z in mean_latents(model, x, given, noise).z]
    lines = [line(end[0].flatten(), end[1].flatten(), steps, spherical) for end in ends]
    given = None if given is None else line(given[0], given[1], steps)
    images = []
    for rows, of_rows in _batches(model, torch.cat(lines, 1), given):
        parts = rows.split([part.shape[1] for part in lines], 1)
        levels = tuple(part.reshape(1, len(rows), *end.shape[1:]) for part, end in zip(parts, ends))
        with torch.inference_mode():
            images.append(model.likelihood.mean(model.decode(levels, of_rows))[0].cpu())
    return _plain(torch.cat(images))


def _batches(model: Model, rows: Tensor, y: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The rows and their y in batches, on the model's device."""
    device = device_of(model)
    given: Iterable[Tensor | None] = repeat(None) if y is None else y.to(device).split(AT_ONCE)
    for part, of_part in zip(rows.split(AT_ONCE), given):
        yield part.to(device), of_part


def _plain(x: Tensor) -> Tensor:
    """A copy that autograd accepts, of a tensor that was made in inference mode."""
    return x.clone()
