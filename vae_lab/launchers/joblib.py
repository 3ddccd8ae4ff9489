"""Jobs side by side on one machine, in processes of joblib's pool (loky)."""

import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from vae_lab.errors import UserError
from vae_lab.sweep.jobs import Outcome, SweepJob, Work

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of Nvidia, of Windows below Linux, of AMD
KILLED = "its process was killed, most likely for want of memory"


class Joblib:
    """Threads of the machine are divided among the jobs; GPUs, where there are any, are handed out in turn.

    A process that is killed takes the pool with it. The jobs that were under way are then resumed one at a time, so
    that the one at fault is found and the others come to their end.

    Args:
        jobs: processes side by side; null: one per GPU, else one per two cores.
    """

    def __init__(self, jobs: PositiveInt | None = None) -> None:
        self.jobs = jobs

    def side_by_side(self) -> int:
        """As asked for, or as the machine suggests.

        Raises:
            UserError: more processes than cores.
        """
        if self.jobs and self.jobs > max(2, cores()):
            raise UserError(f"launcher.jobs={self.jobs}: more than this machine's cores; type launcher.jobs={cores()}")
        return self.jobs or len(_gpu_names()) or max(2, cores() // 2)

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """As they end."""
        size = min(self.side_by_side(), len(jobs))
        waiting, suspects = list(jobs), list[SweepJob]()
        while waiting or suspects:
            alone = bool(suspects)
            queue = [suspects.pop(0)] if alone else waiting
            broken = yield from _until_broken(work, queue, size)
            if alone:
                for job in broken:
                    yield job, KILLED
            else:
                suspects = broken


def _until_broken(
    work: Work, queue: list[SweepJob], size: int
) -> Generator[tuple[SweepJob, Outcome], None, list[SweepJob]]:
    """Work the queue off; returns the jobs that were under way when a process was killed."""
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


def _pool(size: int) -> Any:
    """Processes that know their share of the machine before torch is loaded in them."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend import get_context

    threads, context, gpus = str(_threads(size)), get_context("loky"), _gpu_names()
    turns = context.SimpleQueue()
    for slot in range(size):
        turns.put(gpus[slot % len(gpus)] if gpus else None)
    return ProcessPoolExecutor(
        size,
        env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        context=context,
        initializer=_begin,
        initargs=(os.getpid(), turns),
    )


def _begin(starter: int, turns: Any) -> None:
    """In a new process: take the next GPU, and do not outlive the process of the sweep, however that ends."""
    threading.Thread(target=_end_with, args=(starter,), daemon=True).start()
    name = turns.get()
    if name is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = name


def _end_with(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(0.5)
    os._exit(1)  # as if killed: the next start goes on from the last epoch


def _threads(size: int) -> int:
    """Each job's share of the cores: more threads than cores wait for one another, spinning."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(asked) if asked.isdigit() else cores(), cores() // size))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu_names() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if not any(Path(device).exists() for device in _DRIVERS):
        return []  # without the seconds that torch takes to load
    import torch

    count, given = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given.split(",")[:count] if given else [str(number) for number in range(count)]
