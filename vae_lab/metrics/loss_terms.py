"""Test ``loss``, ``recon``, ``kl`` and ``elbo``: the terms of the objective on the test set, in nats per example.

``loss`` uses the weights of the objective, with every schedule at its end; the other terms are unweighted. ``elbo``
includes all constants of the likelihood, and so do the axes of the rate-distortion plane (Alemi et al. 2018, arXiv
1711.00464): ``rate`` = KL[q(z|x) ‖ p(z)], ``distortion`` = −E_q log p(x|z), elbo = −distortion − rate. ``bits_per_dim``
= −elbo / (number of values · log 2) is reported for discrete data only.

``split=val`` gives ``loss``, ``recon``, ``kl`` and ``elbo`` of the validation set under the same protocol. Runs are
chosen by these scores, so that test scores are only reported. Unlike the val/… curves of training, they are those of
the best checkpoint and means over several draws of the latents, with an interval: a single draw is off by a few tenths
of a nat, which is more than good runs differ by. The expected value does not depend on the number of draws.

Terms whose value depends on the number of examples that they are computed from (``Objective.batch_terms``: a
covariance, q(z), an MMD) are computed from as many as in a training batch, in a random order because neighbours in a
dataset are often alike; the protocol ``batch_terms`` states this number.
"""

import math
import statistics
from collections import defaultdict
from typing import Literal

import torch
from pydantic import PositiveInt

from vae_lab.examples import in_words_of
from vae_lab.metrics.common.resampling import LEVEL
from vae_lab.scores import Scores, Trained, differing_loss
from vae_lab.types import KL_OF_LEVEL, Likelihood, Objective, Shape, Step

_INTERVAL = f"{100 * LEVEL:.0f} % of the mean over {{}} draws of the latents, by the t distribution; the same examples"
_AT_ONCE = 1000  # examples in a batch, or fewer if the objective has parts of another size


class LossTermScores:
    """Loss terms of every example of a split, with one latent sample each (L samples if the objective uses more).

    Args:
        split: the split, 'test' or 'val'.
        draws: number of times that the latents are drawn. The terms are means over the draws; from two draws on, they
            have an interval, by the t distribution of the mean over draws. The examples are the same in every draw and
            for all runs, so that the interval says what the latents' noise does to a comparison of runs, not how the
            score would vary with other examples. The terms of an autoencoder, which no draw enters, are computed once.
    """

    topic = "Loss and its terms"

    def __init__(self, split: Literal["test", "val"] = "test", draws: PositiveInt = 1) -> None:
        self.split, self.draws = split, draws

    def __call__(self, trained: Trained) -> Scores:
        """Return the mean of each term over the examples and draws."""
        likelihood, values_per_example = trained.model.likelihood, math.prod(trained.data.x_shape)
        of_batch = getattr(trained.objective, "batch_terms", ())
        draws = self.draws if trained.objective.variational or of_batch else 1
        rows, no_bound = self._drawn(trained, draws, mixed=bool(of_batch))
        examples = len(getattr(trained.data, self.split))
        values = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
        if "elbo" in values and self.split == "test":
            values["rate"] = values["kl"]
            values["distortion"] = values["recon"] + likelihood.recon_offset(values_per_example)
        bound = "elbo" in values and not no_bound
        if bound and likelihood.discrete and self.split == "test":
            values["bits_per_dim"] = -values["elbo"] / values_per_example / math.log(2)
        protocol = {
            "images": examples,
            "split": self.split,
            "latent_samples": trained.objective.samples,
            "draws": draws,
            **({"interval": _INTERVAL.format(draws)} if draws > 1 else {}),
            "unit": f"nats per {trained.data.values.one}",
            "likelihood": type(likelihood).__name__,
            "recon_leaves_out": likelihood.recon_offset(values_per_example),
            "elbo_is_a_likelihood_bound": bound,
        }
        notes = [_NO_BOUND.format(no_bound)] if "elbo" in values and not bound else []
        texts = {**_MEANINGS, **(_WITH_OFFSET if protocol["recon_leaves_out"] else {})}
        texts |= {"loss": f"the loss of training{differing_loss(trained)}, nats per {{one}}"}
        texts |= getattr(trained.objective, "meanings", {})
        texts |= _OF_IMAGES if trained.data.values.kind == "images" else {}
        meanings = in_words_of(trained.data.values, {k: v for k, v in texts.items() if k in values})
        prefix = "" if self.split == "test" else f"{self.split}_"
        protocols: dict[str, object] = {f"{prefix}loss_terms": protocol}
        if of_batch:
            about = {"terms": list(of_batch), "images": _part(trained.objective), "order": "random"}
            protocols[f"{prefix}batch_terms"] = about
        intervals = _intervals(values, rows) if draws > 1 else {}
        return Scores(values, protocols, notes=notes, intervals=intervals, meanings=meanings, split=self.split)

    def _drawn(self, trained: Trained, draws: int, mixed: bool) -> tuple[list[dict[str, float]], str]:
        """The mean of each term over the examples, for each draw, and why the ELBO is no bound, empty if it is one."""
        likelihood, no_bound = trained.model.likelihood, ""
        end = torch.tensor(float("inf"), device=trained.device)  # the epoch at which every schedule has ended
        noises = [trained.noise("loss_terms" + (f" {draw}" if draw else "")) for draw in range(draws)]
        sums: list[dict[str, float]] = [defaultdict(float) for _ in noises]
        for batch in trained.data.batches(self.split, size=_size(trained.objective), mixed=mixed):
            for noise, of_draw in zip(noises, sums, strict=True):
                step = Step(torch.zeros_like(end), end, noise, "model", len(trained.data.train))
                terms = trained.objective(trained.model, batch, step)
                for name, value in {"loss": terms.loss, **terms.logs, **likelihood.logs()}.items():
                    of_draw[name] += float(value) * len(batch.x)
            no_bound = no_bound or likelihood.no_likelihood(batch.target)
        examples = len(getattr(trained.data, self.split))
        kept = [name for name in sums[0] if not name.startswith(KL_OF_LEVEL)]  # the metric ``levels`` has these
        return [{name: of_draw[name] / examples for name in kept} for of_draw in sums], no_bound


