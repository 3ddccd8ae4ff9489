from dataclasses import replace

import pytest
import torch
from helpers import random_batch, small_model
from importance import draws, given, gradients, in_double

from vae_lab.errors import UserError
from vae_lab.objectives.iwae import IWAE
from vae_lab.training.job import Job
from vae_lab.types import Step


def phase(name: str, eps: torch.Tensor) -> Step:
    return replace(given(eps), phase=name)


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_piwae_gives_the_encoder_groups_and_the_decoder_the_whole_bound(gradient):
    model, batch = in_double(small_model(), random_batch())
    eps, piwae = draws(6).double(), IWAE(6, gradient, groups=3, piwae=True)
    for name, groups in (("model", 1), ("encoder", 3)):
        found, expected = (
            gradients(objective, model, batch, phase(name, eps)) for objective in (piwae, IWAE(6, gradient, groups))
        )
        for parameter in expected:
            assert torch.equal(found[parameter], expected[parameter])


def test_the_phases_of_piwae_part_the_parameters():
    job = Job(small_model(), IWAE(6, groups=3, piwae=True))
    encoder = {id(p) for p in (*job.model.encoder.parameters(), *job.model.posterior.parameters())}
    assert {id(p) for p in job.parameters_of("encoder")} == encoder
    assert {id(p) for p in job.parameters_of("model")} == {id(p) for p in job.model.decoder.parameters()}
    assert IWAE(6, groups=3).phases == {"model": ("",)}


def test_piwae_without_groups_is_refused():
    with pytest.raises(
        UserError, match=r"piwae=true needs several groups for the encoder; type e\.g\. objective\.groups=5"
    ):
        IWAE(50, piwae=True)
