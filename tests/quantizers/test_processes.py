"""Tests that the codebook is the same in all processes of a run."""

import multiprocessing

import pytest
import torch
from torch import distributed

from vae_lab.noise import SeededNoise
from vae_lab.quantizers import EMA, Cosine
from vae_lab.quantizers.running_book import RunningBook


def quantizer_of(kind: type[RunningBook], restart_below: float) -> RunningBook:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(codes=6, dims=2, decay=0.5, restart_below=restart_below)


def batch(step: int) -> torch.Tensor:
    return SeededNoise("cpu", "vectors", step).normal(11, 2)


def trained(quantizer: RunningBook, parts: list[torch.Tensor], rank: int) -> torch.Tensor:
    for step, h in enumerate(parts):
        quantizer.learn(h, quantizer.quantize(h).codes, SeededNoise("cpu", step, rank))
    return quantizer.book


def process(rank: int, place: str, kind: type[RunningBook], restart_below: float, queue) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    halves = [batch(step).split((6, 5))[rank] for step in range(5)]
    queue.put(trained(quantizer_of(kind, restart_below), halves, rank).tolist())
    distributed.destroy_process_group()


@pytest.mark.parametrize("kind", [EMA, Cosine])
@pytest.mark.parametrize("restart_below", [0.0, 0.9])
def test_two_processes_have_the_codebook_of_the_whole_batch(tmp_path, kind, restart_below):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    words = (str(tmp_path / "meeting"), kind, restart_below, queue)
    others = [context.Process(target=process, args=(rank, *words)) for rank in range(2)]
    for other in others:
        other.start()
    first, second = (torch.tensor(queue.get()) for _ in others)
    for other in others:
        other.join()
    assert torch.equal(first, second)
    if not restart_below:  # the vectors of restarted codes are drawn from the part of the first process
        torch.testing.assert_close(first, trained(quantizer_of(kind, 0.0), [batch(step) for step in range(5)], 0))
