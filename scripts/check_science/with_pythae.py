"""Losses of pythae (Chadebec et al. 2022, arXiv 2206.08309), given the outputs of our networks.

pythae's constants and scales differ: its squared error has a factor ½, and its IWAE returns a number whose gradient is
that of the bound. Only what both define alike is compared.
"""

import importlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from check_science.cases import SHAPE, TRAIN_SIZE, Case, cases, gradient
from check_science.checks import Found, NotInstalled, check

DIMS = 3


def theirs(name: str, config: str, **settings: Any) -> Any:
    """A model of pythae, of which only the loss function is used."""
    try:
        version("pythae")
    except PackageNotFoundError:
        raise NotInstalled("pythae") from None
    models = importlib.import_module("pythae.models")
    made = getattr(models, config)(input_dim=SHAPE, latent_dim=DIMS, **settings)
    return getattr(models, name)(made)


def outputs(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reconstructions of every sample [L, B, 12], μ, log σ² [B, D] and z [L, B, D]."""
    model: Any = case.job.model
    z, q = case.z, case.q
    out = torch.sigmoid(model.decoder(z.flatten(0, 1))).flatten(1).unflatten(0, z.shape[:2])
    return out, q.loc, 2 * q.scale.log(), z


def both(case: Case, right: Any) -> Iterator[Found]:
    """Compare the loss and the gradient with those of a function of the outputs."""
    loss, slope = case.ours()
    value = right(*outputs(case))
    yield "loss", loss, value
    yield "gradient", slope, gradient(value, case.job)


@check("objective", "elbo", "loss", "gradient", reference="pythae's BetaVAE")
def elbo() -> Iterator[Found]:
    """β = 4, binary images."""
    made = theirs("BetaVAE", "BetaVAEConfig", reconstruction_loss="bce", beta=4.0)
    for case in cases("objective=elbo", "beta=4", likelihoods=("bernoulli",)):
        yield from both(case, lambda out, mu, log_var, z: made.loss_function(out[0], case.x, mu, log_var, z[0])[0])  # noqa: B023


@check("objective", "beta_tcvae", "loss", "gradient", reference="pythae's BetaTCVAE, minibatch-weighted sampling")
def beta_tcvae() -> Iterator[Found]:
    """α = ½, β = 6, γ = 2."""
    made = theirs("BetaTCVAE", "BetaTCVAEConfig", reconstruction_loss="bce", alpha=0.5, beta=6.0, gamma=2.0,
                  use_mss=False)  # fmt: skip
    words = ("objective=beta_tcvae", "objective.alpha=0.5", "beta=6", "objective.gamma=2")
    for case in cases(*words, likelihoods=("bernoulli",)):
        x = case.x
        yield from both(case, lambda o, mu, s, z: made.loss_function(o[0], x, mu, s, z[0], TRAIN_SIZE)[0])  # noqa: B023


def importance(name: str, words: tuple[str, ...], right: Any) -> Iterator[Found]:
    """Compare the gradient of an importance-weighted bound."""
    for case in cases("objective=iwae", "objective.samples=6", *words, likelihoods=("bernoulli",)):
        _, slope = case.ours()
        out, mu, log_var, z = (part.mT if part.dim() < 3 else part.transpose(0, 1) for part in outputs(case))
        value = right(out, case.x, mu.mT[:, None], log_var.mT[:, None], z)
        yield name, slope, gradient(value, case.job)


@check("objective", "iwae", "gradient", reference="pythae's IWAE")
def iwae() -> Iterator[Found]:
    """k = 6."""
    made = theirs("IWAE", "IWAEConfig", reconstruction_loss="bce", number_samples=6)
    yield from importance("gradient", (), lambda *given: made.loss_function(*given)[0])


@check("objective", "iwae", "gradient, CIWAE", reference="pythae's CIWAE")
def ciwae() -> Iterator[Found]:
    """k = 6 and β = 0.3."""
    made = theirs("CIWAE", "CIWAEConfig", reconstruction_loss="bce", number_samples=6, beta=0.3)
    yield from importance(
        "gradient, CIWAE", ("objective.elbo_share=0.3",), lambda *given: made.loss_function(*given)[0]
    )


@check("objective", "iwae", "gradient, MIWAE", reference="pythae's MIWAE, with its two numbers of samples exchanged")
def miwae() -> Iterator[Found]:
    """Two groups of three samples.

    pythae 0.1.2 takes the logarithm of the mean over the axis of ``number_gradient_estimates`` (``w.sum(axis=1)``), and
    averages over that of ``number_samples``, so that their roles are exchanged.
    """
    made = theirs("MIWAE", "MIWAEConfig", reconstruction_loss="bce", number_samples=2, number_gradient_estimates=3)

    def right(out: Tensor, x: Tensor, mu: Tensor, log_var: Tensor, z: Tensor) -> Tensor:
        out, z = (part.unflatten(1, (2, 3)).transpose(1, 2) for part in (out, z))
        return made.loss_function(out, x, mu[:, None], log_var[:, None], z)[0]

    yield from importance("gradient, MIWAE", ("objective.groups=2",), right)


@check("objective", "info_vae", "loss", "gradient", reference="pythae's INFOVAE_MMD")
def info_vae() -> Iterator[Found]:
    """α = 0.3, λ = 5, inverse multiquadratic kernels."""
    made = theirs("INFOVAE_MMD", "INFOVAE_MMD_Config", reconstruction_loss="bce", alpha=0.3, lbd=5.0)
    words = ("objective=info_vae", "objective.alpha=0.3", "objective.scale=5")
    for case in cases(*words, likelihoods=("bernoulli",)):
        x, noise = case.x, case
        yield from both(case, lambda o, mu, s, z: made.loss_function(o[0], x, z[0], noise.draws[1], mu, s)[0])  # noqa: B023


@check("objective", "wae", "loss", "gradient", reference="pythae's WAE_MMD")
def wae() -> Iterator[Found]:
    """λ = 200 at z = μ(x)."""
    made = theirs("WAE_MMD", "WAE_MMD_Config", reg_weight=200.0)
    for case in cases("objective=wae", likelihoods=("mse",)):
        x, noise, decoder = case.x, case, case.job.model.decoder

        def right(out: Tensor, mu: Tensor, log_var: Tensor, z: Tensor) -> Tensor:
            return made.loss_function(torch.sigmoid(decoder(mu)), x, mu, noise.draws[1])[0]  # noqa: B023

        yield from both(case, right)


@check("objective", "rae_l2", "loss", "gradient", reference="pythae's RAE_L2, whose penalty is left to its optimizer")
def rae_l2() -> Iterator[Found]:
    """β = 0.7, without the penalty on the weights."""
    made = theirs("RAE_L2", "RAE_L2_Config", embedding_weight=0.7)
    words = ("objective=rae_l2", "objective.code_weight=0.7", "objective.decoder_weight=0")
    for case in cases(*words, likelihoods=("mse",)):
        x, decoder = case.x, case.job.model.decoder
        yield from both(case, lambda o, mu, s, z: made.loss_function(torch.sigmoid(decoder(mu)), x, mu)[0])  # noqa: B023
