"""Random draws as a function of a key: the same key always gives the same draws.

A key is a sequence of integers and words, e.g. (seed, "train", batch, phase, rank). No forward pass uses a global
generator, so a resumed run needs no saved random state.

>>> SeededNoise("cpu", 0, "train", 17).normal(2, 3).equal(SeededNoise("cpu", 0, "train", 17).normal(2, 3))
True
>>> SeededNoise("cpu", 0, "train", 17).normal(2, 3).equal(SeededNoise("cpu", 0, "train", 18).normal(2, 3))
False

All classes here implement :class:`vae_lab.types.Noise`. A compiled or a stacked step cannot seed generators; its draws
are recorded once and then made beforehand:

>>> recorded = NotedNoise(SeededNoise("cpu", 0))
>>> _ = recorded.normal(4, 2), recorded.uniform(4)  # in practice a forward pass
>>> recorded.asked
[('normal', (4, 2)), ('uniform', (4,))]
>>> draws = drawn(SeededNoise("cpu", 1), recorded.asked)
>>> GivenNoise(draws).normal(4, 2).equal(SeededNoise("cpu", 1).normal(4, 2))
True
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import torch
from torch import Tensor

from vae_lab.types import Noise

Asked = list[tuple[Literal["normal", "uniform"], tuple[int, ...]]]  # kind and shape of each draw, in order


def generator(device: torch.device | str, *key: int | str) -> torch.Generator:
    """A random generator on ``device``, seeded by a hash of the key, which is the same on every machine.

    Args:
        device: where the generator draws.
        key: integers and words.
    """
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


class SeededNoise:
    """Draws that depend only on the key and on the order of the calls.

    The generator is made at the first draw, so that an instance that is not used costs nothing.

    Args:
        device: where the draws are made.
        key: integers and words.
    """

    def __init__(self, device: torch.device | str, *key: int | str) -> None:
        self.device = torch.device(device)
        self.key = key

    @cached_property
    def _generator(self) -> torch.Generator:
        return generator(self.device, *self.key)

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return torch.rand(shape, generator=self._generator, device=self.device)


class NoNoise:
    """Noise replaced by its mean: normal draws are 0 and uniform draws are ½.

    A model that infers with it puts every level at the mean of its Gaussian, given the means of the levels above. In a
    hierarchy these are posterior means that are consistent with each other.

    >>> NoNoise(SeededNoise("cpu", 0)).normal(3)
    tensor([0., 0., 0.])

    Args:
        noise: the noise that is replaced. It still makes each draw, so that its later draws are the same with and
            without the replacement.
    """

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        """Zeros of the given shape."""
        return torch.zeros_like(self.noise.normal(*shape))

    def uniform(self, *shape: int) -> Tensor:
        """A tensor of the given shape that is filled with ½."""
        return torch.full_like(self.noise.uniform(*shape), 0.5)


class Tempered:
    """Normal draws multiplied by a temperature τ, so that z = μ + τ σ ε; uniform draws are not changed.

    With τ < 1 samples come from nearer to the mode of the prior: they look better and differ less from each other.
    τ = 0 gives the mean of every Gaussian.

    Args:
        noise: makes the draws.
        temperature: τ.
    """

    def __init__(self, noise: Noise, temperature: float) -> None:
        self.noise, self.temperature = noise, temperature

    def normal(self, *shape: int) -> Tensor:
        """Draws from N(0, τ²) of the given shape."""
        return self.noise.normal(*shape) * self.temperature

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return self.noise.uniform(*shape)


class TemperedLevels:
    """Normal draws of which each is multiplied by a temperature of its own, for a model that draws one level per call.

    Equal temperatures give the same draws as :class:`Tempered` with one of them.

    Args:
        noise: makes the draws.
        temperatures: τ of the levels in the order in which they are drawn, the top level first.
    """

    def __init__(self, noise: Noise, temperatures: Sequence[float]) -> None:
        self.noise, self.temperatures = noise, tuple(temperatures)
        self.drawn = 0

    def normal(self, *shape: int) -> Tensor:
        """Draws from N(0, τ²) of the given shape, with the τ of the next level."""
        self.drawn += 1
        return self.noise.normal(*shape) * self.temperatures[self.drawn - 1]

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return self.noise.uniform(*shape)


class MovedNoise:
    """Draws that another noise makes on its own device, moved to ``device``.

    Args:
        noise: makes the draws; those of ``SeededNoise("cpu", …)`` are the same whatever ``device`` is.
        device: where the draws are returned.
    """

    def __init__(self, noise: Noise, device: torch.device) -> None:
        self.noise, self.device = noise, device

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        return self.noise.normal(*shape).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return self.noise.uniform(*shape).to(self.device)


class NotedNoise:
    """Passes every draw on to another noise, and records its kind and shape.

    Args:
        noise: makes the draws.

    Attributes:
        asked: the recorded draws, in order.
    """

    def __init__(self, noise: Noise) -> None:
        self.noise = noise
        self.asked: Asked = []

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        self.asked.append(("normal", shape))
        return self.noise.normal(*shape)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        self.asked.append(("uniform", shape))
        return self.noise.uniform(*shape)


class GivenNoise:
    """Returns draws that were made beforehand, one per call, whatever shape is requested.

    It is used inside compiled and stacked steps, in which no generator can be seeded.

    Args:
        draws: the tensors to return, in order; see :func:`drawn`.
    """

    def __init__(self, draws: Sequence[Tensor]) -> None:
        self.draws = draws
        self.used = 0

    def normal(self, *shape: int) -> Tensor:
        """The next tensor."""
        self.used += 1
        return self.draws[self.used - 1]

    uniform = normal


def drawn(noise: Noise, asked: Asked) -> list[Tensor]:
    """Make all draws of a step beforehand: the same values, in the same order, as if the step made them itself.

    Args:
        noise: makes the draws.
        asked: kind and shape of each, as recorded by :class:`NotedNoise`.
    """
    return [noise.normal(*shape) if kind == "normal" else noise.uniform(*shape) for kind, shape in asked]
