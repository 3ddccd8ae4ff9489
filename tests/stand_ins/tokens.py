"""Networks, a likelihood and a dataset for sequences of tokens."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.examples import Examples, Tokens
from vae_lab.types import Noise, Shape

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


class Categorical(nn.Module):
    """Tokens that are independent given z: log p(x|z) = Σ_t log softmax(params_t)[x_t]."""

    takes = ("tokens",)
    discrete = True
    fits_sigma = False

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def params_shape(self, x_shape: Shape) -> Shape:
        return (*x_shape, self.vocabulary)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        chosen = F.log_softmax(params, -1).gather(-1, target.expand(params.shape[:-1]).unsqueeze(-1))
        return chosen.flatten(2).sum(2)

    def no_likelihood(self, target: Tensor) -> str:
        return ""

    def recon_offset(self, values: int) -> float:
        return 0.0

    def mean(self, params: Tensor) -> Tensor:
        return params.argmax(-1)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        gumbel = -torch.log(-torch.log(noise.uniform(*params.shape).clamp(1e-7, 1 - 1e-7)))
        return (params + gumbel).argmax(-1)

    def observe(self, params: Tensor, target: Tensor) -> None:
        pass

    def logs(self) -> dict[str, Tensor]:
        return {}
