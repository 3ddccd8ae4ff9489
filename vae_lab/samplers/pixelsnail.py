"""A prior over codes with a PixelSNAIL for each level; see :mod:`vae_lab.nets.pixelsnail`."""

from collections.abc import Sequence

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from vae_lab.nets.code_grid import CodeGrid
from vae_lab.nets.pixelsnail import PixelSNAIL as Network
from vae_lab.samplers.autoregressive import Autoregressive, refuse_heads
from vae_lab.samplers.pixelcnn import Kernel
from vae_lab.samplers.prior_training import PriorTraining


class PixelSNAIL(Autoregressive):
    """p(c_t | c_{<t}) from masked convolutions and attention to all earlier positions.

    Args:
        blocks: number of blocks, each with one layer of attention.
        layers: gated layers in a block.
        width: channels of all layers.
        kernel: size of the convolutions.
        heads: attention heads, a divisor of ``width``.
        epochs, batch_size, lr, weight_decay, patience: see :class:`~vae_lab.samplers.prior_training.PriorTraining`.

    Raises:
        UserError: ``heads`` does not divide ``width``.
    """

    label = "a PixelSNAIL over codes"

    def __init__(
        self,
        blocks: PositiveInt = 2,
        layers: PositiveInt = 4,
        width: PositiveInt = 64,
        kernel: Kernel = 3,
        heads: PositiveInt = 4,
        epochs: PositiveInt = 10,
        batch_size: PositiveInt = 128,
        lr: PositiveFloat = 2e-3,
        weight_decay: NonNegativeFloat = 0.01,
        patience: PositiveInt = 3,
    ) -> None:
        refuse_heads(heads, width)
        super().__init__(PriorTraining(epochs, batch_size, lr, weight_decay, patience))
        self.blocks, self.layers, self.width, self.kernel, self.heads = blocks, layers, width, kernel, heads

    def network(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int) -> Network:
        """See :meth:`Autoregressive.network`."""
        return Network(grid, above, y_size, self.width, self.blocks, self.layers, self.kernel, self.heads)
