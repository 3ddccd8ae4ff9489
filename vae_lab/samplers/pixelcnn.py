"""A prior over codes with a gated PixelCNN for each level; see :mod:`vae_lab.nets.gated_pixelcnn`."""

from collections.abc import Sequence
from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from vae_lab.nets.code_grid import CodeGrid
from vae_lab.nets.gated_pixelcnn import GatedPixelCNN
from vae_lab.samplers.autoregressive import Autoregressive
from vae_lab.samplers.prior_training import PriorTraining

Kernel = Literal[3, 5, 7]


class PixelCNN(Autoregressive):
    """p(c_t | c_{<t}) from masked convolutions over the rows above and the positions to the left.

    Args:
        layers: number of gated layers; a position sees ``layers`` · ⌊``kernel`` / 2⌋ columns to each side.
        width: channels of both stacks.
        kernel: size of the convolutions.
        epochs, batch_size, lr, weight_decay, patience: see :class:`~vae_lab.samplers.prior_training.PriorTraining`.
    """

    label = "a gated PixelCNN over codes"

    def __init__(
        self,
        layers: PositiveInt = 8,
        width: PositiveInt = 64,
        kernel: Kernel = 3,
        epochs: PositiveInt = 10,
        batch_size: PositiveInt = 128,
        lr: PositiveFloat = 2e-3,
        weight_decay: NonNegativeFloat = 0.01,
        patience: PositiveInt = 3,
    ) -> None:
        super().__init__(PriorTraining(epochs, batch_size, lr, weight_decay, patience))
        self.layers, self.width, self.kernel = layers, width, kernel

    def network(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int) -> GatedPixelCNN:
        """See :meth:`Autoregressive.network`."""
        return GatedPixelCNN(grid, above, y_size, self.width, self.layers, self.kernel)
