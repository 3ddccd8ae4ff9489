import pytest
import torch
from helpers import SHAPES, gen
from torch import nn

from vae_lab.nets.dense import Dense


def nets(x_shape, latent_dim=4):
    torch.manual_seed(0)
    net = Dense(width=24, depth=2)
    return net.encoder(x_shape), net.decoder(latent_dim, x_shape)


@pytest.mark.parametrize("x_shape", SHAPES)
def test_image_to_features_and_code_to_image(x_shape):
    encoder, decoder = nets(x_shape)
    assert encoder(torch.rand(2, *x_shape)).shape == (2, encoder.out_features)
    assert decoder(torch.randn(2, 4)).shape == (2, *x_shape)


@pytest.mark.parametrize("x_shape", SHAPES)
def test_an_image_gives_the_same_alone_as_in_a_batch(x_shape):
    encoder, decoder = nets(x_shape)
    x, z = torch.rand(6, *x_shape, generator=gen()), torch.randn(6, 4, generator=gen())
    torch.testing.assert_close(encoder(x)[3:4], encoder(x[3:4]))
    torch.testing.assert_close(decoder(z)[3:4], decoder(z[3:4]))


def test_no_gradient_flows_between_images():
    encoder, decoder = nets((1, 8, 8))
    for net, inputs in ((encoder, torch.rand(3, 1, 8, 8)), (decoder, torch.randn(3, 4))):
        inputs.requires_grad_()
        net(inputs)[0].sum().backward()
        assert inputs.grad[0].abs().sum() > 0
        assert inputs.grad[1:].abs().sum() == 0


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_depth_counts_hidden_layers(depth):
    net = Dense(width=10, depth=depth)
    counts = [
        sum(isinstance(m, nn.Linear) for m in part.modules())
        for part in (net.encoder((1, 8, 8)), net.decoder(4, (1, 8, 8)))
    ]
    assert counts == [depth, depth + 1]


def test_the_number_of_parameters_is_that_of_the_layers():
    encoder, decoder = nets((1, 8, 8))
    count = [sum(p.numel() for p in net.parameters()) for net in (encoder, decoder)]
    assert count == [64 * 24 + 24 + 24 * 24 + 24, 4 * 24 + 24 + 24 * 24 + 24 + 24 * 64 + 64]


@pytest.mark.parametrize("name", ["relu", "silu", "gelu", "tanh", "leaky_relu"])
def test_outputs_of_the_decoder_are_unbounded(name):
    torch.manual_seed(0)
    out = Dense(24, 1, name).decoder(4, (1, 8, 8))(1000 * torch.randn(50, 4, generator=gen()))
    assert out.min() < -1
    assert out.max() > 1


def test_the_activation_is_the_one_that_is_named():
    net = Dense(24, 2, "tanh")
    kinds = {type(m) for m in net.encoder((1, 8, 8)).layers} - {nn.Flatten, nn.Linear}
    assert kinds == {nn.Tanh}
