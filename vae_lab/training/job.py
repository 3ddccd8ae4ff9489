"""A job: a model and the objective it is trained with, as one module with one call."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from vae_lab.errors import UserError
from vae_lab.types import Batch, LossTerms, Step


class Job(nn.Module):
    """What the training step and the scores run. Parameters are named ``model.…`` and ``objective.…``."""

    def __init__(self, model: Any, objective: Any) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        phases = objective.phases
        owners = [[p for p in phases if name.startswith(tuple(phases[p]))] for name, _ in self.named_parameters()]
        if any(len(owner) != 1 for owner in owners):
            orphan = next(name for (name, _), owner in zip(self.named_parameters(), owners) if len(owner) != 1)
            raise UserError(
                f"the phases of {type(objective).__name__} do not say which of them trains {orphan}; "
                "type another objective, or leave out what brings that part"
            )

    def forward(self, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch, with what the likelihood has learned."""
        terms: LossTerms = self.objective(self.model, batch, step)
        if step.phase != "model":
            return terms
        return LossTerms(terms.loss, {**terms.logs, **self.model.likelihood.logs()})

    def parameters_of(self, phase: str) -> Iterator[nn.Parameter]:
        """What the optimizer of that phase updates."""
        prefixes = tuple(self.objective.phases[phase])
        return (p for name, p in self.named_parameters() if name.startswith(prefixes))

    @property
    def own_optimizers(self) -> Mapping[str, Callable[[Iterable[nn.Parameter]], Optimizer]]:
        """Of the phases that the objective brings an optimizer for; the others have that of the run."""
        return getattr(self.objective, "optimizers", {})

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
