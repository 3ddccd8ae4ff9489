"""Code that the workers share: reading the case, the networks and images, and reporting the measurements.

A worker is a separate program, ``worker.py CASE.json RESULT.json``, so that its peak memory and start-up time can be
measured. This module imports only the networks of vae-lab, so that importing the rest of it does not slow down the
start-up of the competitors.
"""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

BENCHMARK = Path(__file__).parent.parent
sys.path.insert(0, str(BENCHMARK))

from cases import Case  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class VAE(nn.Module):
    """The networks of ``conf/model/<case.model>.yaml`` with two linear heads, as in vae-lab."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        conf = BENCHMARK.parent.parent / "conf" / "model" / f"{case.model}.yaml"
        numbers = yaml.safe_load(conf.read_text(encoding="utf-8"))["net"]
        module, _, name = numbers.pop("_target_").rpartition(".")
        net = getattr(import_module(module), name)(**numbers)
        self.encoder = net.encoder(case.x_shape)
        self.mu = nn.Linear(self.encoder.out_features, case.latent_dim)
        self.log_var = nn.Linear(self.encoder.out_features, case.latent_dim)
        self.decoder = net.decoder(case.latent_dim, case.x_shape)

    def loss(self, x: Tensor) -> Tensor:
        """The loss [] of a batch [B, C, H, W] in [0, 1]: squared error and KL, in nats per image."""
        h = self.encoder(x)
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        recon = (torch.sigmoid(self.decoder(z)) - x).square().sum() / len(x)
        return recon + 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(x)


def read_case() -> Case:
    """Read the case from the file that the first argument of the program names."""
    return Case.of_json(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def image_bytes(case: Case) -> Tensor:
    """Return the images of an epoch as bytes [N, C, H, W]."""
    if case.side == 28:
        from torchvision.datasets import MNIST

        return MNIST(case.data).data[: case.images].unsqueeze(1)
    import numpy as np
    from PIL import Image

    every = np.stack([np.asarray(Image.open(file, formats=["PNG"])) for file in sorted(Path(case.data).rglob("*.png"))])
    return torch.from_numpy(every)[: case.images].permute(0, 3, 1, 2).contiguous()


def now() -> float:
    """Return the time in seconds, after waiting for pending work on the GPU."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class EpochClock:
    """Record the seconds of each epoch.

    Combined with the Callback class of pytorch_lightning or of lightning, this class is a callback of that package.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock before the first batch is loaded."""
        self._started = now()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Stop the clock after the last step."""
        self.seconds.append(now() - self._started)


class FirstStep:
    """Record when the first optimizer step has ended, in seconds from the start of the process."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._handle = register_optimizer_step_post_hook(self._note)

    def _note(self, *_: Any) -> None:
        if DEVICE.type != "cuda" or not torch.cuda.is_current_stream_capturing():
            now()
            self.seconds = since_start()
            self._handle.remove()


def since_start() -> float:
    """Return the seconds since the benchmark requested this process."""
    return time.time() - float(os.environ["BENCHMARK_STARTED"])


def peak_mb() -> float:
    """Return the peak memory of this process in MB."""
    status = Path("/proc/self/status")  # on Linux, getrusage includes the peak memory of the parent process
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def report(epoch_seconds: list[float], first: FirstStep, packages: Iterable[str] = (), **more: Any) -> None:
    """Write the measurements to the file that the second argument of the program names."""
    measurements = {
        "epoch_seconds": epoch_seconds,
        "first_step": first.seconds,
        "peak_mb": peak_mb(),
        "gpu_peak_mb": torch.cuda.max_memory_allocated() / 2**20 if DEVICE.type == "cuda" else None,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", *packages)}},
        "threads": torch.get_num_threads(),
        **more,
    }
    Path(sys.argv[2]).write_text(json.dumps(measurements), encoding="utf-8")
