import math

import pytest
import torch
from conftest import BARE, TINY
from helpers import GivenNoise, gen, small_model, weights_of
from torch import nn

from vae_lab.errors import UserError
from vae_lab.likelihoods import MSE, Bernoulli, Categorical, Gaussian, Sigma, SigmaPerPixel, SigmaPredicted
from vae_lab.nets.cnn import CNN
from vae_lab.nets.dense import Dense
from vae_lab.nets.initialisation import Glorot, He, Initialisation, NormalWeights, begin_at
from vae_lab.nets.made import MADE
from vae_lab.nets.resnet import ResNet
from vae_lab.posteriors.diagonal import DiagonalNormal
from vae_lab.posteriors.iaf import IAF
from vae_lab.posteriors.planar import Planar
from vae_lab.posteriors.real_nvp import RealNVP

SHAPE = (2, 8, 8)
MEAN = 0.02 + 0.96 * torch.rand(SHAPE, generator=gen())


def begun(how: Initialisation, module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    how(module)
    return module


def test_glorot_is_uniform_with_torch_s_own_bound():
    layer = begun(Glorot(), nn.Linear(300, 500))
    bound = math.sqrt(6 / 800)
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert (layer.bias == 0).all()


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Linear(60, 90), 60, 90),
        (nn.Conv2d(12, 24, 5), 12 * 25, 24 * 25),
        (nn.ConvTranspose2d(12, 24, (3, 5), stride=2), 12 * 15, 24 * 15),
        (nn.Conv2d(12, 24, 3, groups=4), 3 * 9, 6 * 9),
    ],
)
def test_variances_follow_from_the_numbers_of_inputs_and_outputs(layer, fan_in, fan_out):
    assert begun(Glorot(), layer).weight.var().item() == pytest.approx(2 / (fan_in + fan_out), rel=0.1)
    assert begun(He(), layer).weight.var().item() == pytest.approx(2 / fan_in, rel=0.15)
    assert begun(NormalWeights(0.02), layer).weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_default_changes_nothing():
    before, model = small_model().state_dict(), small_model()
    begun(Initialisation(), model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_every_layer_of_encoder_posterior_and_decoder_is_drawn():
    model = begun(NormalWeights(1e-6), small_model(net=CNN(4, 2, 8), conditional=True, y_size=3))
    assert all(p.abs().max() < 1e-5 for name, p in model.named_parameters())


def test_a_weight_normalised_layer_has_these_weights():
    model = begun(NormalWeights(0.5), small_model(net=ResNet([4, 8], 64)))
    convolution = model.decoder.layers[0]
    assert convolution.weight.std().item() == pytest.approx(0.5, rel=0.2)
    assert all((p.original0 > 0).all() for name, p in model.named_modules() if name.endswith("parametrizations.weight"))


@pytest.mark.parametrize("flow", [lambda f, d: IAF(f, d, 2, 8), lambda f, d: Planar(f, d, 2),
                                  lambda f, d: RealNVP(f, d, 2, 8)])  # fmt: skip
def test_steps_of_a_flow_keep_the_start_that_makes_them_the_identity(flow):
    torch.manual_seed(1)
    posterior = flow(16, 4)
    before = {name: value.clone() for name, value in posterior.state_dict().items()}
    begun(Glorot(), posterior)
    changed = {name.split(".")[0] for name, value in posterior.state_dict().items() if not value.equal(before[name])}
    assert changed == {"base"}


@pytest.mark.parametrize("how", [Glorot(), Initialisation()], ids=["glorot", "default"])
def test_iaf_begins_as_the_diagonal_gaussian_whatever_the_initialisation(how):
    """The base makes up for the gates: after weights are drawn anew, once, and with the default not a second time."""
    torch.manual_seed(1)
    flow = IAF(16, 4, 8, 8)
    torch.manual_seed(1)
    plain = DiagonalNormal(16, 4)
    flow, plain = begun(how, flow), begun(how, plain)
    h, eps = torch.randn(3, 16, generator=gen()), torch.randn(2, 3, 4, generator=gen(1))
    torch.testing.assert_close(flow(h, 2, GivenNoise(eps))[0], plain(h, 2, GivenNoise(eps))[0])


def test_masked_layers_keep_their_own_start():
    made = MADE(4, 8)
    before = made.layers[0].weight.clone()
    assert torch.equal(begun(Glorot(), made).layers[0].weight, before)


LIKELIHOODS = [Bernoulli(), MSE(), Gaussian(0.3), Sigma(), SigmaPerPixel(SHAPE), SigmaPredicted()]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda likelihood: type(likelihood).__name__)
def test_the_output_bias_alone_decodes_to_the_mean_of_the_data(likelihood):
    dense = small_model(likelihood, SHAPE, net=Dense(16, 1))
    begin_at(dense, MEAN)
    with torch.no_grad():
        dense.decoder.layers[-2].weight.zero_()
        decoded = likelihood.mean(dense.decode((torch.randn(1, 3, 3, generator=gen()),), None))
    torch.testing.assert_close(decoded, MEAN.expand(1, 3, *SHAPE))


