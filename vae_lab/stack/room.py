"""How many jobs of one structure fit into memory as a stack."""

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

_SHARE = 0.8  # of what is free


def most_that_fit(one: Prepared) -> int | None:
    """Such jobs, 1 at least; None where nobody knows how much memory is free."""
    device = device_for(one.settings.accelerator)
    free = free_bytes(device)
    try:
        return None if free is None else max(1, int(_SHARE * free / bytes_of(one, device)))
    except torch.OutOfMemoryError:
        return 1


def bytes_of(one: Prepared, device: torch.device) -> int:
    """What one job of a stack takes in training, measured on one step.

    Per parameter: its weight, gradient, what the optimizer keeps, the copy that blends learning rates, and what waits
    to be written. Activations count twice: what a backward pass holds beside them is no more than that.
    """
    job = deepcopy(one.job).to(device).train()
    kept = 4 + 2 * numbers_kept(make(one.config["optimizer"]))
    weights = sum(p.nbytes for p in job.parameters())
    held: dict[int, int] = {}
    known = {p.untyped_storage().data_ptr() for p in job.parameters()}

    def hold(x: Tensor) -> Tensor:
        try:
            place, size = x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
        except RuntimeError:  # of a derivative within the loss: it has no memory that can be told
            place, size = id(x), x.nbytes
        if place not in known:
            held[place] = size
        return x

    one.data.device, before = device, one.data.device
    batch = next(one.data.batches("train", n=one.settings.batch_size, size=one.settings.batch_size))
    one.data.device = before
    zero, noise = torch.tensor(0.0, device=device), SeededNoise(device, "memory")
    with saved_tensors_hooks(hold, lambda x: x):
        loss = job(batch, Step(zero, zero, noise, "model", len(one.data.train))).loss
    del loss
    return kept * weights + 2 * (sum(held.values()) + batch.x.nbytes)


def numbers_kept(make_optimizer: MakeOptimizer) -> int:
    """By an optimizer for each of its parameters' numbers: 2 by Adam."""
    p = nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer([p])
    p.grad = torch.ones(2)
    optimizer.step()
    return sum(isinstance(value, Tensor) and value.shape == p.shape for value in optimizer.state[p].values())


def free_bytes(device: torch.device) -> int | None:
    """Of the device's memory, or of the machine's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    told = Path("/proc/meminfo")
    if told.exists():
        lines = dict(line.split(":", 1) for line in told.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            return int(lines["MemAvailable"].split()[0]) * 1024
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def split(size: int, most: int | None) -> list[int]:
    """Sizes of as few parts as can be, each ``most`` at most and all about equal."""
    parts = 1 if most is None else -(-size // most)
    return [size // parts + (part < size % parts) for part in range(parts)]
