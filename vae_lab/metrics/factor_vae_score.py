"""The FactorVAE score: does the code that moves least name the fixed factor? (Kim & Mnih 2018, arXiv 1802.05983.)

One vote: a factor k is drawn and fixed at one value in L images that differ in all else at random; it goes from
d* = argmin_d Var_L[z_d] / Var[z_d] to k, Var[z_d] being that over all images. The score is the accuracy, on new votes,
of the classifier d* -> the most frequent k (paper, section 4): near 1/F for codes that say nothing. Dimensions whose
standard deviation lies below a threshold are dead and get no votes: 0.05, as in the configurations of Locatello et al.
2019 (arXiv 1811.12359); the paper leaves out dimensions that collapsed to the prior without a number.
"""

from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from pydantic import NonNegativeFloat
from torch import Tensor

from vae_lab.metrics.common.factor_codes import FactorCodes, Points, factor_codes, in_parts
from vae_lab.scores import Scores, Trained
from vae_lab.types import Noise


class FactorVAEScore:
    """On posterior means.

    Args:
        variances: images over which Var[z_d] is taken.
        train, eval: votes that make the classifier, and those that it is scored on.
        batch: images per vote, L.
        dead: standard deviation of a code under which its dimension has no votes.
    """

    needs = ("factors",)

    def __init__(
        self,
        variances: Points = 10_000,
        train: Points = 10_000,
        eval: Points = 5000,
        batch: Annotated[int, Ge(2)] = 64,
        dead: NonNegativeFloat = 0.05,
    ) -> None:
        self.variances, self.train, self.eval, self.batch, self.dead = variances, train, eval, batch, dead

    def __call__(self, trained: Trained) -> Scores:
        """``factor_vae_score``, a share; nothing, and a note why, without factors or a live dimension."""
        grid, notes = factor_codes(trained, "factor_vae_score")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("factor_vae_score")
        spread = grid.at(grid.values(noise, self.variances)).double().var(0)
        alive = (spread.sqrt() >= self.dead) & (spread > 0)
        if not alive.any():
            reason = f"no latent dimension has a standard deviation of {self.dead:g} or more over the images"
            return Scores({}, notes=[f"No factor_vae_score: {reason}."])
        draw, numbers = partial(self.votes, grid, noise, spread, alive), (self.train, self.eval)
        code, factor = in_parts(draw, numbers, trained, "FactorVAE score")
        value = majority_accuracy(code, factor, self.train, len(grid.sizes))
        chance = 1 / len(grid.sizes)
        protocol = {
            **grid.about,
            "variance_images": self.variances,
            "train_votes": self.train,
            "eval_votes": self.eval,
            "images_per_vote": self.batch,
            "dead_below_std": self.dead,
            "live_dimensions": int(alive.sum()),
            "chance": chance,
        }
        meaning = f"accuracy, chance is {chance:.2g}, higher is better"
        return Scores(
            {"factor_vae_score": value},
            {"factor_vae_score": protocol},
            notes=notes,
            meanings={"factor_vae_score": meaning},
        )

    def votes(self, grid: FactorCodes, noise: Noise, spread: Tensor, alive: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The steadiest live dimension [n] and the fixed factor [n]."""
        fixed = grid.which(noise, n)
        values = grid.values(noise, n, self.batch)
        rows = torch.arange(n)
        values[rows, :, fixed] = values[rows, :1, fixed]
        local = grid.at(values).double().var(1)
        return (local / spread).masked_fill(~alive, torch.inf).argmin(1), fixed


def majority_accuracy(code: Tensor, factor: Tensor, train: int, factors: int) -> float:
    """Accuracy of the vote after the first ``train`` of the classifier that those make."""
    counts = torch.zeros(int(code.max()) + 1, factors, dtype=torch.long)
    counts.index_put_((code[:train], factor[:train]), torch.tensor(1), accumulate=True)
    return (counts.argmax(1)[code[train:]] == factor[train:]).double().mean().item()
