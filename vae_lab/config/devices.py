"""Chooses the torch device that an ``accelerator`` config selects on this machine."""

import os

import torch

from vae_lab.config.settings import Accelerator
from vae_lab.errors import UserError


def device_for(accelerator: Accelerator, precision: str = "fp32") -> torch.device:
    """Return the device, or the first of several, that an ``accelerator`` config selects on this machine.

    Raises:
        UserError: this machine has no such device, has fewer than requested, or its device cannot train in this
            precision.
    """
    kind, gpus, mps = accelerator.kind, torch.cuda.device_count(), torch.backends.mps.is_available()
    if kind == "gpu" and not gpus:
        raise UserError("accelerator=gpu: torch finds no GPU that it can use; type accelerator=cpu or accelerator=auto")
    if kind == "mps" and not mps:
        raise UserError("accelerator=mps: this machine has no Apple GPU; type accelerator=cpu or accelerator=auto")
    if kind == "cpu" or not (gpus or mps):
        device = torch.device("cpu")
    else:
        device = torch.device("cuda", 0) if gpus and kind != "mps" else torch.device("mps")
    processes = max(2, os.cpu_count() or 1)  # on a CPU, about one per core
    most = {"cuda": gpus, "mps": 1, "cpu": processes}[device.type]
    if accelerator.devices > most:
        raise UserError(
            f"accelerator.devices={accelerator.devices}: this machine has {most} ({device.type}); "
            f"type accelerator.devices={most}"
        )
    if device.type == "cpu" and precision == "fp16":
        raise UserError("precision=fp16 needs a GPU; type precision=bf16 or precision=fp32")
    return device
