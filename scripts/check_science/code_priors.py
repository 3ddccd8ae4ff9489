"""Priors over discrete codes: by enumeration of all codes, and by draws."""

import itertools
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from check_science.cases import Recorded
from check_science.checks import Found, check
from vae_lab.evaluation.scoring import silent
from vae_lab.metrics.code_bound import CodeBound
from vae_lab.samplers.code_transformer import CodeTransformer
from vae_lab.samplers.pixelcnn import PixelCNN
from vae_lab.samplers.pixelsnail import PixelSNAIL
from vae_lab.types import Batch, Latents

DRAWS = 20_000
LEVELS = ((2, (1, 2)), (2, (1, 2, 2)))  # K and shape; the second level has two codes per position


def small(prior: Any) -> Any:
    """A prior of two levels with random weights."""
    prior.build(0, *(number for codes, shape in LEVELS for number in (codes, len(shape), *shape)))
    random = torch.Generator().manual_seed(1)
    for parameter in prior.parameters():
        parameter.requires_grad_(False).add_(0.4 * torch.randn(parameter.shape, generator=random))
    return prior.eval()


def all_codes() -> tuple[Tensor, Tensor]:
    """The 64 combinations of codes of both levels: [64, 1, 2] and [64, 1, 2, 2]."""
    rows = torch.tensor(list(itertools.product(range(2), repeat=6)))
    return rows[:, :2].reshape(64, 1, 2), rows[:, 2:].reshape(64, 1, 2, 2)


def _register(name: str, make: Any) -> None:
    @check("sampler", name, "Σ p(c)", "Σ p(c₂|c₁)", reference="1, the sum over all codes of both levels")
    def enumerated() -> Iterator[Found]:
        """The probabilities of all codes, of both levels together and of the lower one given the upper."""
        p = small(make()).log_prob(all_codes()).exp()
        yield "Σ p(c)", p.prod(1).sum(), 1.0
        yield "Σ p(c₂|c₁)", p[:, 1].reshape(4, 16).sum(1), np.ones(4)

    @check("sampler", name, "share of a combination", "p ∝ p(c)² at τ = ½", statistical=True,
           reference="probabilities by enumeration")  # fmt: skip
    def drawn() -> Iterator[Found]:
        """How often draws are the most probable combination; at τ = ½, how often the first code is 1."""
        prior = small(make())
        p = prior.log_prob(all_codes()).sum(1).exp()
        top, below = prior.sample(DRAWS, Recorded(f"{name} draws"))
        best = torch.cat([level.flatten(1) for level in all_codes()], 1)[p.argmax()]
        yield "share of a combination", (torch.cat([top.flatten(1), below.flatten(1)], 1) == best).all(1), p.max()
        first = torch.stack([p[:32].sum(), p[32:].sum()]).square()
        cold, _ = prior.sample(DRAWS, Recorded(f"{name} cold draws"), temperature=(0.5,))
        yield "p ∝ p(c)² at τ = ½", cold[:, 0, 0], (first / first.sum())[1]


_register("code_transformer", lambda: CodeTransformer(layers=1, width=8, heads=2))
_register("pixelcnn", lambda: PixelCNN(layers=2, width=8))
_register("pixelsnail", lambda: PixelSNAIL(blocks=1, layers=1, width=8, heads=2))


class _Pixels(nn.Module):
    """A model whose two binary codes are the first pixels of an image of two, and which reads each with an error."""

    code_sizes, latent_shapes, conditional = (2,), ((1, 2),), False

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: object) -> Latents:
        codes = x.flatten(1).long().unsqueeze(1).unsqueeze(0)
        return Latents(z=(codes.double(),), kl=(codes.double(),), q=(None,), codes=(codes,))

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return z[0]


class _Flips:
    """A pixel is the code with probability 0.9."""

    discrete = True

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        return torch.where(params[0, :, 0] == target.flatten(1), math.log(0.9), math.log(0.1)).sum(1).unsqueeze(0)

    def no_likelihood(self, target: Tensor) -> str:
        return ""


class _Independent:
    """Codes that are 1 with probability 0.3."""

    label = "independent codes"

    def log_prob(self, codes: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return torch.where(codes[0] == 1, math.log(0.3), math.log(0.7)).flatten(1).sum(1, keepdim=True)


@check("metrics", "code_bound", "bound", "rate_fitted", "rate_uniform", "bound_bits_per_dim",
       reference="the sum over four images by hand")  # fmt: skip
def code_bound() -> Iterator[Found]:
    """All images of two binary pixels, decoded with an error of 0.1; the bound is at least −log p(x)."""
    x = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).double().view(4, 1, 1, 2)
    model = _Pixels()
    model.likelihood = _Flips()  # type: ignore[assignment]
    values = SimpleNamespace(one="image", many="images", value="pixel")
    data = SimpleNamespace(test=x, x_shape=(1, 1, 2), values=values, binarize=None,
                           batches=lambda split: iter([Batch(x, x, None)]))  # fmt: skip
    trained = SimpleNamespace(model=model, data=data, prior=_Independent(), noise=lambda purpose: None,
                              progress=silent, seed=0)  # fmt: skip
    found = CodeBound()(trained).values  # type: ignore[arg-type]
    rate = -np.mean([2 * np.log(0.7), np.log(0.7 * 0.3), np.log(0.7 * 0.3), 2 * np.log(0.3)])
    yield "bound", found["bound"], rate - 2 * np.log(0.9)
    yield "rate_fitted", found["rate_fitted"], rate
    yield "rate_uniform", found["rate_uniform"], 2 * np.log(2)
    yield "bound_bits_per_dim", found["bound_bits_per_dim"], (rate - 2 * np.log(0.9)) / 2 / np.log(2)
