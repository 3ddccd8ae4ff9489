"""The time that the fit of a prior over codes will take, estimated from a few steps."""

import time
from collections.abc import Callable

import torch

from vae_lab.noise import SeededNoise
from vae_lab.samplers.autoregressive import Autoregressive
from vae_lab.samplers.prior_training import held_out_at_once
from vae_lab.types import CodeBatch, CodeSource

STEPS = 2  # that are timed, after one that is not


def estimated_seconds(prior: Autoregressive, source: CodeSource) -> float:
    """Seconds that a fit takes for all epochs, in each of which every level encodes all examples anew.

    With n training and m held-out examples and L levels, an epoch takes L (n + m) encodings of an example, the steps of
    all levels, and m evaluations of the loss.

    Args:
        prior: with the settings of the fit; it is built for the codes of the source, and not trained.
        source: gives the sizes, and a batch of held-out codes.
    """
    loop, size = prior.training_loop, held_out_at_once(source)
    prior.build_for(source, SeededNoise("cpu", "budget"))
    levels = range(len(source.sizes))
    held_out = next(iter(source.held_out(size)))
    batch = _random_codes(source, min(loop.batch_size, source.examples))

    def step() -> None:
        for level in levels:
            prior.nats(level, batch).mean().backward()

    def score() -> None:
        with torch.no_grad():
            for level in levels:
                prior.nats(level, held_out)

    rows = len(held_out.codes[0])
    encoding = _seconds(lambda: next(iter(source.held_out(size))), source.device) / rows
    steps = _seconds(step, source.device) * -(-source.examples // loop.batch_size)
    scoring = _seconds(score, source.device) / rows * source.held_out_examples
    prior.zero_grad()
    return loop.epochs * (len(levels) * encoding * (source.examples + source.held_out_examples) + steps + scoring)


def _random_codes(source: CodeSource, rows: int) -> CodeBatch:
    noise = SeededNoise("cpu", "codes of the budget")
    codes = tuple(
        (noise.uniform(rows, *shape) * sizes).long().to(source.device)
        for shape, sizes in zip(source.shapes, source.sizes, strict=True)
    )
    return CodeBatch(codes, torch.zeros(rows, dtype=torch.long, device=source.device) if source.y_size else None)


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """The mean time of a call."""
    started = time.perf_counter()
    for number in range(1 + STEPS):
        if number == 1:
            started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / STEPS
