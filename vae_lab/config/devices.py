"""What an ``accelerator`` config means on this machine."""

import os

import torch

from vae_lab.config.schema import Accelerator
from vae_lab.errors import UserError


def device_for(accelerator: Accelerator, precision: str = "fp32") -> torch.device:
    """The (first) device that an ``accelerator`` config means here, for training in this precision.

    Raises:
        UserError: this machine has none of that kind, or too few, or none that can compute so.
    """
    kind, gpus, mps = accelerator.kind, torch.cuda.device_count(), torch.backends.mps.is_available()
    if kind == "gpu" and not gpus:
        raise UserError(
            "accelerator=gpu: no GPU that torch can use was found; type accelerator=cpu or accelerator=auto"
        )
    if kind == "mps" and not mps:
        raise UserError("accelerator=mps: this machine has no Apple GPU; type accelerator=cpu or accelerator=auto")
    if kind == "cpu" or not (gpus or mps):
        device = torch.device("cpu")
    else:
        device = torch.device("cuda", 0) if gpus and kind != "mps" else torch.device("mps")
    most = {"cuda": gpus, "mps": 1, "cpu": max(2, os.cpu_count() or 1)}[device.type]  # about a process per core
    if accelerator.devices > most:
        raise UserError(
            f"accelerator.devices={accelerator.devices}: this machine has {most} ({device.type}); "
            f"type accelerator.devices={most}"
        )
    if device.type == "cpu" and precision == "fp16":
        raise UserError("precision=fp16 needs a GPU; type precision=bf16 or precision=fp32")
    return device
