"""Quantizers of the package vector-quantize-pytorch, given our codebooks and the same vectors.

Conventions differ in what does not matter for a method, and numbers are scaled accordingly: the package's losses are
means over vectors and dimensions, ours sums; its LFQ counts the bits of a code from the other end; its trained
codebook has one loss with one weight for both terms, which is ours with β = 1, and whose value is half of our sum. It
smooths the usage of codes by ``eps``, which is 0 here, and passes gradients by a rotation, which is switched off.
Restarts of dead codes are random in both and are not compared. The package updates a codebook that all depths of a
residual quantizer share once per depth, so that deeper codes weigh more; here it is given the residuals of all depths
at once, as ours is.
"""

import importlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from check_science.checks import Found, NotInstalled, check
from vae_lab.noise import SeededNoise
from vae_lab.quantizers import EMA, FSQ, LFQ, Codebook, Cosine, Residual
from vae_lab.types import Quantizer

K, D, BATCHES = 12, 4, 4
NOISE = SeededNoise("cpu", 0)


def theirs(name: str, **settings: Any) -> Any:
    """A quantizer of the package."""
    try:
        version("vector-quantize-pytorch")
    except PackageNotFoundError:
        raise NotInstalled("vector-quantize-pytorch") from None
    return getattr(importlib.import_module("vector_quantize_pytorch"), name)(**settings)


def their_book(ours: Any, **settings: Any) -> Any:
    """Their quantizer with a copy of our codebook, which may be one of unit vectors."""
    made = theirs("VectorQuantize", dim=D, codebook_size=K, rotation_trick=False, eps=0.0, **settings)
    book = made._codebook
    book.embed.data, book.embed_avg = (ours.book.detach()[None].clone() for _ in range(2))
    return made


def vectors(spread: float = 1.0) -> Tensor:
    """Vectors [5, 9, D] as the package takes them."""
    return (spread * torch.randn(5, 9, D)).requires_grad_()


