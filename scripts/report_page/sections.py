"""The sections of the page in the order of the report."""

from collections.abc import Iterable

from report_page.loss_weights import against_the_code, curves, dimension, proportion
from report_page.models import cnn_and_dense, dense_runs
from report_page.runs import Report
from report_page.section import Section
from report_page.trained import generation, labels, latent_space, noise_to_digit


def sections(report: Report) -> Iterable[Section]:
    """Return the sections of the page in the order of the report."""
    dims = report.by("latent_dim", lambda config: config["latent_dim"])
    as_run = report.by("latent_dim_as_run", lambda config: config["latent_dim"])
    weights = report.by("loss_weights", lambda config: config["k1"] / (config["k1"] + config["k2"]))
    dense = report.by("dense_epochs", lambda config: config["epochs"])
    noisy = next(iter(report.runs("dense_noise")), None)
    yield curves(dims)
    yield dimension(dims)
    yield against_the_code(dims, as_run)
    yield proportion(weights)
    yield dense_runs(dense, noisy)
    yield cnn_and_dense(dims, dense)
    yield latent_space(dims, weights)
    yield noise_to_digit(next(iter(report.runs("robustness")), None))
    generated = next(iter(report.runs("generate")), None)
    yield generation(generated)
    yield labels(generated)
