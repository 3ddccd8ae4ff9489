from functools import partial

import pytest
import torch
from helpers import small_model

from vae_lab.errors import UserError
from vae_lab.inference import at_the_means, mean_latents
from vae_lab.latents.codes import decode, encode
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.hierarchical import Hierarchical
from vae_lab.models.ladder import Ladder
from vae_lab.models.vdvae import VDVAE
from vae_lab.models.vq_vae import VQVAE
from vae_lab.models.vq_vae_2 import VQVAE2
from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.cnn import CNN
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.nets.grid_levels import GridLevels
from vae_lab.noise import NoNoise, SeededNoise
from vae_lab.posteriors.iaf import IAF
from vae_lab.quantizers import EMA, Residual

NOISE = partial(SeededNoise, "cpu", 0)
CONDITIONAL = {"conditional": True, "y_size": 3}
LEVELS = partial(DenseLevels, [16, 8], norm="none")
KINDS = {
    "dense": small_model,
    "cnn": lambda: small_model(net=CNN(width=4, depth=2, hidden=8)),
    "conditional": lambda: small_model(**CONDITIONAL),
    "flow": lambda: small_model(posterior=partial(IAF, blocks=2, width=8)),
    "ladder": lambda: Ladder(LEVELS(), Bernoulli(), (1, 8, 8), latent_dims=[4, 2]),
    "conditional_ladder": lambda: Ladder(LEVELS(), Bernoulli(), (1, 8, 8), latent_dims=[4, 2], **CONDITIONAL),
    "hierarchical": lambda: Hierarchical(LEVELS(), Bernoulli(), (1, 8, 8), latent_dims=[4, 2]),
    "vdvae": lambda: VDVAE(Bottlenecks(width=8, middle=4), Bernoulli(), (1, 8, 8), [2, 4], [2, 1], [3, 5]),
    "conditional_vdvae": lambda: VDVAE(
        Bottlenecks(width=8, middle=4), Bernoulli(), (1, 8, 8), [2, 4], [1, 1], [3, 5], **CONDITIONAL
    ),
    "vq_vae": lambda: VQVAE(CNN(width=4, depth=2, hidden=8), Bernoulli(), EMA(16, 4), (1, 8, 8)),
    "residual_vq_vae": lambda: VQVAE(CNN(width=4, depth=2, hidden=8), Bernoulli(), Residual(EMA(8, 4), 2), (1, 8, 8)),
    "vq_vae_2": lambda: VQVAE2(GridLevels(8, [1, 1], 1), Bernoulli(), [EMA(8, 4), EMA(8, 2)], (1, 8, 8)),
}


@pytest.fixture(params=KINDS)
def made(request):
    """A model with random weights, images and their labels."""
    torch.manual_seed(0)
    model = KINDS[request.param]().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # away from the start, where some posteriors are the prior
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.ndim)))
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return model, x, torch.tensor([0, 1, 2, 0, 1]) if model.conditional else None


def test_codes_of_every_level_are_matrices_and_decode_to_the_reconstruction(made):
    model, x, y = made
    codes = [encode(model, x, y, NOISE, level) for level in range(len(model.latent_shapes))]
    assert all(one.mean.ndim == 2 and len(one.mean) == 5 for one in codes)
    with torch.inference_mode():
        expected = model.likelihood.mean(model.decode(mean_latents(model, x, y, NOISE).z, y))[0]
    top, *below = (one.mean for one in codes)
    torch.testing.assert_close(decode(model, top, y, NOISE, below=below), expected, rtol=1e-5, atol=1e-5)
    *above, bottom = (one.mean for one in codes)
    found = decode(model, bottom, y, NOISE, level=len(above), above=above)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_moments_are_those_of_the_posterior(made):
    model, x, y = made
    with torch.inference_mode():
        latents = at_the_means(model, x, y, NOISE("codes"))
    for level, q in enumerate(latents.q):
        codes = encode(model, x, y, NOISE, level)
        if model.deterministic:
            assert codes.variance is codes.kl is None
            torch.testing.assert_close(codes.mean, latents.z[level][0].flatten(1))
        elif q is not None:
            torch.testing.assert_close(codes.mean, q.mu[0].flatten(1))
            torch.testing.assert_close(codes.variance, q.log_var[0].exp().flatten(1))
            assert codes.kl.shape == codes.mean.shape
        else:
            assert codes.kl.shape == (5, 1)


def test_batches_change_nothing(made):
    model, x, y = made
    whole, parts = encode(model, x, y, NOISE), encode(model, x, y, NOISE, at_once=2)
    torch.testing.assert_close(parts.mean, whole.mean)
    if len(model.latent_shapes) == 1:
        torch.testing.assert_close(decode(model, whole.mean, y, NOISE, at_once=2), decode(model, whole.mean, y, NOISE))


def test_levels_that_are_not_given_are_at_the_means_of_their_priors(made):
    model, x, y = made
    if len(model.latent_shapes) == 1:
        return
    top = encode(model, x, y, NOISE).mean
    if getattr(model, "code_sizes", ()):
        with pytest.raises(UserError, match="levels of discrete codes have no mean"):
            decode(model, top, y, NOISE)
        return
    with torch.inference_mode():
        z = model.prior_sample(5, y, NoNoise(NOISE("any")), (top.view(1, 5, *model.latent_shapes[0]),))
        expected = model.likelihood.mean(model.decode(z, y))[0]
    torch.testing.assert_close(decode(model, top, y, NOISE), expected)
    second = encode(model, x, y, NOISE, level=1).mean
    with torch.inference_mode():
        over = model.prior_sample(5, y, NoNoise(NOISE("any")))[:1]
    given = decode(model, second, y, NOISE, level=1, above=[over[0].expand(1, 5, *over[0].shape[2:])[0].flatten(1)])
    torch.testing.assert_close(decode(model, second, y, NOISE, level=1), given)


def test_an_autoencoder_has_codes_without_a_variance():
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    codes = encode(small_model(), x, None, NOISE, variational=False)
    assert codes.variance is codes.kl is None
    assert torch.equal(codes.mean, encode(small_model(), x, None, NOISE).mean)


def test_the_results_are_normal_tensors():
    codes = encode(small_model(), torch.rand(4, 1, 8, 8), None, NOISE)
    assert not codes.mean.is_inference()
    assert not decode(small_model(), codes.mean, None, NOISE).is_inference()
