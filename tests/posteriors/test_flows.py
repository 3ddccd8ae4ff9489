"""Tests of properties that every posterior flow has."""

import pytest
import torch
from bent_flows import FLOWS, bent, fresh
from helpers import GivenNoise, gen, random_batch, small_model, step
from torch.func import jacrev

from vae_lab.functional import log_normal, reparameterize
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.posteriors import DiagonalNormal
from vae_lab.schedules import Constant

each = pytest.mark.parametrize("name", FLOWS)


def as_identity(name):
    flow = fresh(name)
    if name == "iaf":  # its gates approach 1 but never reach it
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
    """Flows draw once per sample, so that runs with and without a flow see the same noise."""
    flow = as_identity(name)
    plain = DiagonalNormal(4, 3)
    plain.load_state_dict(flow.base.state_dict())
    h = torch.randn(5, 4, generator=gen())
    assert torch.equal(flow(h, 2, SeededNoise("cpu", 0))[0], plain(h, 2, SeededNoise("cpu", 0))[0])


@each
def test_log_determinants_are_those_of_autograd(name):
    """log q(z) = log N(ε) − log |det ∂z/∂ε|, where z(ε) includes the reparameterisation of the base."""
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
    """The area of a cell of the plane is ∫ dz = E_q[1(z in the cell) / q(z)], estimated for cells that hold draws."""
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
    """The steps read the features of the image, as the Gaussian of the base does."""
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
    for _ in range(2):  # layers before a layer of zeros have no gradient in the first step
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