def _intervals(values: dict[str, float], rows: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """The 95 % intervals of means over draws, of the terms that differ between draws."""
    from scipy import stats

    factor = float(stats.t.ppf(0.5 + LEVEL / 2, len(rows) - 1)) / math.sqrt(len(rows))
    halves = {name: factor * statistics.stdev(row[name] for row in rows) for name in rows[0]}
    return {name: (values[name] - half, values[name] + half) for name, half in halves.items() if half > 0}


def _part(objective: Objective) -> int:
    """Number of examples from which terms of a batch are computed."""
    return getattr(objective, "batch_size", None) or _AT_ONCE


def _size(objective: Objective) -> int:
    """Number of examples to score at once: a multiple of the parts, so that only the end of the test set has a rest."""
    return _part(objective) * max(1, _AT_ONCE // _part(objective))


def unit_of_recon(likelihood: Likelihood, x_shape: Shape) -> str:
    """The unit of ``recon``: nats, or squared errors where it leaves out a constant of −log p(x|z)."""
    return "sum of squared errors" if likelihood.recon_offset(math.prod(x_shape)) else "nats"


_MEANINGS = {
    "recon": "−log p(x|z), nats per {one}",
    "kl": "KL[q(z|x) ‖ p(z)], nats per {one}",
    "elbo": "−recon − kl, nats per {one}, higher is better",
    "rate": "the same as kl, nats per {one}",
    "distortion": "−log p(x|z) with all constants, nats per {one}",
    "bits_per_dim": "−elbo in bits per {value}",
    "iwae_bound": "importance-weighted bound of the objective's k, nats per {one}, higher is better",
    "sigma": "σ of p(x|z) as trained, mean over the {value}s",
}
_OF_IMAGES = {
    "bits_per_dim": "−elbo in bits per value",
    "sigma": "σ of p(x|z) as trained, mean over pixels, in units of the [0, 1] range",
}
_WITH_OFFSET = {
    "recon": "sum of squared errors per {one}",
    "elbo": "with the likelihood's constant, nats per {one}, higher is better",
}
_NO_BOUND = "elbo is only a loss in this run, not a bound that compares with published ones: {}."
