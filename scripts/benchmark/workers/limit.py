"""Measure the arithmetic limit: the operations per image of each network, and the matrix rate of the machine."""

import json
import sys
import time
from pathlib import Path

import torch
from common import DEVICE, VAE, Case, now
from torch.utils.flop_counter import FlopCounterMode


def operations(case: Case, images: int = 8) -> float:
    """Return the floating-point operations per image of a forward and a backward pass.

    A multiplication and an addition count as two operations.
    """
    model, x = VAE(case).to(DEVICE), torch.rand(images, *case.x_shape, device=DEVICE)
    with FlopCounterMode(display=False) as counter:
        model.loss(x).backward()
    return counter.get_total_flops() / images


def matrix_rate(dtype: torch.dtype, size: int, seconds: float = 2.0) -> float:
    """Return the operations per second of a product of two square matrices, the best within ``seconds``."""
    a, b = (torch.randn(size, size, device=DEVICE).to(dtype) for _ in range(2))
    a @ b  # the first call includes set-up work
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = now()
        a @ b
        best = min(best, now() - started)
    return 2 * size**3 / best


def main() -> None:
    """Count the operations of each case, measure the matrix rates, and write both."""
    cases = [Case.of_json(node) for node in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cases"]]
    size = 8192 if DEVICE.type == "cuda" else 2048
    rates = {name: matrix_rate(dtype, size) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    rows = [{"case": case.name, "operations": operations(case), **rates} for case in cases]
    Path(sys.argv[2]).write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
