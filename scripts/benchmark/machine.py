"""Describe the machine of a measurement: processor, threads, versions and load."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from results import Row

from vae_lab.runs.environment import processor


def device() -> str:
    """Return the device that every contestant selects by default: ``cuda`` if there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def describe(threads: int) -> Row:
    """Return the description of this machine for results.json."""
    return {
        "processor": processor(),
        "device": torch.cuda.get_device_name() if device() == "cuda" else "cpu",
        "kind": device(),
        "threads": threads,
        "system": platform.system(),
        "bf16_instructions": bf16_instructions(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "vae-lab")}},
        "load_before": load(),
    }


def bf16_instructions() -> bool:
    """Whether the processor has instructions for bf16."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(word in text for word in ("avx512_bf16", "amx_bf16", " bf16"))


def load() -> float | None:
    """Return the load average of the last minute, or None where the system does not report it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
