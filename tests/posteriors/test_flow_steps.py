"""Tests of the steps of single posterior flows."""

import math
from functools import partial

import pytest
import torch
from bent_flows import bent, fresh
from helpers import GivenNoise, gen
from torch.func import jacrev

from vae_lab.errors import UserError
from vae_lab.functional import log_normal, reparameterize
from vae_lab.posteriors.diagonal import DiagonalNormal
from vae_lab.posteriors.iaf import IAF, IAFBlock
from vae_lab.posteriors.real_nvp import RealNVP


@pytest.mark.parametrize("name", ["iaf", "planar"])
def test_one_latent_dimension_works(name):
    flow = bent(name, latent_dim=1)
    h, eps = torch.randn(1, 4, generator=gen()), torch.randn(1, 1, 1, generator=gen(1))
    slope = jacrev(lambda eps: flow(h, 1, GivenNoise(eps))[0].squeeze())(eps).squeeze()
    torch.testing.assert_close(flow(h, 1, GivenNoise(eps))[1].squeeze(), log_normal(eps).squeeze() - slope.abs().log())


def test_one_latent_dimension_has_no_halves():
    with pytest.raises(UserError, match="latent_dim=2 or more, or posterior=planar"):
        RealNVP(4, 1, 3, 12)


def test_every_other_block_of_iaf_runs_backwards():
    first, second = (bent("iaf").steps[i] for i in (0, 1))
    z, h = torch.randn(3, generator=gen()), torch.randn(4, generator=gen(1))
    for block, triangle in ((first, torch.tril), (second, torch.triu)):
        jacobian = jacrev(lambda z, block=block: block(z, h)[0])(z)
        torch.testing.assert_close(jacobian, triangle(jacobian))
        assert (jacobian != 0).sum() == 6


def test_a_gate_starts_nearly_open():
    """Section 4 of arXiv 1606.04934 asks for s "close to +1 or +2" at the start of training."""
    flow = fresh("iaf")
    h, eps = torch.randn(2, 4, generator=gen()), torch.randn(1, 2, 3, generator=gen(1))
    plain = flow.base.normal(h)
    z, log_q, _ = flow(h, 1, GivenNoise(eps))
    gate = 1 / (1 + math.exp(-2))
    expected = reparameterize(plain.mu, plain.log_var, eps)
    torch.testing.assert_close(z, gate**3 * expected)
    log_q0 = log_normal(expected, plain.mu, plain.log_var).sum(-1)
    torch.testing.assert_close(log_q, log_q0 - 9 * math.log(gate))


@pytest.mark.parametrize("blocks", [1, 2, 8])
@pytest.mark.parametrize("latent_dim", [1, 4])
def test_iaf_starts_as_the_diagonal_gaussian_of_the_same_weights(blocks, latent_dim):
    """The base makes up for the gates, whatever their number; the first weights that are drawn are the base's."""
    posteriors = []
    for posterior in (partial(IAF, blocks=blocks, width=12), DiagonalNormal):
        torch.manual_seed(0)
        posteriors.append(posterior(5, latent_dim))
    h = torch.randn(3, 5, generator=gen())
    eps = torch.randn(2, 3, latent_dim, generator=gen(1))
    z, log_q, _ = posteriors[0](h, 2, GivenNoise(eps))
    plain = posteriors[1].normal(h)
    expected = reparameterize(plain.mu, plain.log_var, eps)
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(log_q, log_normal(expected, plain.mu, plain.log_var).sum(-1))


def test_iaf_makes_up_for_gates_that_differ_between_units_and_blocks(monkeypatch):
    gates = iter(torch.tensor([[0.5, 0.9, 0.2], [0.8, 0.7, 0.6]]).logit())
    block_init = IAFBlock.__init__

    def with_other_gates(self, *args):
        block_init(self, *args)
        with torch.no_grad():
            self.made.last.bias[3:] = next(gates)

    monkeypatch.setattr(IAFBlock, "__init__", with_other_gates)
    torch.manual_seed(0)
    flow = IAF(5, 3, 2, 12)
    torch.manual_seed(0)
    plain = DiagonalNormal(5, 3).normal(torch.ones(1, 5))
    eps = torch.randn(1, 1, 3, generator=gen(1))
    z, log_q, _ = flow(torch.ones(1, 5), 1, GivenNoise(eps))
    torch.testing.assert_close(z[0], reparameterize(plain.mu, plain.log_var, eps[0]))
    torch.testing.assert_close(log_q, log_normal(z, plain.mu, plain.log_var).sum(-1))


@pytest.mark.parametrize("size", [1e-9, 0.1, 1.0, 30.0])
def test_planar_steps_are_invertible_whatever_their_parameters_are(size):
    flow = bent("planar", scale=size)
    for step_ in flow.steps:
        z, h = 3 * torch.randn(1000, 1, 3, generator=gen()), torch.randn(1, 4, generator=gen(1))
        moved, log_det = step_(z, h)
        assert torch.isfinite(moved).all()
        assert not torch.isnan(log_det).any()


def test_the_sides_of_a_coupling_swap():
    first, second = bent("real_nvp").steps[:2]
    z, h = torch.randn(2, 1, 3, generator=gen()), torch.randn(1, 4, generator=gen(1))
    assert torch.equal(first(z, h)[0][..., :1], z[..., :1])
    assert (first(z, h)[0][..., 1:] != z[..., 1:]).all()
    assert torch.equal(second(z, h)[0][..., 1:], z[..., 1:])
    assert (second(z, h)[0][..., :1] != z[..., :1]).all()
