"""A job: a model and the objective that trains it, as one module with one call."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import nn
from torch.optim import Optimizer

from vae_lab.errors import UserError
from vae_lab.nets.effective import count_effective
from vae_lab.types import GENERATION, INFERENCE, Batch, LossTerms, Model, Objective, Step

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Job(nn.Module):
    """A model and its objective. Parameters are named ``model.…`` and ``objective.…``.

    ``job(batch, step)`` returns the loss and its terms; training and scores both call it.

    Args:
        model: the model, an ``nn.Module``.
        objective: the objective, an ``nn.Module``.

    Raises:
        UserError: a parameter belongs to no phase of the objective, or to several.
    """

    model: Model
    objective: Objective

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        prefixes = {phase: self.prefixes(phase) for phase in objective.phases}
        for name, _ in self.named_parameters():
            if sum(name.startswith(of_phase) for of_phase in prefixes.values()) != 1:
                raise UserError(
                    f"the phases of {type(objective).__name__} do not say which of them trains {name}; "
                    "type another objective, or leave out the option that adds this part"
                )

    def __repr__(self) -> str:
        """The classes and the number of parameters in one line; the layers are those of ``print(job.model)``."""
        parts = f"{type(self.model).__name__}, {type(self.objective).__name__}"
        return f"Job({parts}, {self.parameter_count:,} parameters)"

    def forward(self, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch; phase 'model' adds the likelihood's terms, e.g. the learned σ."""
        terms = self.objective(self.model, batch, step)
        if step.phase != "model":
            return terms
        return LossTerms(terms.loss, {**terms.logs, **self.model.likelihood.logs()})

    def prefixes(self, phase: str) -> tuple[str, ...]:
        """Prefixes of the names of the parameters that a phase updates."""
        roles = {INFERENCE: self.model.inference, GENERATION: self.model.generation}
        names: list[str] = []
        for prefix in self.objective.phases[phase]:
            names += [f"model.{name}" for name in roles[prefix]] if prefix in roles else [prefix]
        return tuple(names)

    def parameters_of(self, phase: str) -> Iterator[nn.Parameter]:
        """The parameters that the optimizer of a phase updates."""
        prefixes = self.prefixes(phase)
        return (p for name, p in self.named_parameters() if name.startswith(prefixes))

    @property
    def own_optimizers(self) -> Mapping[str, MakeOptimizer]:
        """The optimizers that the objective defines, by phase. Other phases use the optimizer of the run."""
        return getattr(self.objective, "optimizers", {})

    def repeats(self, phase: str) -> int:
        """Optimizer steps of a phase per batch."""
        return int(getattr(self.objective, "repeats", {}).get(phase, 1))

    @property
    def ranks_epochs(self) -> bool:
        """Whether the epoch with the lowest validation loss is the best one."""
        return bool(getattr(self.objective, "ranks_epochs", True))

    @property
    def stackable(self) -> bool:
        """Whether the loss can be differentiated under vmap, so that several jobs can train as one stack."""
        return bool(getattr(self.objective, "stackable", True))

    @property
    def parameter_count(self) -> int:
        """Number of trainable values that the model and the objective depend on (:mod:`vae_lab.nets.effective`)."""
        return count_effective(self)
