"""Sequences of tokens: networks that embed them, and a dataset of short phrases."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from vae_lab.examples import Examples, Tokens
from vae_lab.types import Shape

VOCABULARY = ("a", "cat", "dog", "sees", "hears", "the", "end")


class Phrases:
    """240 training and 60 test phrases of 6 tokens such as ``a cat sees the dog end``, labelled by their subject."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        draws = torch.randint(0, 2, (300, 4), generator=torch.Generator().manual_seed(0))
        subject, verb, thing, article = draws.T
        columns = (torch.zeros_like(subject), 1 + subject, 3 + verb, 5 * article, 1 + thing, torch.full_like(verb, 6))
        whole = Examples(torch.stack(columns, 1), subject, ("cat", "dog"), values=Tokens(VOCABULARY))
        return whole.part(torch.arange(240)), whole.part(torch.arange(240, 300))


class TokenEncoder(nn.Module):
    def __init__(self, length: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(length * width, width), nn.SiLU())
        self.out_features = width

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.embedding(x))


class TokenMLP:
    """An MLP whose encoder embeds tokens and whose decoder gives a vector of logits for each position."""

    takes = ("tokens",)

    def __init__(self, width: int, vocabulary: int) -> None:
        self.width, self.vocabulary = width, vocabulary

    def encoder(self, x_shape: Shape) -> nn.Module:
        return TokenEncoder(x_shape[0], self.vocabulary, self.width)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        last = nn.Linear(self.width, math.prod(out_shape))
        return nn.Sequential(nn.Linear(latent_dim, self.width), nn.SiLU(), last, nn.Unflatten(1, out_shape))