@pytest.mark.parametrize("net", [CNN(4, 2, 8), ResNet([4, 8], 16)])
def test_a_convolution_begins_at_the_mean_of_each_channel(net):
    model = small_model(Bernoulli(), SHAPE, net=net)
    begin_at(model, MEAN)
    last = [m for m in model.decoder.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)][-1]
    torch.testing.assert_close(torch.sigmoid(last.bias), MEAN.mean((1, 2)))


def test_pixels_that_are_always_black_begin_at_a_thousandth():
    model = small_model(Bernoulli())
    begin_at(model, torch.zeros(1, 8, 8))
    torch.testing.assert_close(torch.sigmoid(model.decoder.layers[-2].bias), torch.full((64,), 0.001))


def test_a_predicted_sigma_begins_at_one():
    params = SigmaPredicted().params_of_mean(MEAN)
    assert SigmaPredicted().log_sigma(params).abs().max() < 0.003


def test_what_has_no_mean_or_no_such_bias_is_refused_in_one_line():
    model = small_model(Bernoulli())
    model.likelihood = Categorical(3)
    with pytest.raises(UserError, match="the likelihood Categorical has no mean to begin at; leave it out"):
        begin_at(model, torch.zeros(1, 8, 8))
    model = small_model(Bernoulli())
    model.decoder = nn.Linear(3, 5)
    with pytest.raises(UserError, match="SingleLevel has no decoder whose last layer has a bias for each pixel"):
        begin_at(model, torch.zeros(1, 8, 8))


WORDS = [*TINY, *BARE, "likelihood=bernoulli", "initialisation=glorot", "initialisation.output_bias=data"]


def test_runs_of_one_config_are_equal_and_a_run_that_saved_no_epoch_begins_as_before(cli, tmp_path):
    for folder in ("one", "two"):
        assert cli("train", *WORDS, f"hydra.run.dir={folder}").status == 0
    (tmp_path / "two" / "results.json").unlink()
    for name in ("best", "last"):
        (tmp_path / "two" / "checkpoints" / f"{name}.ckpt").unlink()
    assert cli("train", "resume=two").status == 0
    assert cli("train", *WORDS[:-1], "hydra.run.dir=three").status == 0
    one, two, three = (weights_of(tmp_path / folder) for folder in ("one", "two", "three"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], three[name]) for name in one)


def test_jobs_with_other_initial_weights_train_as_one_stack(cli, tmp_path):
    words = [word for word in WORDS if not word.startswith("initialisation=")]
    ended = cli("train", "-m", *words, "initialisation=default,glorot,he", "launcher=vectorized", "sweep=mine")
    assert ended.status == 0, ended.err
    assert cli("train", *words, "initialisation=he", "hydra.run.dir=alone").status == 0
    found = weights_of(tmp_path / "outputs" / "sweeps" / "mine" / "initialisation-he")
    alone = weights_of(tmp_path / "alone")
    assert all(torch.allclose(found[name], alone[name], atol=1e-5) for name in alone)


def test_tokens_are_refused_before_anything_is_written(cli, tmp_path):
    from test_configs import STAND_INS

    words = ["dataset=phrases", "model=dense", "likelihood=categorical", "initialisation.output_bias=data", STAND_INS]
    ended = cli("train", *[w for w in TINY if not w.startswith(("dataset", "model"))], *BARE, *words)
    assert ended.status == 2
    assert "the likelihood Categorical has no mean to begin at" in ended.err
    assert not (tmp_path / "outputs").exists()
