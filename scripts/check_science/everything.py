"""Imports all files with checks, which registers them."""

from check_science import (  # noqa: F401
    code_metrics,
    deep_hierarchies,
    discrete_codes,
    formulas,
    image_metrics,
    importance,
    likelihood_draws,
    likelihood_of_data,
    likelihoods,
    model_metrics,
    objectives,
    objectives_of_codes,
    objectives_of_decoded_images,
    posteriors,
    priors,
    samplers,
    with_disentanglement_lib,
    with_pythae,
    with_vector_quantize_pytorch,
)
