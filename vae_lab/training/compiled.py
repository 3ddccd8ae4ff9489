"""A job's loss through ``torch.compile``, and whether that pays."""

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

_PAYS = 600.0  # seconds of training, as guessed below: compiling takes 10 to 20 of them and gains a tenth of the rest
_CORE, _LAUNCHES = 60e9, 1e-3  # operations per second of a core; seconds that a GPU waits for Python in a step


class Compiled:
    """The same loss as the job's, compiled for batches of one size; others (an epoch's last) are computed as ever.

    A compiled step cannot seed a generator: what noise each phase asks for is noted once, on a copy of the job, and is
    then drawn before every step. The draws are the same as without.

    Args:
        job: model and objective.
        size: of the batches.
        give_up: called with the reason where torch cannot compile the job, which is then computed as ever; None: raise.
    """

    def __init__(self, job: Job, size: int, give_up: Callable[[str], None] | None) -> None:
        _forget_compiled()
        self.job, self.size, self.give_up = job, size, give_up
        self._asked: dict[str, Asked] = {}
        self._functions: dict[str, Callable[..., LossTerms]] = {}
        self._works = True

    def __call__(self, batch: Batch, step: Step) -> LossTerms:
        """The loss and its terms on one batch.

        Raises:
            RunFailed: torch cannot compile it, and nobody is to be told that it is computed as ever.
        """
        if len(batch.x) != self.size or not self._works:
            return self.job(batch, step)
        if step.phase not in self._functions:
            return self._first(batch, step)
        return self._functions[step.phase](batch, step.count, step.epoch, drawn(step.noise, self._asked[step.phase]))

    def _first(self, batch: Batch, step: Step) -> LossTerms:
        phase, images, job = step.phase, step.train_size, self.job
        with torch.no_grad():
            noted = NotedNoise(SeededNoise(batch.x.device, "noted"))
            copy.deepcopy(job)(batch, Step(step.count, step.epoch, noted, phase, images))
        self._asked[phase] = noted.asked

        def loss(batch: Batch, count: Tensor, epoch: Tensor, draws: list[Tensor]) -> LossTerms:
            return job(batch, Step(count, epoch, GivenNoise(draws), phase, images))  # type: ignore[no-any-return]

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
            return job(batch, Step(step.count, step.epoch, GivenNoise(draws), phase, images))  # type: ignore[no-any-return]


def _forget_compiled() -> None:
    """Drop what an earlier run in this process compiled.

    torch counts it as versions of this run's functions, of which it compiles a limited number. There is no public name
    for this call.
    """
    torch._dynamo.reset()


def choose(
    choice: Choice, job: Job, batch: Batch, batch_size: int, images: int, epochs: int, device: torch.device
) -> tuple[bool, str]:
    """Whether to compile, with a sentence that says why where it was left open; the same whenever it is asked.

    Args:
        choice: as typed.
        job: model and objective, on the CPU.
        batch: a few images, there.
        batch_size: of training.
        images: in the training set.
        epochs: over them.
        device: where training will be.

    Raises:
        UserError: it was asked for and there is no compiler.
    """
    lacking = _lacking(device)
    if choice is not True and choice is not False:
        seconds = _guessed(job, batch, batch_size, images, epochs, device)
        about = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{max(1, seconds):.0f} s"
        told = f"about {about} of training, and compiling pays from {_PAYS / 60:.0f} minutes on"
        if seconds < _PAYS or lacking:
            return False, f"compile=auto: not compiled ({lacking or told})"
        return True, f"compile=auto: compiled, which takes 10 to 20 s now ({told})"
    if choice and lacking:
        raise UserError(f"compile=true: {lacking}; install one, or type compile=false")
    return choice, ""


def _lacking(device: torch.device) -> str:
    """What is missing for compiling, or an empty string."""
    if device.type == "cuda":
        return "" if importlib.util.find_spec("triton") else "there is no triton"
    compilers = [os.environ.get("CXX", "g++"), "clang++", "cl"]
    return "" if any(shutil.which(name) for name in compilers) else "there is no C++ compiler"


def _guessed(job: Job, batch: Batch, batch_size: int, images: int, epochs: int, device: torch.device) -> float:
    """Seconds of training by counting, not by the clock: the choice must not depend on what else runs."""
    if device.type != "cpu":
        return epochs * images / batch_size * _LAUNCHES
    with FlopCounterMode(display=False) as counted:
        for terms in _losses(copy.deepcopy(job), batch, images):
            terms.loss.backward()
    operations = counted.get_total_flops() / len(batch.x) * images * epochs
    return operations / (_CORE * torch.get_num_threads())


def _losses(job: Job, batch: Batch, images: int) -> Iterator[LossTerms]:
    zero = torch.tensor(0.0)
    for phase in job.objective.phases:
        yield job(batch, Step(zero, zero, SeededNoise("cpu", "counted"), phase, images))
