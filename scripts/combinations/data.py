"""Tiny datasets: digits, and short sequences for the likelihoods that are not for images."""

from functools import cache
from pathlib import Path

import torch

from vae_lab.data.dataset import Dataset
from vae_lab.data.digits import Digits
from vae_lab.examples import Examples, Tokens

VOCABULARY = ("a", "cat", "dog", "sees", "hears", "the", "end")


@cache
def tiny(kind: str) -> Dataset:
    """16 training and 8 test examples, and some for validation: 'images' or 'tokens'."""
    source = {"images": FewDigits, "tokens": Phrases}[kind]()
    return Dataset({"images": "digits", "tokens": "phrases"}[kind], source, Path("."), batch_size=8, seed=0, limit=16)


class FewDigits:
    """80 training and 8 test images of scikit-learn's digits, 8×8."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """The examples."""
        train, test = Digits().load(root)
        return train.part(torch.arange(80)), test.part(torch.arange(8))


class Phrases:
    """80 training and 8 test phrases of 6 tokens such as ``a cat sees the dog end``, labelled by their subject."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """The examples; ``root`` is not read."""
        draws = torch.randint(0, 2, (88, 4), generator=torch.Generator().manual_seed(0))
        subject, verb, thing, article = draws.T
        columns = (torch.zeros_like(subject), 1 + subject, 3 + verb, 5 * article, 1 + thing, torch.full_like(verb, 6))
        whole = Examples(torch.stack(columns, 1), subject, ("cat", "dog"), values=Tokens(VOCABULARY))
        return whole.part(torch.arange(80)), whole.part(torch.arange(80, 88))
