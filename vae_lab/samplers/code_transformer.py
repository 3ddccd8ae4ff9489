"""A prior over codes with a causal transformer for each level; see :mod:`vae_lab.nets.causal_transformer`."""

from collections.abc import Sequence

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from vae_lab.nets.causal_transformer import CausalTransformer
from vae_lab.nets.code_grid import CodeGrid
from vae_lab.samplers.autoregressive import Autoregressive, refuse_heads
from vae_lab.samplers.prior_training import PriorTraining


class CodeTransformer(Autoregressive):
    """p(c_t | c_{<t}) from attention to all earlier positions.

    Args:
        layers: number of blocks.
        width: features of each position.
        heads: attention heads, a divisor of ``width``.
        epochs, batch_size, lr, weight_decay, patience: see :class:`~vae_lab.samplers.prior_training.PriorTraining`.

    Raises:
        UserError: ``heads`` does not divide ``width``.
    """

    label = "a causal transformer over codes"

    def __init__(
        self,
        layers: PositiveInt = 4,
        width: PositiveInt = 128,
        heads: PositiveInt = 4,
        epochs: PositiveInt = 10,
        batch_size: PositiveInt = 128,
        lr: PositiveFloat = 2e-3,
        weight_decay: NonNegativeFloat = 0.01,
        patience: PositiveInt = 3,
    ) -> None:
        refuse_heads(heads, width)
        super().__init__(PriorTraining(epochs, batch_size, lr, weight_decay, patience))
        self.layers, self.width, self.heads = layers, width, heads

    def network(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int) -> CausalTransformer:
        """See :meth:`Autoregressive.network`."""
        return CausalTransformer(grid, above, y_size, self.width, self.layers, self.heads)
