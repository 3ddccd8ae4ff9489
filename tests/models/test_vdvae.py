"""Tests of the very deep VAE: one block by hand, the order of its levels, posteriors, a condition."""

import math

import pytest
import torch
from helpers import GivenNoise, random_batch
from torch.distributions import Normal as Gaussian
from torch.distributions import kl_divergence
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.vdvae import VDVAE
from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.top_down import bounded_normal
from vae_lab.noise import SeededNoise, Tempered

SHAPE = (1, 12, 10)


def vdvae(scales=(2, 16), blocks=(2, 1), latent_dims=(3, 4), shape=SHAPE, net=None, **more) -> VDVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nets = Bottlenecks(width=6, middle=4, **(net or {}))
        model = VDVAE(nets, Bernoulli(), shape, list(scales), list(blocks), list(latent_dims), **more)
        for parameter in model.parameters():  # away from the start, where every prior is N(0, I)
            parameter.data.add_(0.2 * torch.randn(parameter.shape))
    return model.eval()


def infer(model: VDVAE, k=2, n=3, key=0, y=None):
    return model.infer(random_batch(n, model.x_shape).x, y, k, SeededNoise("cpu", key), densities=True)


def sigma(log_var):
    return torch.exp(log_var / 2)


@pytest.mark.parametrize("residual", [False, True])
def test_one_block_is_the_equations_of_the_paper(residual):
    """A single level, computed layer by layer with functions of torch and its distributions."""
    model = vdvae(scales=[2], blocks=[1], latent_dims=[3], residual_posterior=residual)
    x, eps = random_batch(2, SHAPE).x, torch.randn(1, 2, 3, 6, 5)
    latents = model.infer(x, None, 1, GivenNoise(eps), densities=True)

    def bottleneck(layers, h):
        for layer in list(layers)[1::2]:
            h = F.conv2d(F.gelu(h), layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)
        return h

    entry, residuals = model.up[0][0], model.up[1]
    a = F.conv2d(x, entry.weight, entry.bias, stride=2, padding=1)
    a = a + bottleneck(residuals[0].f, a)
    h = model.start[0].expand(2, -1, -1, -1)
    moments = bottleneck(model.p[0].prior, h)
    p = Gaussian(moments[:, :3], torch.exp(5 * torch.tanh(moments[:, 3:6] / 5)))
    delta = bottleneck(model.q[0], torch.cat([h, a], 1))
    mean, scale = delta[:, :3], torch.exp(5 * torch.tanh(delta[:, 3:] / 5))
    q = Gaussian(p.mean + mean, p.stddev * scale) if residual else Gaussian(mean, scale)
    z = q.mean + q.stddev * eps[0]
    h = h + moments[:, 6:] + F.conv2d(z, model.p[0].project.weight, model.p[0].project.bias)
    h = h + bottleneck(model.p[0].residual.f, h)
    wide, last = model.decoder[1], model.decoder[-1]
    h = F.gelu(F.conv_transpose2d(F.gelu(h), wide.weight, wide.bias, stride=2, padding=1))
    params = F.conv2d(h, last.weight, last.bias, padding=1)

    torch.testing.assert_close(latents.z[0][0], z)
    torch.testing.assert_close(latents.kl[0][0], kl_divergence(q, p), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(latents.params[0], params, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(latents.log_q[0], q.log_prob(z).flatten(1).sum(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(latents.log_p[0], p.log_prob(z).flatten(1).sum(1), rtol=1e-4, atol=1e-4)


def test_levels_go_from_the_smallest_grid_to_the_largest():
    model = vdvae(scales=[2, 4, 16], blocks=[2, 1, 1], latent_dims=[3, 2, 5])
    assert model.latent_shapes == ((5, 1, 1), (2, 3, 3), (3, 6, 5), (3, 6, 5))
    latents = infer(model, k=4)
    assert [part.shape[0] for part in latents.kl] == [1, 4, 4, 4]  # q of the top does not depend on a sample


def test_the_way_up_has_as_many_blocks_as_the_way_down_or_another_number():
    assert [len(blocks) for blocks in vdvae(blocks=(2, 1)).up] == [1, 2, 1]  # the first is the convolution of images
    model = vdvae(up_blocks=[0, 3])
    assert [len(blocks) for blocks in model.up] == [1, 0, 3]
    assert model.up[2][0].scale == pytest.approx(1 / math.sqrt(3))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 7, 9)])
def test_images_of_any_size_come_out_in_their_size(shape):
    model = vdvae(scales=[2, 3, 32], blocks=[1, 1, 1], latent_dims=[1, 2, 3], shape=shape)
    z = model.prior_sample(2, None, SeededNoise("cpu", 0))
    assert tuple(model.decode(z, None).shape) == (1, 2, *shape)
    assert model.latent_shapes[1] == (2, math.ceil(shape[1] / 3), math.ceil(shape[2] / 3))


def test_the_importance_weight_is_the_same_from_both_directions():
    """log p(z) by ``log_prior`` and the params by ``decode`` are those of the pass that inferred z."""
    model = vdvae()
    latents = infer(model, k=3)
    torch.testing.assert_close(model.log_prior(latents.z, None), latents.log_p)
    torch.testing.assert_close(model.decode(latents.z, None), latents.params)


@pytest.mark.parametrize("residual", [False, True])
def test_the_mean_of_log_q_less_log_p_is_the_kl(residual):
    latents = infer(vdvae(residual_posterior=residual), k=4000, n=2)
    kl = sum(part.flatten(2).sum(2) for part in latents.kl)
    difference = latents.log_q - latents.log_p - kl
    assert (difference.mean(0).abs() < 4 * difference.std(0) / math.sqrt(4000)).all()


def test_a_residual_posterior_without_a_difference_is_the_prior():
    model = vdvae(residual_posterior=True)
    for block in model.q:
        torch.nn.init.zeros_(block.last.weight)
        torch.nn.init.zeros_(block.last.bias)
    latents = infer(model)
    assert all(part.abs().max() < 1e-6 for part in latents.kl)
    torch.testing.assert_close(latents.log_q, latents.log_p)


def test_at_the_start_every_prior_is_standard():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VDVAE(Bottlenecks(6, 4), Bernoulli(), SHAPE, [2, 16], [2, 1], [3, 4])
    z = model.prior_sample(2, None, SeededNoise("cpu", 0))
    standard = sum(Gaussian(0.0, 1.0).log_prob(part).flatten(2).sum(2) for part in z)
    torch.testing.assert_close(model.log_prior(z, None), standard)


def test_given_levels_are_kept_and_determine_the_prior_of_the_next():
    model = vdvae()
    whole = model.prior_sample(2, None, SeededNoise("cpu", 0))
    cold = model.prior_sample(2, None, Tempered(SeededNoise("cpu", 1), 0.0), whole[:2])
    assert torch.equal(cold[0], whole[0])
    assert torch.equal(cold[1], whole[1])
    warm = model.prior_sample(2, None, Tempered(SeededNoise("cpu", 1), 0.5), whole[:2])
    hot = model.prior_sample(2, None, SeededNoise("cpu", 1), whole[:2])
    torch.testing.assert_close(warm[2] - cold[2], 0.5 * (hot[2] - cold[2]))


def test_a_condition_reaches_inference_the_prior_and_the_decoder():
    model, one, two = vdvae(conditional=True, y_size=10), torch.zeros(3).long(), torch.ones(3).long()
    a, b = (infer(model, y=y) for y in (one, two))
    assert not torch.equal(a.z[0], b.z[0])
    assert not torch.equal(model.log_prior(a.z, one), model.log_prior(a.z, two))
    assert not torch.equal(model.decode(a.z, one), model.decode(a.z, two))


def test_the_logarithm_of_sigma_is_bounded_and_linear_near_zero():
    q = bounded_normal(torch.tensor([[0.3, 1e6]]))
    assert (q.mu.item(), q.log_var.item()) == pytest.approx((0.3, 10))
    assert bounded_normal(torch.tensor([[0.0, 0.01]])).log_var.item() == pytest.approx(0.02, rel=1e-4)


def test_the_spectral_term_is_a_loss_of_training_alone():
    model = vdvae(spectral=0.1)
    assert infer(model).aux == {}
    model.train()
    for _ in range(30):  # the iteration goes on from pass to pass
        aux = infer(model).aux["spectral"]
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    expected = 0.1 * sum(torch.linalg.matrix_norm(layer.weight.flatten(1), 2) for layer in layers)
    torch.testing.assert_close(aux, expected.detach().expand(3), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": [1]}, "model.blocks has 1 entry and model.scales 2; type one entry per grid in both"),
        ({"latent_dims": [1, 2, 3]}, "model.latent_dims has 3 entries"),
        ({"up_blocks": [1]}, "model.up_blocks has 1 entry"),
        ({"scales": [16, 2]}, r"type model.scales=\[2,16\]"),
        ({"scales": [2, 2]}, r"type model.scales=\[2\]"),
        ({"shape": (5,)}, "convolutions need images"),
    ],
)
def test_grids_that_do_not_fit_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        vdvae(**change)
