"""Images that are decoded beforehand, for a decoder that the page cannot carry out."""

from typing import Any

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation
from vae_lab.explorer.pictures import sheet
from vae_lab.latents.aggregate import Aggregate
from vae_lab.latents.codes import decode

SIDE = 15  # codes along each side of the grid
SPREAD = 3.0  # standard deviations from the centre of the grid to its edge
_SAMPLES = 64


def prepared(
    evaluation: Evaluation, codes: Tensor, aggregate: Aggregate, x: Tensor, y: Tensor | None, reason: str
) -> dict[str, Any]:
    """Return the reconstructions of images, samples, and a grid over the two dimensions of highest KL.

    Args:
        evaluation: the run.
        codes: of the images, [N, D].
        aggregate: their moments.
        x: the images [N, C, H, W].
        y: their y, of a conditional model.
        reason: why the page cannot carry out the decoder.
    """
    rebuilt = torch.cat([evaluation.reconstruct(x[i : i + 500], None if y is None else y[i : i + 500])
                         for i in range(0, len(x), 500)]).cpu()  # fmt: skip
    samples = torch.cat(list(evaluation.sample(_SAMPLES, "samples of the explorer"))).cpu()
    return {"reason": reason, "reconstructions": sheet(rebuilt), "samples": sheet(samples), "drawn": len(samples),
            "grid": _grid(evaluation, codes, aggregate, y)}  # fmt: skip


def _grid(evaluation: Evaluation, codes: Tensor, aggregate: Aggregate, y: Tensor | None) -> dict[str, Any] | None:
    """The grid, its rows from low to high values; None where codes cannot be decoded one level at a time."""
    dims = aggregate.order[:2]
    steps = torch.linspace(-SPREAD, SPREAD, SIDE)
    z = aggregate.mean.repeat(SIDE, SIDE, 1)
    z[..., dims[0]] += steps * aggregate.sd[dims[0]]
    if len(dims) > 1:
        z[..., dims[1]] += steps[:, None] * aggregate.sd[dims[1]]
    given = None if y is None else y[:1].expand(SIDE * SIDE, *y.shape[1:])
    try:
        images = decode(evaluation.model, z.flatten(0, 1), given, evaluation.noise)
    except UserError:
        return None
    return {"dims": dims.tolist(), "side": SIDE, "spread": SPREAD, **sheet(images)}
