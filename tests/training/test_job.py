import pytest
import torch
from helpers import random_batch, small_model, step
from torch import nn

from vae_lab.errors import UserError
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


class TwoPhases(Autoencoder):
    """An objective with a second phase that trains a network of the objective, like a discriminator."""

    phases = {"model": ("model.",), "discriminator": ("objective.",)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = nn.Linear(3, 2)


def with_phases(phases) -> Autoencoder:
    objective = TwoPhases()
    objective.phases = phases
    return objective


def test_two_phases_part_the_parameters():
    model, objective = small_model(), TwoPhases()
    job = Job(model, objective)
    assert set(job.parameters_of("model")) == set(model.parameters())
    assert set(job.parameters_of("discriminator")) == set(objective.parameters())


def test_one_phase_holds_everything():
    job = Job(small_model(), Autoencoder())
    assert set(job.parameters_of("model")) == set(job.parameters())


@pytest.mark.parametrize(
    "phases",
    [
        {"model": ("model.",)},
        {"model": ("",), "discriminator": ("objective.",)},
        {"encoder": ("model.encoder.",), "rest": ("model.decoder.", "objective.")},
        {"model": ("model.", "objective."), "again": ("model.decoder.",)},
    ],
    ids=["one left out", "one twice", "posterior left out", "decoder twice"],
)
def test_a_parameter_in_no_phase_or_in_two_is_refused(phases):
    with pytest.raises(UserError, match=r"the phases of TwoPhases do not say which of them trains (model|objective)\."):
        Job(small_model(), with_phases(phases))


def test_a_job_is_called_as_its_objective_is():
    model, objective, batch = small_model(), ELBO(1, 2, 1, "B", Constant()), random_batch()
    job_terms, terms = Job(model, objective)(batch, step()), objective(model, batch, step())
    assert job_terms.loss == terms.loss
    assert job_terms.logs == terms.logs


def test_only_trained_parameters_are_counted():
    job = Job(small_model(), TwoPhases())
    everything = sum(p.numel() for p in job.parameters())
    assert job.parameter_count == everything
    job.objective.discriminator.requires_grad_(False)
    assert job.parameter_count == everything - 8


def test_weights_of_a_job_return_from_its_state():
    job, other = Job(small_model(), TwoPhases()), Job(small_model(latent_dim=3), TwoPhases())
    for p in job.parameters():
        nn.init.normal_(p)
    other.load_state_dict(job.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(job.parameters(), other.parameters()))
    assert all(name.startswith(("model.", "objective.")) for name in job.state_dict())
