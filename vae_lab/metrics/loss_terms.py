"""Test ``loss``, ``recon``, ``kl`` and ``elbo``: the terms of the objective on the test set, in nats per example.

``loss`` uses the weights of the objective, with every schedule at its end; the other terms are unweighted. ``elbo``
includes all constants of the likelihood, and so do the axes of the rate-distortion plane (Alemi et al. 2018, arXiv
1711.00464): ``rate`` = KL[q(z|x) ‖ p(z)], ``distortion`` = −E_q log p(x|z), elbo = −distortion − rate. ``bits_per_dim``
= −elbo / (number of values · log 2) is reported for discrete data only.

``split=val`` gives ``loss``, ``recon``, ``kl`` and ``elbo`` of the validation set under the same protocol. Runs are
chosen by these scores, so that test scores are only reported. Unlike the val/… curves of training, they are those of
the best checkpoint, with every schedule at its end.

Terms whose value depends on the number of examples that they are computed from (``Objective.batch_terms``: a
covariance, q(z), an MMD) are computed from as many as in a training batch, in a random order because neighbours in a
dataset are often alike; the protocol ``batch_terms`` states this number.
"""

import math
from collections import defaultdict
from typing import Literal

import torch

from vae_lab.examples import in_words_of
from vae_lab.scores import Scores, Trained, differing_loss
from vae_lab.types import Objective, Step

_AT_ONCE = 1000  # examples in a batch, or fewer if the objective has parts of another size


class LossTermScores:
    """Loss terms of every example of a split, with one latent sample each (L samples if the objective uses more).

    Args:
        split: the split, 'test' or 'val'.
    """

    topic = "Loss and its terms"

    def __init__(self, split: Literal["test", "val"] = "test") -> None:
        self.split = split

    def __call__(self, trained: Trained) -> Scores:
        """Return the mean of each term over the examples."""
        likelihood, values_per_example = trained.model.likelihood, math.prod(trained.data.x_shape)
        sums: dict[str, float] = defaultdict(float)
        end = torch.tensor(float("inf"), device=trained.device)  # the epoch at which every schedule has ended
        noise, no_bound = trained.noise("loss_terms"), ""
        of_batch, size = getattr(trained.objective, "batch_terms", ()), _size(trained.objective)
        for batch in trained.data.batches(self.split, size=size, mixed=bool(of_batch)):
            step = Step(torch.zeros_like(end), end, noise, "model", len(trained.data.train))
            terms = trained.objective(trained.model, batch, step)
            for name, value in {"loss": terms.loss, **terms.logs, **likelihood.logs()}.items():
                sums[name] += float(value) * len(batch.x)
            no_bound = no_bound or likelihood.no_likelihood(batch.target)
        examples = len(getattr(trained.data, self.split))
        values = {name: total / examples for name, total in sums.items()}
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
        return Scores(values, protocols, notes=notes, meanings=meanings, split=self.split)


def _part(objective: Objective) -> int:
    """Number of examples from which terms of a batch are computed."""
    return getattr(objective, "batch_size", None) or _AT_ONCE


def _size(objective: Objective) -> int:
    """Number of examples to score at once: a multiple of the parts, so that only the end of the test set has a rest."""
    return _part(objective) * max(1, _AT_ONCE // _part(objective))


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
