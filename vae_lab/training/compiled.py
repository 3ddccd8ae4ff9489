"""Compilation of a job's loss by ``torch.compile``, and the decision whether it saves time (``compile=auto``)."""

import copy
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from textwrap import shorten
from typing import Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vae_lab.errors import RunFailed, UserError
from vae_lab.noise import Asked, GivenNoise, NotedNoise, SeededNoise, drawn
from vae_lab.training.job import Job
from vae_lab.types import Batch, LossTerms, Step

Choice = Literal[True, False, "auto"]

# Estimated seconds of training from which compiling pays: it takes 10 to 20 s and saves a tenth of the rest.
_PAYS = 600.0
_CORE, _LAUNCHES = 60e9, 1e-3  # operations per second of one core; seconds per step that a GPU waits for Python


class Compiled:
    """The loss of a job, compiled for batches of one size. Other batches (the last of an epoch) are not compiled.

    A compiled step cannot seed a random generator. The draws that each phase requests are therefore recorded once, on a
    copy of the job, and are then made before every step. They are the same draws as without compilation.

    Args:
        job: model and objective.
        size: number of examples in the batches to compile for.
        give_up: called with the reason if torch cannot compile the job, which then runs without compilation. None: an
            error is raised instead.
    """

    def __init__(self, job: Job, size: int, give_up: Callable[[str], None] | None) -> None:
        _forget_compiled()
        self.job, self.size, self.give_up = job, size, give_up
        self._asked: dict[str, Asked] = {}
        self._functions: dict[str, Callable[..., LossTerms]] = {}
        self._works = True

    def __call__(self, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch, with the signature of the job.

        Raises:
            RunFailed: torch cannot compile the job, and ``give_up`` is None.
        """
        if len(batch.x) != self.size or not self._works:
            return self.job(batch, step)
        if step.phase not in self._functions:
            return self._first(batch, step)
        return self._functions[step.phase](batch, step.count, step.epoch, drawn(step.noise, self._asked[step.phase]))

    def _first(self, batch: Batch, step: Step) -> LossTerms:
        """The first compiled step of a phase: record its draws, compile, and run it."""
        phase, train_size, job = step.phase, step.train_size, self.job
        with torch.no_grad():
            noted = NotedNoise(SeededNoise(batch.x.device, "noted"))
            copy.deepcopy(job)(batch, Step(step.count, step.epoch, noted, phase, train_size))
        self._asked[phase] = noted.asked

        def loss(batch: Batch, count: Tensor, epoch: Tensor, draws: list[Tensor]) -> LossTerms:
            return job(batch, Step(count, epoch, GivenNoise(draws), phase, train_size))  # type: ignore[no-any-return]

        self._functions[phase] = torch.compile(loss, dynamic=False)
        draws = drawn(step.noise, noted.asked)
        try:
            return self._functions[phase](batch, step.count, step.epoch, draws)
        except Exception as why:
            reason = shorten(str(why), 120, placeholder="…")
            if self.give_up is None:
                raise RunFailed(f"compile=true: torch cannot compile this job ({reason}); type compile=false") from why
            self._works = False
            self.give_up(f"compile=auto: torch cannot compile this job ({reason}), so it is not compiled")
            again = Step(step.count, step.epoch, GivenNoise(draws), phase, train_size)
            return job(batch, again)  # type: ignore[no-any-return]


def _forget_compiled() -> None:
    """Discard the functions that earlier runs in this process compiled.

    torch counts them as versions of the present run's functions and compiles only a limited number of versions. There
    is no public name for this call.
    """
    torch._dynamo.reset()


def choose(
    choice: Choice, job: Job, batch: Batch, batch_size: int, images: int, epochs: int, device: torch.device
) -> tuple[bool, str]:
    """Whether to compile, and a sentence that explains the decision if it was left to the program.

    The decision never depends on measured time, so that a resumed run decides the same.

    Args:
        choice: the value of ``compile`` that the user typed.
        job: model and objective, on the CPU.
        batch: a few examples, on the CPU.
        batch_size: number of examples in a training batch.
        images: number of examples in the training set.
        epochs: number of epochs.
        device: the device of training.

    Raises:
        UserError: the user asked for compilation, but there is no compiler.
    """
    refuse_missing_compiler(choice, device)
    missing = _missing_compiler(device)
    if choice is not True and choice is not False:
        seconds = estimated_seconds(job, batch, batch_size, images, epochs, device)
        about = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{max(1, seconds):.0f} s"
        estimate = f"training takes about {about}, and compiling saves time from {_PAYS / 60:.0f} minutes on"
        if seconds < _PAYS or missing:
            return False, f"compile=auto: not compiled ({f'{missing} was not found' if missing else estimate})"
        return True, f"compile=auto: compiled, which takes 10 to 20 s now ({estimate})"
    return choice, ""


def refuse_missing_compiler(choice: Choice, device: torch.device) -> None:
    """Refuse ``compile=true`` on a machine that cannot compile.

    Raises:
        UserError: names what is missing.
    """
    missing = _missing_compiler(device) if choice is True else ""
    if missing:
        raise UserError(f"compile=true needs {missing}, which was not found; install it, or type compile=false")


def _missing_compiler(device: torch.device) -> str:
    """The name of the compiler that torch needs on this device, if it is missing; else an empty string."""
    if device.type == "cuda":
        return "" if importlib.util.find_spec("triton") else "the package triton"
    compilers = [os.environ.get("CXX", "g++"), "clang++", "cl"]
    return "" if any(shutil.which(name) for name in compilers) else "a C++ compiler"


def estimated_seconds(job: Job, batch: Batch, batch_size: int, images: int, epochs: int, device: torch.device) -> float:
    """Estimated seconds of training.

    The estimate counts operations and does not measure time, because the decision must not depend on the load of the
    machine.
    """
    operations = 0.0
    if device.type == "cpu":
        with FlopCounterMode(display=False) as counter:
            for terms in _losses(copy.deepcopy(job), batch, images):
                terms.loss.backward()
        operations = counter.get_total_flops() / len(batch.x)
    return seconds_of(operations, images * epochs, batch_size, device)


def seconds_of(operations: float, examples: int, batch_size: int, device: torch.device) -> float:
    """Estimated seconds of training on a number of examples, each of which takes so many operations."""
    if device.type != "cpu":
        return examples / batch_size * _LAUNCHES
    return operations * examples / (_CORE * torch.get_num_threads())


def _losses(job: Job, batch: Batch, images: int) -> Iterator[LossTerms]:
    """The loss of each phase on the batch."""
    zero = torch.tensor(0.0)
    for phase in job.objective.phases:
        yield job(batch, Step(zero, zero, SeededNoise("cpu", "counted"), phase, images))
