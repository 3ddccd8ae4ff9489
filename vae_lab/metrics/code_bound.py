"""The bound on −log p(x) of a model of discrete codes, under the prior that was fitted to them.

With deterministic codes c(x), p(x|y) = Σ_c p(x|c) p(c|y) ≥ p(x|c(x)) p(c(x)|y), so that in nats

    −log p(x|y) ≤ −log p(x|c(x)) − log p(c(x)|y) = distortion + rate.

It takes the place of the ELBO, whose prior is uniform: there, every code costs log K whatever it is. Both rates are
reported, and the one under the fitted prior for each level; level 1 is next to the data.
"""

import math

import torch
from torch import Tensor

from vae_lab.examples import in_words_of
from vae_lab.inference import code_sizes
from vae_lab.scores import Scores, Trained


class CodeBound:
    """Distortion, rates and bound of all test examples."""

    topic = "Likelihood"
    needs = ("codes", "code_prior")

    def __call__(self, trained: Trained) -> Scores:
        """Return ``bound``, ``rate_fitted``, ``rate_uniform``, and the rates of the levels if there are several."""
        model, data = trained.model, trained.data
        recon, rates, no_bound = self._terms(trained)
        bound = recon + rates.sum(1)
        uniform = [math.prod(shape) * math.log(codes) for shape, codes in zip(model.latent_shapes, code_sizes(model))]
        values = {"rate_fitted": rates.sum(1).mean().item(), "rate_uniform": sum(uniform)}
        if not no_bound:
            values = {"bound": bound.mean().item(), **values}
        if model.likelihood.discrete and not no_bound:
            values["bound_bits_per_dim"] = values["bound"] / math.prod(data.x_shape) / math.log(2)
        levels = len(uniform)
        if levels > 1:
            means = rates.mean(0).tolist()
            values |= {f"rate_fitted_level{levels - i}": mean for i, mean in enumerate(means)}
            values |= {f"rate_uniform_level{levels - i}": nats for i, nats in enumerate(uniform)}
        half = 1.96 * bound.std().item() / math.sqrt(len(bound)) if len(bound) > 1 and not no_bound else 0.0
        protocol = {
            "images": len(bound),
            "split": "test",
            "estimator": "−log p(x|c) − log p(c) at the codes of each example, with all constants",
            "prior": getattr(trained.prior, "label", ""),
            "likelihood": type(model.likelihood).__name__,
            "binarize": data.binarize,
            "interval": f"±1.96 standard errors over {data.values.many}",
            "unit": f"nats per {data.values.one}",
            "seed": trained.seed,
        }
        intervals = {"bound": (values["bound"] - half, values["bound"] + half)} if half else {}
        meanings = in_words_of(data.values, {name: _meaning(name, levels) for name in values})
        notes = [f"No bound: {no_bound}."] if no_bound else []
        return Scores(values, {"bound": protocol}, notes=notes, intervals=intervals, meanings=meanings)

    def _terms(self, trained: Trained) -> tuple[Tensor, Tensor, str]:
        """−log p(x|c) [N] and −log p(c_l|…) [N, levels] of all test examples, and why the former is no likelihood.

        They are in float64 on the CPU; the reason is empty if it is one.
        """
        model, prior, noise = trained.model, trained.prior, trained.noise("code bound")
        assert prior is not None
        recon, rates, no_bound = [], [], ""
        steps = -(-len(trained.data.test) // 1000)
        batches = trained.data.batches("test")
        for _ in trained.progress(range(steps), f"codes of {len(trained.data.test):,} test {trained.data.values.many}"):
            batch = next(batches)
            latents = model.infer(batch.x, batch.y, 1, noise)
            assert latents.codes is not None
            params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
            y = batch.y if model.conditional else None
            recon.append(-model.likelihood.log_prob(params.float(), batch.target)[0].cpu().double())
            rates.append(-prior.log_prob(tuple(codes[0] for codes in latents.codes), y).cpu().double())
            no_bound = no_bound or model.likelihood.no_likelihood(batch.target)
        return torch.cat(recon), torch.cat(rates), no_bound


def _meaning(name: str, levels: int) -> str:
    stem, _, level = name.partition("_level")
    return _MEANINGS[stem] + (f", level {level} of {levels}" if level else "")


_MEANINGS = {
    "bound": "−log p(x|c) − log p(c) under the fitted prior ≥ −log p(x), nats per {one}, lower is better",
    "bound_bits_per_dim": "bound in bits per {value}, lower is better",
    "rate_fitted": "−log p(c) under the fitted prior, nats per {one}, lower is better",
    "rate_uniform": "−log p(c) under the uniform prior, log K per code, nats per {one}",
}
