"""The normalisations that a config can name, each over the features of a vector or the channels of a grid."""

from typing import Literal

from torch import nn

from vae_lab.nets.batch_norm import BatchNorm
from vae_lab.types import Shape

Norm = Literal["batch", "layer", "none"]


def norm(name: Norm, features: Shape) -> list[nn.Module]:
    """Return a list with the module, which is empty for ``none``.

    Args:
        name: ``batch`` (arXiv 1502.03167), ``layer`` (arXiv 1607.06450; on a grid, a group norm with a single group,
            arXiv 1803.08494) or ``none``.
        features: the shape of one example, F or F, H, W.
    """
    if name == "batch":
        return [BatchNorm(features[0])]
    if name == "layer":
        return [nn.GroupNorm(1, features[0])]
    return []
