"""The base of networks that predict each code of a grid from those before it, row by row.

A network maps codes to the logits of p(c_t | c_{<t}, levels above, y). It embeds the codes, computes features of each
position from the vectors of strictly earlier positions, and predicts the codes of the position from them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from vae_lab.nets.code_grid import CodeEmbedding, CodeGrid, CodeHead, Context


class CausalCodes(nn.Module, ABC):
    """Codes of a level to the logits of each of them.

    Args:
        grid: the codes of the level.
        above: the codes of the levels above it, top first.
        y_size: number of classes or attributes; 0: there are none.
        channels: width of the features.
    """

    def __init__(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int, channels: int) -> None:
        super().__init__()
        self.grid = grid
        self.embed = CodeEmbedding(grid, channels)
        self.context = Context(grid, above, y_size, channels)
        self.head = CodeHead(grid, channels)

    @abstractmethod
    def features(self, vectors: Tensor, of_y: Tensor | None, of_top: Tensor | None) -> Tensor:
        """Features of positions, each from the vectors of strictly earlier positions: [N, H, W, C] to the same.

        It also takes the first rows of a grid.

        Args:
            vectors: the embedded codes.
            of_y: a vector of y, [N, C]; None: there is no y.
            of_top: a map of the levels above, [N, C, H, W]; None: there are none.
        """

    def forward(self, codes: Tensor, top: Sequence[Tensor] = (), y: Tensor | None = None) -> Tensor:
        """Codes long [N, *shape], those of the levels above and y to logits [N, H, W, depth, K]."""
        placed = self.grid.placed(codes)
        h = self.features(self.embed(placed), self.context.vector(y), self.context.map(top))
        logits: Tensor = self.head(h, placed)
        return logits

    def in_turn(self, codes: Tensor, top: Sequence[Tensor], y: Tensor | None) -> Iterator[Tensor]:
        """Yield the features [N, C] of one position after the other, row by row.

        Args:
            codes: long [N, H, W, depth]; the caller writes the codes of a position before it asks for the next one.
            top: codes of the levels above.
            y: labels or attributes.
        """
        of_y, of_top = self.context.vector(y), self.context.map(top)
        for row in range(self.grid.height):
            rows = slice(0, row + 1)  # later rows have no effect
            of_rows = None if of_top is None else of_top[:, :, rows]
            for column in range(self.grid.width):
                yield self.features(self.embed(codes[:, rows]), of_y, of_rows)[:, row, column]
