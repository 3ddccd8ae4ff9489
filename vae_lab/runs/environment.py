"""Describes the versions, the machine and the command of a run, for ``environment.json``."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from vae_lab.config.node import Node
from vae_lab.data.cache import data_root
from vae_lab.version import __version__

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "numpy",
    "scikit-learn",
    "wandb",
)


def describe_environment(config: Node, device: torch.device, command: str | None = None) -> Node:
    """The entries of ``environment.json`` about versions, the machine and the command.

    Args:
        config: the resolved config.
        device: the device that is used.
        command: the command line to record; None: that of this process, as ``vae-lab train``.
    """
    return {
        "vae_lab": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
        "command": command or shlex.join(["vae-lab", "train", *sys.argv[1:]]),  # argv lacks "train"
        "data_dir": str(data_root(config["data_dir"])),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "seed": config["seed"],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of vae-lab itself; None if it does not run from a git checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None
    done = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def processor() -> str:
    """The name of the processor and its number of cores, which tell machines apart."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores"
