"""Tests that every objective can be trained as a stack of jobs, with a leading job axis in its state and loss."""

import pytest
import torch
from helpers import random_batch, small_model, step

from vae_lab.objectives.beta_tcvae import BetaTCVAE
from vae_lab.objectives.dip_vae import DIPVAE
from vae_lab.objectives.rae import RAE
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


class Given:
    """The same standard-normal draws whenever they are asked for, made outside of the stack."""

    def __init__(self, eps: torch.Tensor) -> None:
        self.eps = eps

    def normal(self, *shape: int) -> torch.Tensor:
        return self.eps.reshape(shape)


OBJECTIVES = {
    "beta_tcvae": lambda w: BetaTCVAE(1, w, 1, 1, 1, "weighted", Constant()),
    "beta_tcvae, stratified": lambda w: BetaTCVAE(1, 1, w, w, 1, "stratified", Constant()),
    "dip_vae_i": lambda w: DIPVAE(1, 1, w, 10, "means", 1, Constant()),
    "dip_vae_ii": lambda w: DIPVAE(1, 1, 10, w, "codes", 1, Constant()),
    "rae_l2": lambda w: RAE(w, 0.1, "l2"),
    "rae_gp": lambda w: RAE(0.1, w, "gradient"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_jobs_that_differ_in_a_weight_stack(name):
    batch, eps = random_batch(), torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    jobs = [Job(small_model(), OBJECTIVES[name](weight)) for weight in (1.0, 6.0, 0.0)]
    parameters, buffers = torch.func.stack_module_state(jobs)

    def loss(parameters, buffers, eps):
        at = step()
        at.noise = Given(eps)
        return torch.func.functional_call(jobs[0], (parameters, buffers), (batch, at)).loss

    together = torch.vmap(loss, in_dims=(0, 0, None))(parameters, buffers, eps)
    alone = [loss(dict(job.named_parameters()), dict(job.named_buffers()), eps) for job in jobs]
    torch.testing.assert_close(together, torch.stack(alone))
    assert len(set(together.tolist())) == 3
    together.sum().backward()
    for place, (job, own) in enumerate(zip(jobs, alone)):
        own.backward()
        for key, p in job.named_parameters():
            if p.grad is not None:
                torch.testing.assert_close(parameters[key].grad[place], p.grad, rtol=1e-3, atol=1e-5)
