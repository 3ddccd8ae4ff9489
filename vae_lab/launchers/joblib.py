"""``launcher=joblib``: runs jobs side by side on one machine, in processes of joblib's pool (loky)."""

import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import PositiveInt

from vae_lab.errors import UserError
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.private import exit_immediately

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # Nvidia, Windows Subsystem for Linux, AMD
KILLED = "its process was killed, most likely because memory ran out; type launcher.jobs=1, or a smaller batch_size"


class Joblib:
    """Runs jobs in a pool of processes, which share the machine's cores equally and take its GPUs, if any, in turn.

    When one process is killed, the whole pool ends. The jobs that were running are then resumed one at a time, which
    finds the job that causes this and lets the others finish.

    Args:
        jobs: number of processes; null: one per GPU or, without a GPU, one per two cores.
    """

    def __init__(self, jobs: PositiveInt | None = None) -> None:
        self.jobs = jobs

    def side_by_side(self) -> int:
        """Return the number of processes, as requested or else as suits the machine.

        Raises:
            UserError: more processes than cores were requested.
        """
        if self.jobs and self.jobs > max(2, cores()):
            raise UserError(f"launcher.jobs={self.jobs}: more than this machine's cores; type launcher.jobs={cores()}")
        return self.jobs or len(_gpu_names()) or max(2, cores() // 2)

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield jobs as they end."""
        size = min(self.side_by_side(), len(jobs))
        waiting, suspects = list(jobs), list[SweepJob]()
        while waiting or suspects:
            one_by_one = bool(suspects)
            queue = [suspects.pop(0)] if one_by_one else waiting
            interrupted = yield from _until_broken(work, queue, size)
            if one_by_one:
                for job in interrupted:
                    yield job, KILLED
            else:
                suspects = interrupted


class _Pool(Protocol):
    """The part of loky's ProcessPoolExecutor that is used here; loky has no type annotations."""

    def submit(self, work: Work, job: SweepJob) -> Future[Outcome]: ...

    def shutdown(self, wait: bool, kill_workers: bool) -> None: ...


def _until_broken(
    work: Work, queue: list[SweepJob], size: int
) -> Generator[tuple[SweepJob, Outcome], None, list[SweepJob]]:
    """Run the jobs of the queue until it is empty or a process is killed; return the jobs that were running then."""
    under_way: dict[Future[Outcome], SweepJob] = {}
    pool = _pool(size)
    try:
        while queue or under_way:
            while queue and len(under_way) < size:
                under_way[pool.submit(work, queue[0])] = queue[0]
                queue.pop(0)
            ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in ended):
                return list(under_way.values())
            for future in ended:
                yield under_way.pop(future), future.result()
        return []
    finally:
        pool.shutdown(wait=not under_way, kill_workers=bool(under_way))


def _pool(size: int) -> _Pool:
    """Return a pool whose processes have their share of cores and GPUs set before they load torch."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend import get_context

    threads, context, gpus = str(_threads(size)), get_context("loky"), _gpu_names()
    turns = context.SimpleQueue()
    for slot in range(size):
        turns.put(gpus[slot % len(gpus)] if gpus else None)
    pool: _Pool = ProcessPoolExecutor(
        size,
        env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        context=context,
        initializer=_begin,
        initargs=(os.getpid(), turns),
    )
    return pool


def _begin(starter: int, turns: "SimpleQueue[str | None]") -> None:
    """Set up a new process: it takes the next GPU, and ends when the process that started the sweep ends."""
    threading.Thread(target=_end_with, args=(starter,), daemon=True).start()
    name = turns.get()
    if name is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = name


def _end_with(starter: int) -> None:
    """Wait until the process that started the sweep has ended, then end this one."""
    while os.getppid() == starter:
        time.sleep(0.5)
    exit_immediately(1)  # the next invocation resumes the job from its last epoch, as after a kill


def _threads(size: int) -> int:
    """Return the number of threads per job. More threads than cores would spend their time waiting for each other."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(asked) if asked.isdigit() else cores(), cores() // size))


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu_names() -> list[str]:
    """Return the GPUs that this process may use, by their names in ``CUDA_VISIBLE_DEVICES``."""
    if not any(Path(device).exists() for device in _DRIVERS):
        return []  # without a GPU driver there is no need to load torch, which takes seconds
    import torch

    count, given = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given.split(",")[:count] if given else [str(number) for number in range(count)]
