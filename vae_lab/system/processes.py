"""What concerns processes of the system: how they are stopped, and runs of several of them (DDP)."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def interrupt(*_: Any) -> None:
    """A handler that makes of a signal what Ctrl-C is."""
    raise KeyboardInterrupt


def is_further_process(devices: int) -> bool:
    """Whether Slurm started a run's processes, this being one other than the first."""
    by_slurm = devices > 1 and os.environ.get("SLURM_NTASKS") == str(devices)
    return by_slurm and os.environ.get("SLURM_PROCID", "0") != "0"


@contextlib.contextmanager
def several_processes(run_dir: Path, distributed: bool) -> Iterator[None]:
    """Lightning starts further processes with this one's ``sys.argv``: give them their own command.

    They read the config that this process wrote, so that neither the sub-command, nor a sweep, nor the time of day in
    the folder's name is played again. What Lightning leaves in the environment would make the next job a worker.
    """
    if not distributed or "LOCAL_RANK" in os.environ:
        yield
        return
    argv = sys.argv
    sys.argv = [argv[0], "_worker", str(run_dir.absolute())]
    try:
        yield
    finally:
        sys.argv = argv
        for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name, None)
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