def quantized(ours: Quantizer, h: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The vectors, the codes and the losses, each summed over the batch, of vectors [N, M, D]."""
    found = ours.quantize(h.mT)
    return found.z.mT, found.codes, {name: loss.sum() for name, loss in found.losses.items()}


def slope(loss: Tensor, *of: Tensor) -> Tensor:
    """The gradient as one vector."""
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, of, retain_graph=True)])


@check("quantizer", "codebook", "codes", "losses", "codebook after a step of SGD",
       reference="vector-quantize-pytorch's VectorQuantize, learnable_codebook")  # fmt: skip
def codebook() -> Iterator[Found]:
    """β = 1 and a learning rate of 0.1."""
    ours = Codebook(K, D, commitment=1.0)
    ours.book.data = torch.randn(K, D)
    other = their_book(ours, learnable_codebook=True, ema_update=False)
    book = other._codebook.embed
    for _ in range(BATCHES):
        h = vectors()
        _, codes, losses = quantized(ours, h)
        _, right, mean = other(h)
        total, loss = losses["commitment"] + losses["codebook"], mean * h.numel()
        yield "codes", codes, right
        yield "losses", total, 2 * loss
        yield "losses", slope(total, h), slope(loss, h)
        with torch.no_grad():
            of_ours, of_theirs = slope(total, ours.book).view(K, D), slope(loss, book).view(1, K, D)
            ours.book -= 0.1 * of_ours
            book -= 0.1 * of_theirs
        yield "codebook after a step of SGD", ours.book, book[0]


def updated(ours: Any, **settings: Any) -> Iterator[Found]:
    """Compare a codebook of running means over several batches, each of which is quantised before the update."""
    other = their_book(ours, decay=ours.decay, commitment_weight=ours.commitment, **settings)
    for _ in range(BATCHES):
        h = vectors()
        z, codes, losses = quantized(ours, h)
        found, right, mean = other(h)
        ours.learn(h.mT, codes, NOISE)
        yield "codes", codes, right
        yield "losses", z, found
        yield "losses", losses["commitment"], mean * h.numel()
        yield "losses", slope(losses["commitment"], h), slope(mean * h.numel(), h)
        yield "codebook after updates", ours.book, other.codebook


@check("quantizer", "ema", "codes", "losses", "codebook after updates",
       reference="vector-quantize-pytorch's VectorQuantize")  # fmt: skip
def ema() -> Iterator[Found]:
    """γ = 0.9, β = 0.3."""
    ours = EMA(K, D, commitment=0.3, decay=0.9, restart_below=0.0)
    ours.book = torch.randn(K, D)
    ours.sums = ours.book.clone()
    yield from updated(ours)


@check("quantizer", "cosine", "codes", "losses", "codebook after updates",
       reference="vector-quantize-pytorch's VectorQuantize, use_cosine_sim")  # fmt: skip
def cosine() -> Iterator[Found]:
    """γ = 0.9, β = 0.3."""
    yield from updated(Cosine(K, D, commitment=0.3, decay=0.9, restart_below=0.0), use_cosine_sim=True)


@check("quantizer", "fsq", "codes", "vectors", "gradient", reference="vector-quantize-pytorch's FSQ")
def fsq() -> Iterator[Found]:
    """Odd and even numbers of values; inputs of several sizes."""
    levels = [3, 4, 5, 8]
    ours, other = FSQ(levels), theirs("FSQ", levels=levels)
    for spread in (0.3, 1.0, 3.0):
        h, weight = vectors(spread), torch.randn(5, 9, D)
        z, codes, _ = quantized(ours, h)
        found, right = other(h)
        yield "codes", codes, right
        yield "vectors", z, found
        yield "vectors", ours.embed(codes).mT, other.indices_to_codes(right)
        yield "gradient", slope((z * weight).sum(), h), slope((found * weight).sum(), h)


@check("quantizer", "lfq", "codes", "losses", reference="vector-quantize-pytorch's LFQ, bits in reversed order")
def lfq() -> Iterator[Found]:
    """λ = 0.2, β = 0.3, T = ½; the inputs are so small that its floor of probabilities, 1e-5, is not reached."""
    ours = LFQ(D, commitment=0.3, entropy=0.2, sharpness=0.5)
    other = theirs("LFQ", dim=D, entropy_loss_weight=0.2, commitment_loss_weight=0.3)
    for _ in range(BATCHES):
        h = vectors(0.3)
        z, codes, losses = quantized(ours, h)
        result, parts = other(h, inv_temperature=0.5, return_loss_breakdown=True)
        found, right, _ = result
        yield "codes", sum((right >> (D - 1 - bit) & 1) << bit for bit in range(D)), codes
        entropy = (parts.per_sample_entropy - parts.batch_entropy) * 0.2 * 5 * 9
        commitment = parts.commitment * 0.3 * h.numel()
        yield "losses", z, found
        for name, loss in (("entropy", entropy), ("commitment", commitment)):
            yield "losses", losses[name], loss
            yield "losses", slope(losses[name], h), slope(loss, h)


@check("quantizer", "residual", "codes", "losses", "codebook after updates",
       reference="vector-quantize-pytorch's ResidualVQ, shared_codebook")  # fmt: skip
def residual() -> Iterator[Found]:
    """Three codes per position of one codebook; γ = 0.9, β = 0.3."""
    inner = EMA(K, D, commitment=0.3, decay=0.9, restart_below=0.0)
    inner.book = torch.randn(K, D)
    inner.sums = inner.book.clone()
    ours = Residual(inner, 3)
    other = theirs("ResidualVQ", dim=D, codebook_size=K, num_quantizers=3, shared_codebook=True, rotation_trick=False,
                   eps=0.0, decay=0.9, commitment_weight=0.3)  # fmt: skip
    book = other.layers[0]._codebook
    book.embed, book.embed_avg = inner.book[None].clone(), inner.sums[None].clone()
    for _ in range(BATCHES):
        h = vectors()
        z, codes, losses = quantized(ours, h)
        other.train()
        found, right, means = other(h, freeze_codebook=True)
        loss = means.sum() * h.numel()
        yield "codes", codes, right
        yield "losses", z, found
        yield "losses", losses["commitment"], loss
        yield "losses", slope(losses["commitment"], h), slope(loss, h)
        ours.learn(h.mT, codes, NOISE)
        parts = [book.embed[0][right[..., depth]] for depth in range(2)]
        rests = torch.cat([h.detach() - sum(parts[:depth]) for depth in range(3)])
        book.update_indices(rests, torch.cat(right.unbind(-1)))
        book.update_ema()
        yield "codebook after updates", inner.book, book.embed[0]
