"""The time that the fit of a prior over codes will take, estimated from a few steps on random codes."""

import time

import torch

from vae_lab.noise import SeededNoise
from vae_lab.samplers.autoregressive import Autoregressive
from vae_lab.types import CodeBatch, CodeSource

STEPS = 2  # that are timed, after one that is not


def estimated_seconds(prior: Autoregressive, source: CodeSource) -> float:
    """Seconds that the networks of a prior take for all epochs, without the encoding of the examples.

    Args:
        prior: with the settings of the fit; it is built for the codes of the source, and not trained.
        source: of which only the sizes are read.
    """
    noise, loop = SeededNoise("cpu", "budget"), prior.training_loop
    prior.build_for(source, noise)
    rows = min(loop.batch_size, source.examples)
    codes = tuple(
        (noise.uniform(rows, *shape) * sizes).long().to(source.device)
        for shape, sizes in zip(source.shapes, source.sizes, strict=True)
    )
    y = torch.zeros(rows, dtype=torch.long, device=source.device) if source.y_size else None
    started = time.perf_counter()
    for step in range(1 + STEPS):
        if step == 1:
            started = time.perf_counter()
        for level in range(len(codes)):
            prior.nats(level, CodeBatch(codes, y)).mean().backward()
        if source.device.type == "cuda":
            torch.cuda.synchronize(source.device)
    prior.zero_grad()
    return (time.perf_counter() - started) / STEPS * loop.epochs * -(-source.examples // rows)
