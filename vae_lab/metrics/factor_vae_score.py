"""The FactorVAE score: does the least varying code identify the fixed factor? (Kim & Mnih 2018, arXiv 1802.05983.)

For one vote, a factor k is drawn and held at one value in L images whose other factors are random. The vote is the pair
(d*, k) with d* = argmin_d Var_L[z_d] / Var[z_d], where Var[z_d] is the variance over all images. The score is the
accuracy, on new votes, of the classifier that maps d* to its most frequent k (paper, section 4). It is near 1/F if the
codes carry no information. Dimensions whose standard deviation is below a threshold count as dead and get no votes. The
threshold is 0.05, as in the configurations of Locatello et al. 2019 (arXiv 1811.12359); the paper excludes dimensions
that collapsed to the prior, but gives no threshold.
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
    """The FactorVAE score of posterior means.

    Args:
        variances: number of images over which Var[z_d] is computed.
        train, eval: number of votes that train the classifier, and of votes that evaluate it.
        batch: number of images per vote, L.
        dead: dimensions of the code with a smaller standard deviation get no votes.
    """

    topic = "Factors in the codes"
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
        """Return ``factor_vae_score``, an accuracy; only a note if codes are not finite or all dimensions are dead."""
        grid, notes = factor_codes(trained, "factor_vae_score")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("factor_vae_score")
        spread = grid.at(grid.values(noise, self.variances)).double().var(0)
        alive = (spread.sqrt() >= self.dead) & (spread > 0)
        if not alive.any():
            many = trained.data.values.many
            reason = f"no latent dimension has a standard deviation of {self.dead:g} or more over the {many}"
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
        """Draw n votes: the live dimension that varies least, [n], and the fixed factor, [n]."""
        fixed = grid.which(noise, n)
        values = grid.values(noise, n, self.batch)
        rows = torch.arange(n)
        values[rows, :, fixed] = values[rows, :1, fixed]
        local = grid.at(values).double().var(1)
        return (local / spread).masked_fill(~alive, torch.inf).argmin(1), fixed


def majority_accuracy(code: Tensor, factor: Tensor, train: int, factors: int) -> float:
    """Return the accuracy, on all later votes, of the classifier trained on the first ``train`` votes."""
    counts = torch.zeros(int(code.max()) + 1, factors, dtype=torch.long)
    counts.index_put_((code[:train], factor[:train]), torch.tensor(1), accumulate=True)
    return (counts.argmax(1)[code[train:]] == factor[train:]).double().mean().item()
