"""Tests of the estimated memory of a job in a stack."""

import torch
from stacked_runs import jobs_of

from vae_lab.runs.preparing import prepare
from vae_lab.stack import room
from vae_lab.stack.room import bytes_of, free_bytes, most_that_fit

CPU = torch.device("cpu")


def of(tmp_path, *words):
    (job,) = jobs_of(tmp_path, ["model=dense", *words], ["seed=0"])
    return prepare(job.config, job.folder)


def test_weights_and_activations_are_counted(tmp_path):
    small, wide = (of(tmp_path, f"model.net.width={width}") for width in (16, 512))
    weights = 4 * wide.job.parameter_count
    assert 8 * weights < bytes_of(wide, CPU) < 9 * weights  # gradient, two of Adam's, blending; three to be written
    assert bytes_of(small, CPU) < bytes_of(wide, CPU) / 20
    larger = of(tmp_path, "model.net.width=16", "batch_size=80")
    assert bytes_of(larger, CPU) - bytes_of(small, CPU) > 72 * (2 * 64 + 4 * 16) * 4  # images in and out, hidden units


def test_measuring_leaves_the_job_as_it_was(tmp_path):
    one = of(tmp_path, "likelihood=sigma")
    before = {key: value.clone() for key, value in one.job.state_dict().items()}
    bytes_of(one, CPU)
    assert all(torch.equal(value, before[key]) for key, value in one.job.state_dict().items())
    assert all(p.grad is None for p in one.job.parameters())


def test_a_loss_with_a_derivative_in_it_is_measured_too(tmp_path):
    plain, derived = of(tmp_path, "objective=rae_l2"), of(tmp_path, "objective=rae_gp")
    assert bytes_of(derived, CPU) > bytes_of(plain, CPU)


def test_the_free_memory_decides_how_many_jobs_fit(tmp_path, monkeypatch):
    one = of(tmp_path, "model.net.width=16")
    needed = bytes_of(one, CPU)
    for free, fits in ((10 * needed, 8), (needed / 2, 1), (None, None)):
        monkeypatch.setattr(room, "free_bytes", lambda device, free=free: free)
        assert most_that_fit(one) == fits


def test_free_memory_is_between_nothing_and_all():
    assert 2**20 < free_bytes(CPU) < 2**45
