import pytest
import torch
from helpers import SHAPES, gen
from torch import nn

from vae_lab.errors import UserError
from vae_lab.nets.cnn import CNN


def nets(x_shape, latent_dim=4, depth=2):
    torch.manual_seed(0)
    net = CNN(width=6, depth=depth, hidden=16)
    return net.encoder(x_shape), net.decoder(latent_dim, x_shape)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("x_shape", SHAPES)
def test_image_to_features_and_code_to_image(x_shape, depth):
    encoder, decoder = nets(x_shape, depth=depth)
    assert encoder(torch.rand(2, *x_shape)).shape == (2, encoder.out_features)
    assert decoder(torch.randn(2, 4)).shape == (2, *x_shape)


@pytest.mark.parametrize("height", range(8, 17))
def test_every_size_from_8_up_is_restored_exactly(height):
    for depth in (1, 2, 3):
        _, decoder = nets((1, height, 8 + height % 3), depth=depth)
        assert decoder(torch.zeros(1, 4)).shape == (1, 1, height, 8 + height % 3)


@pytest.mark.parametrize("x_shape", SHAPES)
def test_an_image_gives_the_same_alone_as_in_a_batch(x_shape):
    encoder, decoder = nets(x_shape)
    x, z = torch.rand(6, *x_shape, generator=gen()), torch.randn(6, 4, generator=gen())
    torch.testing.assert_close(encoder(x)[3:4], encoder(x[3:4]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(decoder(z)[3:4], decoder(z[3:4]), atol=1e-5, rtol=1e-4)


def test_no_gradient_flows_between_images():
    encoder, decoder = nets((1, 8, 8))
    for net, inputs in ((encoder, torch.rand(3, 1, 8, 8)), (decoder, torch.randn(3, 4))):
        inputs.requires_grad_()
        net(inputs)[0].sum().backward()
        assert inputs.grad[0].abs().sum() > 0
        assert inputs.grad[1:].abs().sum() == 0


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11), (1, 28, 28)])
def test_every_pixel_is_seen_and_every_pixel_is_drawn(x_shape):
    encoder, decoder = nets(x_shape)
    x = torch.rand(1, *x_shape, generator=gen(), requires_grad=True)
    encoder(x).square().sum().backward()
    assert (x.grad != 0).all()
    assert (decoder(torch.randn(8, 4, generator=gen())).std(0) > 0).all()


def test_channels_double_from_layer_to_layer_and_are_mirrored():
    encoder, decoder = nets((3, 32, 32), depth=3)
    assert [m.out_channels for m in encoder.modules() if isinstance(m, nn.Conv2d)] == [6, 12, 24]
    assert [m.out_channels for m in decoder.modules() if isinstance(m, nn.ConvTranspose2d)] == [12, 6, 3]


def test_outputs_of_the_decoder_are_unbounded():
    torch.manual_seed(0)
    out = CNN(6, 2, 16, "relu").decoder(4, (1, 8, 8))(1000 * torch.randn(50, 4, generator=gen()))
    assert out.min() < -1
    assert out.max() > 1


def test_more_halvings_than_the_image_has_are_refused_with_one_that_works():
    with pytest.raises(UserError, match=r"model\.net\.depth=4 halves 9×11 images to nothing; type model\.net\.depth=3"):
        CNN(6, 4, 16).encoder((1, 9, 11))
    assert CNN(6, 3, 16).encoder((1, 9, 11))(torch.rand(1, 1, 9, 11)).shape == (1, 16)


def test_images_below_8_by_8_are_refused_whatever_the_model_is_called():
    net = CNN(width=4, depth=1, hidden=8)
    for network in (net.encoder, net.grid_encoder):
        with pytest.raises(UserError, match=r"^this model's convolutions need at least 8×8 pixels, .* have 6×9; type"):
            network((1, 6, 9))
