"""The categorical likelihood of sequences of tokens, p(x|z) = Π_t softmax(params_t)[x_t].

It is the output distribution of the sentence VAE (Bowman et al. 2016, arXiv 1511.06349), but with tokens that are
independent given z instead of an autoregressive decoder.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.likelihoods.bounded import sum_values
from vae_lab.types import Noise, Shape


class Categorical(nn.Module):
    """Independent tokens given z: log p(x|z) = Σ_t log softmax(params_t)[x_t], an exact mass in nats per sequence.

    The decoder gives V logits for each of T positions, params [K, B, T, V]; targets are long [B, T].

    Args:
        vocabulary: V, the number of tokens of the dataset.

    >>> import torch
    >>> likelihood = Categorical(vocabulary=3)
    >>> likelihood.log_prob(torch.zeros(1, 2, 5, 3), torch.zeros(2, 5, dtype=torch.long))  # 5 log ⅓
    tensor([[-5.4931, -5.4931]])
    """

    takes = ("tokens",)
    discrete = True
    fits_sigma = False

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def params_shape(self, x_shape: Shape) -> Shape:
        """V logits for each position: [T, V]."""
        return (*x_shape, self.vocabulary)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """[K, B, T, V] and [B, T] to [K, B] nats."""
        chosen = target.expand(params.shape[:-1]).unsqueeze(-1)
        return sum_values(F.log_softmax(params, -1).gather(-1, chosen))

    def no_likelihood(self, target: Tensor) -> str:
        """Always empty: every sequence of tokens has a probability."""
        return ""

    def recon_offset(self, values: int) -> float:
        """``recon`` is the whole −log p."""
        return 0.0

    def mean(self, params: Tensor) -> Tensor:
        """The most probable token of each position: long [K, B, T]."""
        return params.argmax(-1)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A token for each position, drawn by the Gumbel-max trick (arXiv 1411.0030): long [K, B, T]."""
        uniform = noise.uniform(*params.shape).clamp(1e-10, 1 - 1e-7)
        return (params - (-uniform.log()).log()).argmax(-1)

    def observe(self, params: Tensor, target: Tensor) -> None:
        """There is no running state."""

    def logs(self) -> dict[str, Tensor]:
        """There is nothing to log."""
        return {}
