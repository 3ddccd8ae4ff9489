"""The machine that a result belongs to: named by its processor, with the cores used, versions and how busy it was."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vae_lab.runs.run_folder import processor


def device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``: what every contestant takes by itself."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def describe(threads: int) -> dict[str, Any]:
    """For results.json."""
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
    """Whether the processor multiplies bf16 numbers itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(word in text for word in ("avx512_bf16", "amx_bf16", " bf16"))


def load() -> float | None:
    """Programs that wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
