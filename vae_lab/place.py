"""Where in training a batch is, and what that means for the optimizer's step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A batch of an epoch; ``accumulate`` batches make an optimizer step."""

    epoch: int
    place: int  # of the batch in its epoch
    batches: int  # of an epoch
    accumulate: int

    @property
    def position(self) -> int:
        """Batches since the start of training: the key of their noise."""
        return self.epoch * self.batches + self.place

    @property
    def count(self) -> float:
        """Optimizer steps so far."""
        return float(self.position // self.accumulate)

    @property
    def epochs(self) -> float:
        """Since the start of training, fractional."""
        return self.position / self.batches

    @property
    def together(self) -> int:
        """Batches of this batch's optimizer step; the last few of an epoch may be fewer."""
        return min(self.accumulate, self.batches - self._first)

    @property
    def opens(self) -> bool:
        """Whether it is the first batch of its optimizer step."""
        return self.place == self._first

    @property
    def closes(self) -> bool:
        """Whether it is the last."""
        return self.place == self._first + self.together - 1

    def is_point(self, log_every: int) -> bool:
        """Whether the curves get a point behind it, one per ``log_every`` optimizer steps."""
        return (self.position + 1) % (log_every * self.accumulate) == 0

    @property
    def _first(self) -> int:
        return self.place - self.place % self.accumulate
