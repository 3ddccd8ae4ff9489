"""Tests of the VQ-VAE-2: which level sees what, the order of levels, and what is refused."""

import math

import pytest
import torch

from vae_lab.errors import UserError
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.vq_vae import VQVAE
from vae_lab.models.vq_vae_2 import VQVAE2
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.nets.grid_levels import GridLevels
from vae_lab.nets.grid_resnet import GridResNet
from vae_lab.noise import SeededNoise
from vae_lab.quantizers import EMA, FSQ, Residual

NOISE = SeededNoise("cpu", 0)


def made(*sizes: int, depths=(1, 1), **more) -> VQVAE2:
    torch.manual_seed(0)
    quantizers = [EMA(size, 4) for size in sizes]
    return VQVAE2(GridLevels(8, list(depths), 1), Bernoulli(), quantizers, (1, 12, 12), **more).eval()


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def test_levels_are_listed_from_the_top_and_have_their_own_codes():
    model = made(16, 8, 4, depths=(1, 1, 1))
    latents = model.infer(images(), None, 2, NOISE)
    assert model.latent_shapes == ((2, 2), (3, 3), (6, 6))
    assert model.code_sizes == (4, 8, 16)
    assert [tuple(codes.shape[2:]) for codes in latents.codes] == list(model.latent_shapes)
    nats = [kl.sum().item() / 5 for kl in latents.kl]
    assert nats == pytest.approx([4 * math.log(4), 9 * math.log(8), 36 * math.log(16)])
    torch.testing.assert_close(model.log_prior(latents.z, None), torch.full((2, 5), -sum(nats)))


def test_each_level_is_quantised_given_the_vectors_of_the_level_above():
    """The equations of the paper for two levels, written out."""
    model, x = made(16, 8), images()
    low = model.encoders[0](x)
    top = model.quantizers[1].quantize(model.to_code[1](model.encoders[1](low)))
    bottom = model.quantizers[0].quantize(model.to_code[0](torch.cat([model.context[0](top.z), low], 1)))
    latents = model.infer(x, None, 1, NOISE)
    assert torch.equal(latents.codes[0][0], top.codes)
    assert torch.equal(latents.codes[1][0], bottom.codes)
    expected = model.decoder(torch.cat([model.up[0](top.z), bottom.z], 1))
    torch.testing.assert_close(model.decode(latents.z, None)[0], expected)
    torch.testing.assert_close(latents.aux["commitment"], top.losses["commitment"] + bottom.losses["commitment"])


def test_the_loss_trains_every_parameter():
    model = made(16, 8, 4, depths=(1, 1, 1)).train()
    latents = model.infer(images(), None, 1, NOISE)
    loss = -model.likelihood.log_prob(model.decode(latents.z, None), images()).sum() + latents.aux["commitment"].sum()
    loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_given_top_codes_are_kept_and_the_levels_below_drawn():
    model = made(16, 8)
    codes = model.infer(images(), None, 1, NOISE).codes
    first, second = (model.prior_sample(5, None, SeededNoise("cpu", key), codes[:1]) for key in "ab")
    assert torch.equal(first[0], second[0])
    torch.testing.assert_close(first[0][0], model.quantizers[1].embed(codes[0][0]))
    assert not torch.equal(first[1], second[1])
    whole = model.prior_sample(5, None, NOISE, codes)
    torch.testing.assert_close(whole[1], model.infer(images(), None, 1, NOISE).z[1])
    assert all(torch.equal(a, b) for a, b in zip(model.prior_sample(5, None, NOISE, whole), whole))


def test_with_one_level_it_is_a_vq_vae():
    torch.manual_seed(0)
    one = VQVAE2(GridLevels(8, [2], 1), Bernoulli(), [EMA(16, 4)], (1, 12, 12)).eval()
    other = VQVAE(GridResNet(8, 2, 1), Bernoulli(), EMA(16, 4), (1, 12, 12)).eval()
    names = {"encoders.0.": "encoder.", "to_code.0.": "to_code.", "quantizers.0.": "quantizer."}
    state = one.state_dict()
    for old, new in names.items():
        state = {key.replace(old, new): value for key, value in state.items()}
    other.load_state_dict(state)
    a, b = (model.infer(images(), None, 1, NOISE) for model in (one, other))
    assert torch.equal(a.codes[0], b.codes[0])
    torch.testing.assert_close(one.decode(a.z, None), other.decode(b.z, None))


def test_levels_may_have_quantizers_of_different_kinds():
    torch.manual_seed(0)
    quantizers = [Residual(EMA(8, 4), 2), FSQ([3, 3])]
    model = VQVAE2(GridLevels(8, [1, 1], 1), Bernoulli(), quantizers, (1, 12, 12))
    codes = model.infer(images(), None, 1, NOISE).codes
    assert model.latent_shapes == ((3, 3), (6, 6, 2))
    assert codes[1].shape == (1, 5, 6, 6, 2)
    assert model.decode(model.prior_sample(5, None, NOISE, codes), None).shape == (1, 5, 1, 12, 12)


def test_labels_reach_the_encoder_and_the_decoder():
    model = made(16, 8, conditional=True, y_size=3)
    with torch.no_grad():  # away from the codes' start, where all vectors are close to each other
        for one in model.quantizers:
            one.book.normal_()
    y = torch.zeros(5, dtype=torch.long)
    a, b = (model.infer(images(), label, 1, NOISE) for label in (y, y + 1))
    assert not torch.equal(a.codes[1], b.codes[1])
    assert not torch.allclose(model.decode(a.z, y), model.decode(a.z, y + 1))


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_codes_are_chosen_and_learnt_in_single_precision(dtype):
    """In bfloat16, running means of float32 cannot even be formed."""
    model = made(16, 8).train()
    with torch.autocast("cpu", dtype=dtype):
        latents = model.infer(images(), None, 1, NOISE)
    assert latents.z[0].dtype == torch.float32
    assert model.quantizers[0].usage.dtype == torch.float32
    assert not torch.equal(model.quantizers[0].usage, torch.ones(16))


def test_one_quantizer_per_level_is_needed():
    with pytest.raises(UserError, match=r"model\.quantizer has 1 entry, and the networks have 2 levels"):
        VQVAE2(GridLevels(8, [1, 1], 1), Bernoulli(), [EMA()], (1, 12, 12))


def test_networks_without_grids_are_refused():
    with pytest.raises(UserError, match="codes of this model lie on grids"):
        VQVAE2(DenseLevels([8, 4]), Bernoulli(), [EMA(), EMA()], (1, 12, 12))


def test_a_grid_that_is_halved_too_often_is_answered_with_the_largest_depth():
    with pytest.raises(UserError, match=r"8×8 cannot be halved 9 times .* type model.net.depth=4 or less"):
        GridResNet(8, 9, 1).grid_encoder((1, 8, 8))
    assert GridResNet(8, 4, 1).grid_encoder((1, 8, 8)).out_shape == (8, 1, 1)
