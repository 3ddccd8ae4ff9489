"""Estimates how many jobs of the same structure fit into memory as a stack."""

import os
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.noise import SeededNoise
from vae_lab.runs.preparing import Prepared
from vae_lab.stack.optimizer import MakeOptimizer
from vae_lab.types import Step

_SHARE = 0.8  # share of the free memory that a stack may use


def most_that_fit(run: Prepared) -> int | None:
    """Return how many jobs like this one fit into memory, at least 1; None if the free memory is unknown."""
    device = device_for(run.settings.accelerator)
    free = free_bytes(device)
    try:
        return None if free is None else max(1, int(_SHARE * free / bytes_of(run, device)))
    except torch.OutOfMemoryError:
        return 1


def bytes_of(run: Prepared, device: torch.device) -> int:
    """Return the bytes that one job of a stack needs in training, measured on one step.

    Counted per parameter: its weight, its gradient, its average, the optimizer's state, the copy that is needed to
    apply different learning rates, and the copies that wait to be written to checkpoints. Activations count twice,
    because the backward pass holds no more than that in addition.
    """
    job = deepcopy(run.job).to(device).train()
    averaged = run.settings.training.ema is not None
    kept = 4 + 2 * averaged + 2 * numbers_kept(make(run.config["optimizer"]))
    weights = sum(p.nbytes for p in job.parameters())
    held: dict[int, int] = {}
    known = {p.untyped_storage().data_ptr() for p in job.parameters()}

    def hold(x: Tensor) -> Tensor:
        try:
            place, size = x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
        except RuntimeError:  # a tensor of a derivative within the loss, whose storage cannot be accessed
            place, size = id(x), x.nbytes
        if place not in known:
            held[place] = size
        return x

    run.data.device, before = device, run.data.device
    batch = next(run.data.batches("train", n=run.settings.batch_size, size=run.settings.batch_size))
    run.data.device = before
    zero, noise = torch.tensor(0.0, device=device), SeededNoise(device, "memory")
    with saved_tensors_hooks(hold, lambda x: x):
        loss = job(batch, Step(zero, zero, noise, "model", len(run.data.train))).loss
    del loss
    return kept * weights + 2 * (sum(held.values()) + batch.x.nbytes)


def numbers_kept(make_optimizer: MakeOptimizer) -> int:
    """Return how many numbers an optimizer keeps for each number of its parameters: 2 for Adam."""
    p = nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer([p])
    p.grad = torch.ones(2)
    optimizer.step()
    return sum(isinstance(value, Tensor) and value.shape == p.shape for value in optimizer.state[p].values())


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a GPU or, for other devices, of the machine; None if it is unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            return int(lines["MemAvailable"].split()[0]) * 1024
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def split(size: int, most: int | None) -> list[int]:
    """Return the sizes of as few parts as possible, each at most ``most`` and all about equal."""
    parts = 1 if most is None else -(-size // most)
    return [size // parts + (part < size % parts) for part in range(parts)]
