"""Processes of the operating system: stopping them, and runs that span several of them (DDP)."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def interrupt(*_: object) -> None:
    """Signal handler that treats any signal like Ctrl-C: it raises ``KeyboardInterrupt``."""
    raise KeyboardInterrupt


def is_further_process(devices: int) -> bool:
    """Return whether Slurm started one process per device and this is not the first of them."""
    by_slurm = devices > 1 and os.environ.get("SLURM_NTASKS") == str(devices)
    return by_slurm and os.environ.get("SLURM_PROCID", "0") != "0"


@contextlib.contextmanager
def several_processes(run_dir: Path, distributed: bool, trusted: Sequence[str] = ()) -> Iterator[None]:
    """Choose the command line of the additional processes that Lightning starts for DDP inside the block.

    Lightning starts them with ``sys.argv``. The command line chosen here makes them read the config that this process
    wrote, so that the sub-command, the sweep and the time of day in the folder's name are not evaluated a second time.
    Afterwards the environment variables that Lightning set are removed; with them, the next job in this process would
    run as a worker of this one.

    Args:
        run_dir: the run folder.
        distributed: whether there are additional processes at all.
        trusted: names outside vae_lab that the config may contain (see ``config/trust.py``).
    """
    if not distributed or "LOCAL_RANK" in os.environ:
        yield
        return
    argv = sys.argv
    sys.argv = [argv[0], "_worker", str(run_dir.absolute()), *trusted]
    try:
        yield
    finally:
        sys.argv = argv
        for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name, None)
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
