"""Imports all files with checks, which registers them."""

from check_science import (  # noqa: F401
    code_metrics,
    formulas,
    hierarchies,
    image_metrics,
    importance,
    likelihood_draws,
    likelihood_of_data,
    likelihoods,
    model_metrics,
    objectives,
    objectives_of_codes,
    posteriors,
    priors,
    samplers,
    with_disentanglement_lib,
    with_pythae,
)
