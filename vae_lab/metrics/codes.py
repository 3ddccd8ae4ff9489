"""The use of discrete codes: perplexity and share of codes used, over the whole test set.

With p_k the share of positions that have code k, the perplexity is exp(−Σ_k p_k log p_k), the number of codes that
would be used as evenly (arXiv 1711.00937). It depends on how many codes are counted: over single batches it is smaller.
Every level of a hierarchy has its own codes, and so has every depth of a residual quantizer.

A level can use many codes and still say nothing, if each position always has the same code. The entropy of the codes
given their position, Σ_i H(c_i), shows this. It is also the rate in nats per image of a prior in which positions are
independent, so that a good prior needs less.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from vae_lab.errors import one_of
from vae_lab.examples import in_words_of
from vae_lab.inference import code_sizes
from vae_lab.scores import Scores, Trained

COLLAPSED = 0.1  # nats per position; a level with less has nearly the same codes for all examples


@dataclass
class Use:
    """How often each code of one level, at one depth, occurs."""

    name: str  # the end of the names of its scores: empty, ``_level2``, ``_level1_depth3``
    by_position: Tensor  # long [positions, K]

    @property
    def counts(self) -> Tensor:
        """How often each code occurs: [K]."""
        return self.by_position.sum(0)

    @property
    def nats(self) -> float:
        """Σ_i H(c_i) over positions."""
        p = self.by_position.double() / self.by_position.sum(1, keepdim=True)
        return torch.special.entr(p).sum().item()

    @property
    def share(self) -> float:
        """The share of codes that occur."""
        return (self.counts > 0).double().mean().item()

    @property
    def perplexity(self) -> float:
        """exp of the entropy of the code."""
        p = self.counts.double() / self.counts.sum()
        return torch.special.entr(p).sum().exp().item()

    @property
    def row(self) -> dict[str, Any]:
        """The counts with the scores, for figures."""
        return {"of": in_words(self.name), "perplexity": self.perplexity, "counts": self.counts.tolist()}

    @property
    def is_above_others(self) -> bool:
        """Whether there are levels below this one."""
        return "_level" in self.name and not self.name.startswith("_level1")

    @property
    def words(self) -> str:
        """The level and the depth in words, as the beginning of a sentence."""
        return in_words(self.name).capitalize() or "The model"


class Codes:
    """Perplexity and share of the codes used, for each level and each depth.

    Args:
        unused: a note is written where a larger share of the codes does not occur.
    """

    needs = ("codes",)
    topic = "Discrete codes"

    def __init__(self, unused: NonNegativeFloat = 0.05) -> None:
        self.unused = unused

    def __call__(self, trained: Trained) -> Scores:
        """Return ``perplexity``, ``codes_used`` and ``code_nats``, each with ``_level<i>`` and ``_depth<j>``.

        The rows of the array ``code_use`` hold how often each code of a level occurs.
        """
        uses, positions = code_uses(trained), trained.model.latent_shapes
        values = {f"perplexity{use.name}": use.perplexity for use in uses}
        values |= {f"codes_used{use.name}": use.share for use in uses}
        values |= {f"code_nats{use.name}": use.nats for use in uses}
        meanings = {f"perplexity{use.name}": f"codes used as if evenly, of {len(use.counts)}" for use in uses}
        meanings |= {f"codes_used{use.name}": f"share of the {len(use.counts)} codes that occur" for use in uses}
        meanings |= {
            f"code_nats{use.name}": "entropy of the codes given their position, nats per {one}" for use in uses
        }
        if len(positions) > 1:
            meanings[f"perplexity{uses[-1].name}"] += "; level 1 is next to the data"
        protocol = {
            "images": len(trained.data.test),
            "split": "test",
            "codes": {use.name.removeprefix("_") or "all": len(use.counts) for use in uses},
            "positions": [list(shape) for shape in positions],
        }
        arrays = {"code_use": [use.row for use in uses]}
        meanings = in_words_of(trained.data.values, meanings)
        return Scores(values, {"codes": protocol}, arrays, self._notes(trained, uses), meanings=meanings)

    def _notes(self, trained: Trained, uses: list[Use]) -> list[str]:
        """A sentence for every level that has collapsed, or of which many codes are dead."""
        many = trained.data.values.many
        remedy, has_book = _remedy(trained.model), any(hasattr(part, "book") for part in _parts_of(trained.model))
        notes = []
        for use in uses:
            size, used = len(use.counts), int((use.counts > 0).sum())
            if use.nats < COLLAPSED * len(use.by_position):
                ways = ["more epochs", "fewer codes in the levels below"][: 2 if use.is_above_others else 1]
                ways += ["quantizer=fsq"] if has_book else []
                notes.append(
                    f"{use.words} has collapsed: every position has nearly the same code for all {many} "
                    f"({use.nats:.2g} nats per {trained.data.values.one}). Try {one_of(ways)}."
                )
            elif 1 - use.share > self.unused:
                notes.append(
                    f"{use.words} uses {used:,} of {size:,} codes on the test {many}; the others are dead. Try fewer "
                    f"codes, or {remedy}."
                )
        return notes


def _parts_of(model: object) -> Iterator[nn.Module]:
    return model.modules() if isinstance(model, nn.Module) else iter(())


def _remedy(model: object) -> str:
    """What to type so that dead codes are restarted sooner."""
    for part in _parts_of(model):
        of_residual = getattr(part, "of", None)
        for key, book in (("quantizer.of", of_residual), ("quantizer", part)):
            share = getattr(book, "restart_below", None)
            if share is not None:
                return f"a larger {key}.restart_below than {share:g}"
    return "quantizer=ema, which restarts dead codes"


def in_words(name: str) -> str:
    """The end of a score's name in words: ``_level2_depth1`` to ``level 2, depth 1``."""
    return ", ".join(part.replace("level", "level ").replace("depth", "depth ") for part in name.split("_") if part)


def code_uses(trained: Trained) -> list[Use]:
    """Count the codes of all test examples, of each level from the top down, and of each depth of a level."""
    sizes, counts = code_sizes(trained.model), dict[str, Tensor]()
    noise = trained.noise("codes")
    with torch.inference_mode():
        for batch in trained.data.batches("test"):
            latents = trained.model.infer(batch.x, batch.y, 1, noise)
            for index, (codes, z) in enumerate(zip(latents.codes or (), latents.z)):
                for name, part in _parts(codes, z, len(sizes), index):
                    found = _counted(part.flatten(2)[0].cpu(), sizes[index])
                    counts[name] = counts.get(name, torch.zeros_like(found)) + found
    return [Use(name, total) for name, total in counts.items()]


def _counted(codes: Tensor, size: int) -> Tensor:
    """How often each code occurs at each position, [positions, size], from codes [B, positions]."""
    positions = codes.shape[1]
    numbered = codes + size * torch.arange(positions)
    return torch.bincount(numbered.flatten(), minlength=positions * size).view(positions, size)


def _parts(codes: Tensor, z: Tensor, levels: int, index: int) -> list[tuple[str, Tensor]]:
    """The codes of one level by name: one part, or one per depth of a residual quantizer.

    Codes have a place for each place of z [K, B, D, ...]; those of a residual quantizer have one axis more.
    """
    level = f"_level{levels - index}" if levels > 1 else ""
    if codes.ndim < z.ndim:
        return [(level, codes)]
    return [(f"{level}_depth{depth}", part) for depth, part in enumerate(codes.unbind(-1), 1)]
