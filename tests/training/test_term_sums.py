"""Tests of the means of terms over images, for one job and for several."""

import math

import pytest
import torch

from vae_lab.training.term_sums import TermSums, why_diverged
from vae_lab.types import LossTerms


def here(x: torch.Tensor) -> torch.Tensor:
    return x


def terms(*values: float) -> dict[str, LossTerms]:
    x = torch.tensor(values[0] if len(values) == 1 else values)
    return {"model": LossTerms(x, {"recon": 2 * x}), "discriminator": LossTerms(3 * x, {"accuracy": x})}


def test_means_weigh_batches_by_their_images():
    sums = TermSums()
    for value, images in ((1.0, 3), (5.0, 1)):
        sums.add(terms(value), images)
    expected = {"loss": 2.0, "recon": 4.0, "discriminator_loss": 6.0, "discriminator_accuracy": 2.0}
    assert sums.recent(here) == [expected]
    sums.add(terms(8.0), 4)
    assert sums.recent(here)[0]["loss"] == 8.0  # the mean since the previous call
    assert sums.close(here)[0]["loss"] == 5.0  # the mean over the epoch
    assert sums.close(here) == []


def test_many_batches_are_added_up_on_the_way():
    sums = TermSums()
    for value in range(1000):
        sums.add(terms(float(value)), 1)
    assert sums.close(here)[0]["loss"] == pytest.approx(499.5)


def test_each_job_has_its_own_means_and_remaining_jobs_keep_theirs():
    sums = TermSums()
    sums.add(terms(1.0, 2.0, math.nan), 2)
    assert [row["loss"] for row in sums.recent(here)[:2]] == [1.0, 2.0]
    sums.add(terms(3.0, 4.0, math.nan), 2)
    sums.keep(torch.tensor([1, 0]))
    sums.add(terms(8.0, 7.0), 4)
    assert [row["loss"] for row in sums.recent(here)] == pytest.approx([(4 * 2 + 8 * 4) / 6, (3 * 2 + 7 * 4) / 6])
    assert [row["recon"] for row in sums.close(here)] == [11.0, 9.0]


def test_a_loss_that_is_not_a_number_is_named():
    assert why_diverged({"loss": 1.0, "kl": 2.0}, 0, 5) == ""
    told = why_diverged({"loss": math.nan, "recon": 1.0, "kl": math.inf}, 1, 7)
    assert told.startswith("loss and kl became NaN or infinite in epoch 2, step 7; try a smaller lr")
