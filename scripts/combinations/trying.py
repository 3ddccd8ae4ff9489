"""Tries a combination: two optimizer steps, the scores of the ELBO and a few samples, in this process."""

import math
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim import Optimizer

from combinations.composing import config_of
from combinations.data import tiny
from combinations.options import READ, Cell, reads
from vae_lab.config.make import make
from vae_lab.config.reads import kinds_accepted
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError, one_line
from vae_lab.evaluation.trained import Evaluation
from vae_lab.metrics.loss_terms import LossTermScores
from vae_lab.runs.preparing import Prepared, prepare
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.job import Job

FIXES = ("type ", "leave ", "train ", "install", "choose ", "give ", "add ", "use ", "remove ")  # words of a way out

ADVICE = re.compile(rf"type ({'|'.join(Cell._fields)})=([a-z_]+)")


@dataclass(frozen=True)
class Outcome:
    """What came of a combination: it works, it is refused in one line, or it has a fault."""

    cell: Cell
    refused: str = ""
    fault: str = ""

    @property
    def works(self) -> bool:
        """Whether it trained, and was scored."""
        return not self.refused and not self.fault


@dataclass(frozen=True)
class Result:
    """What a capability of a run does: it works, it says why it does not, or it has a fault."""

    group: str  # 'metric', 'figure', 'sampler' or 'command'
    name: str
    refused: str = ""
    fault: str = ""


def outcome_of(cell: Cell) -> Outcome:
    """Try a combination. Everything but a refusal with a way out is a fault."""
    try:
        fault = _steps_and_scores(cell)
        return Outcome(cell, fault=fault)
    except UserError as why:
        return Outcome(cell, refused=str(why), fault=wrong_refusal(str(why)) or vain_advice(str(why), cell))
    except Exception as why:
        last = traceback.extract_tb(why.__traceback__)[-1]
        return Outcome(cell, fault=one_line(f"{type(why).__name__}: {why} ({Path(last.filename).name}:{last.lineno})"))


def wrong_refusal(message: str) -> str:
    """In what a refusal breaks the rules of messages; empty where it keeps to them."""
    if "\n" in message or len(message) > 400:
        return f"the refusal is no short line: {message}"
    if "a trial step failed" in message or not any(way in message for way in FIXES):
        return f"the refusal names no way out: {message}"
    return ""


def vain_advice(message: str, cell: Cell) -> str:
    """Why the first option that a refusal advises changes nothing; empty where it does, or where none is named."""
    advised = ADVICE.search(message)
    if not advised:
        return ""
    group, option = advised.groups()
    if group in READ and not reads(cell.model, group):
        return f"the refusal advises a group that the model does not read: {message}"
    return f"the refusal advises what is chosen already: {message}" if getattr(cell, group) == option else ""


def _steps_and_scores(cell: Cell) -> str:
    """Train, score and sample; a sentence about numbers that are not finite, or an empty one."""
    config = config_of(cell)
    (kind, *_) = kinds_accepted(config["likelihood"]) or ("images",)
    prepared = prepare(config, Path("."), data=tiny(kind))
    engine, data = _engine(prepared), prepared.data
    for number, batch in enumerate(data.batches("train", size=8)):
        terms = engine.take(batch, Place(0, number, 2, 1))
        bad = [
            f"{phase}/{name}" for phase, one in terms.items() for name, value in one.logs.items() if not finite(value)
        ]
        if bad:
            return f"{', '.join(bad)} is not finite after {number + 1} steps"
    return _scored(prepared.job, data)


def _scored(job: Job, data: Dataset) -> str:
    evaluation = Evaluation(job, data, 0, torch.device("cpu"))
    scores = evaluation.run({"loss_terms": LossTermScores()})
    bad = [name for name, value in scores.values.items() if not math.isfinite(value)]
    (images,) = evaluation.sample(4)
    if not finite(images) or images.shape != (4, *data.x_shape):
        bad.append(f"samples {list(images.shape)}")
    return f"{', '.join(bad)} is not finite after training" if bad else ""


def finite(value: torch.Tensor) -> bool:
    """Whether all numbers are finite."""
    return bool(value.isfinite().all())


def _engine(prepared: Prepared) -> Engine:
    """The training steps of a run, without Lightning."""
    job = prepared.job.train()
    makers = {
        phase: job.own_optimizers.get(phase, make(prepared.config["optimizer"])) for phase in job.objective.phases
    }
    optimizers = {phase: maker(list(job.parameters_of(phase))) for phase, maker in makers.items()}
    phases = [Phase(name, one, list(job.parameters_of(name)), job.repeats(name)) for name, one in optimizers.items()]

    def isolate(optimizer: Optimizer) -> None:
        chosen = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for p in job.parameters():
            p.requires_grad_(id(p) in chosen)

    def release(optimizer: Optimizer) -> None:
        job.requires_grad_(True)

    return Engine(
        job, phases, 0, 0, len(prepared.data.train), torch.device("cpu"), torch.Tensor.backward, None, isolate, release
    )
