"""What holds for every posterior flow; the width and number of its steps are small here."""

import math
from functools import partial

import pytest
import torch
from helpers import GivenNoise, gen, random_batch, small_model, step
from torch.func import jacrev

from vae_lab.errors import UserError
from vae_lab.functional import log_normal, reparameterize
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.posteriors import DiagonalNormal
from vae_lab.posteriors.iaf import IAF
from vae_lab.posteriors.planar import Planar
from vae_lab.posteriors.real_nvp import RealNVP
from vae_lab.schedules import Constant

FLOWS = {
    "iaf": partial(IAF, blocks=3, width=12),
    "planar": partial(Planar, blocks=3),
    "real_nvp": partial(RealNVP, blocks=3, width=12),
}
each = pytest.mark.parametrize("name", FLOWS)


def fresh(name, latent_dim=3, features=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FLOWS[name](features, latent_dim)


def bent(name, latent_dim=3, features=4, scale=0.7, seed=0):
    """A flow whose every weight is drawn, so that no step of it is the identity."""
    flow, draws = fresh(name, latent_dim, features), gen(seed)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=draws))
        for parameter in flow.base.parameters():  # or a wide Gaussian saturates what follows
            parameter.mul_(0.3)
    return flow


def as_identity(name):
    flow = fresh(name)
    if name == "iaf":  # its gate is open in the limit alone
        for block in flow.steps:
            torch.nn.init.constant_(block.made.last.bias[3:], 100)
    return flow


@each
def test_an_identity_flow_is_the_diagonal_gaussian(name):
    flow = as_identity(name)
    h, eps = torch.randn(5, 4, generator=gen()), torch.randn(7, 5, 3, generator=gen(1))
    z, log_q, q = flow(h, 7, GivenNoise(eps))
    plain = flow.base.normal(h)
    expected = reparameterize(plain.mu, plain.log_var, eps)
    assert q is None
    assert torch.equal(z, expected)
    torch.testing.assert_close(log_q, log_normal(expected, plain.mu, plain.log_var).sum(-1), atol=1e-6, rtol=0)


@each
def test_a_flow_draws_the_noise_that_a_gaussian_draws(name):
    """One draw per sample: runs with and without a flow see the same noise."""
    flow = as_identity(name)
    plain = DiagonalNormal(4, 3)
    plain.load_state_dict(flow.base.state_dict())
    h = torch.randn(5, 4, generator=gen())
    assert torch.equal(flow(h, 2, SeededNoise("cpu", 0))[0], plain(h, 2, SeededNoise("cpu", 0))[0])


@each
def test_log_determinants_are_those_of_autograd(name):
    """log q(z) = log N(ε) − log |det ∂z/∂ε|, the base's reparameterisation included."""
    flow = bent(name)
    h = torch.randn(1, 4, generator=gen())
    mixing = 0
    for eps in torch.randn(10, 3, generator=gen(1)):

        def z_of(eps):
            return flow(h, 1, GivenNoise(eps[None, None]))[0][0, 0]

        jacobian = jacrev(z_of)(eps)
        mixing += int((jacobian - jacobian.diag().diag()).abs().max() > 0.01)
        expected = log_normal(eps).sum() - torch.linalg.slogdet(jacobian).logabsdet
        log_q = flow(h, 1, GivenNoise(eps[None, None]))[1][0, 0]
        torch.testing.assert_close(log_q, expected, atol=1e-4, rtol=1e-5)
    assert mixing > 5


@each
def test_log_q_integrates_to_1(name):
    """∫ over a cell of the plane dz = E_q[1(z in the cell) / q(z)]: the cells that hold draws have their own area."""
    flow, cells = bent(name, latent_dim=2, scale=0.5), 40
    z, log_q, _ = flow(torch.randn(1, 4, generator=gen()), 200_000, SeededNoise("cpu", 0))
    z, log_q = z[:, 0].detach(), log_q[:, 0].detach()
    low, high = z.amin(0), z.amax(0)
    column, row = ((z - low) / (high - low) * cells).long().clamp(max=cells - 1).unbind(1)
    cell = column * cells + row
    found = torch.zeros(cells**2).index_add_(0, cell, torch.exp(-log_q)) / len(z)
    full = torch.bincount(cell, minlength=cells**2) > 200
    assert full.sum() > 50
    assert (found[full] / ((high - low) / cells).prod()).median().item() == pytest.approx(1, abs=0.05)


@each
def test_samples_and_images_do_not_touch_each_other(name):
    flow = bent(name)
    h, eps = torch.randn(5, 4, generator=gen()), torch.randn(7, 5, 3, generator=gen(1))
    z, log_q, _ = flow(h, 7, GivenNoise(eps))
    alone = flow(h[2:3], 1, GivenNoise(eps[6:, 2:3]))
    torch.testing.assert_close(z[6, 2], alone[0][0, 0])
    torch.testing.assert_close(log_q[6, 2], alone[1][0, 0])


@each
def test_the_flow_differs_from_image_to_image(name):
    """The steps themselves read the features, not the Gaussian alone."""
    flow = bent(name)
    for head in (flow.base.mu, flow.base.log_var):
        torch.nn.init.zeros_(head.weight)
    eps = torch.randn(1, 1, 3, generator=gen()).expand(1, 2, 3)
    z, _, _ = flow(torch.randn(2, 4, generator=gen(1)), 1, GivenNoise(eps))
    assert (z[0, 0] - z[0, 1]).abs().max() > 0.01


@each
def test_every_parameter_learns(name):
    model = small_model(posterior=FLOWS[name])
    objective = ELBO(1, 1, 2, "B", Constant())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(2):  # what feeds a layer of zeros has no gradient at first
        optimizer.zero_grad()
        objective(model, random_batch(), step()).loss.backward()
        optimizer.step()
    still = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@each
def test_flows_can_be_stacked(name):
    flows = [bent(name, seed=seed) for seed in range(3)]
    weights, buffers = torch.func.stack_module_state(flows)
    h, eps = torch.randn(5, 4, generator=gen()), torch.randn(2, 5, 3, generator=gen(1))

    def call(weights, buffers):
        return torch.func.functional_call(flows[0], (weights, buffers), (h, 2, GivenNoise(eps)))[:2]

    z, log_q = torch.vmap(call)(weights, buffers)
    for i, flow in enumerate(flows):
        alone = flow(h, 2, GivenNoise(eps))
        torch.testing.assert_close(z[i], alone[0])
        torch.testing.assert_close(log_q[i], alone[1])


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
    """Section 4 of arXiv 1606.04934: s "close to +1 or +2" at the start."""
    flow = fresh("iaf")
    h, eps = torch.randn(2, 4, generator=gen()), torch.randn(1, 2, 3, generator=gen(1))
    plain = flow.base.normal(h)
    z, log_q, _ = flow(h, 1, GivenNoise(eps))
    gate = 1 / (1 + math.exp(-2))
    expected = reparameterize(plain.mu, plain.log_var, eps)
    torch.testing.assert_close(z, gate**3 * expected)
    log_q0 = log_normal(expected, plain.mu, plain.log_var).sum(-1)
    torch.testing.assert_close(log_q, log_q0 - 9 * math.log(gate))


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
