"""A decoder's list of layers gives the images of the model."""

import pytest
import torch
from decoders import DECODERS, NOISE, inputs_of, made
from helpers import small_model
from torch import nn

from vae_lab.explorer.decoding import decoder_program
from vae_lab.explorer.recording import CannotRun
from vae_lab.explorer.replay import replay
from vae_lab.latents.codes import decode
from vae_lab.likelihoods import MSE
from vae_lab.models.vq_vae_2 import VQVAE2
from vae_lab.nets.grid_levels import GridLevels
from vae_lab.quantizers.codebook import Codebook


@pytest.mark.parametrize("name", DECODERS)
def test_the_layers_of_every_decoder_give_its_images(name):
    model = made(name)
    z, y = inputs_of(model)
    program = decoder_program(model, z, y, NOISE, "fp32")
    wanted = decode(model, z, y, NOISE)
    assert wanted.std() > 0.02  # the images are not all alike
    torch.testing.assert_close(replay(program, z, y), wanted, atol=2e-6, rtol=0)
    assert {len(layer.shape) for layer in program.layers} <= {0, 1, 2, 3, 4, 5}


def test_half_precision_rounds_matrices_and_kernels_but_not_biases():
    model = made("cnn")
    z, y = inputs_of(model)
    program = decoder_program(model, z, y, NOISE)
    rounded = {name for layer in program.layers for name, weight in layer.weights.items() if program.is_halved(weight)}
    assert rounded == {"weight"}
    bias = next(layer.weights["bias"] for layer in program.layers if "bias" in layer.weights)
    assert torch.equal(program.stored(bias), bias)
    worst = (replay(program, z, y) - decode(model, z, y, NOISE)).abs().max()
    assert 0 < worst < 0.5 / 255


def test_what_nothing_reads_is_left_out():
    """The σ of a level at its mean, and weights that are computed from others."""
    for name in ("two levels", "weight norm"):
        program = decoder_program(made(name), torch.zeros(1, 3), None, NOISE)
        read = {program.output}.union(*(layer.inputs for layer in program.layers))
        first = len(program.inputs)
        assert set(range(first, first + len(program.layers))) <= read
        assert {layer.op for layer in program.layers} <= {
            "reshape", "linear", "group_norm", "leaky_relu", "sigmoid", "slice", "elu", "conv", "conv_transpose", "add"
        }  # fmt: skip


def test_both_ways_to_pad_are_understood():
    class Padded(nn.Module):
        def forward(self, x):
            return torch.constant_pad_nd(nn.functional.pad(x, (0, 1, 2, 0)), (3, 0))

    model = small_model()
    model.decoder.layers.append(Padded())
    z = inputs_of(model)[0]
    program = decoder_program(model.eval(), z, None, NOISE, "fp32")
    assert replay(program, z).shape[-2:] == (10, 12)
    torch.testing.assert_close(replay(program, z), decode(model, z, None, NOISE))


class _Wave(nn.Module):
    def forward(self, x):
        return torch.sin(x)


def test_an_operation_that_the_page_lacks_is_named():
    model = small_model()
    model.decoder.layers.append(_Wave())
    with pytest.raises(CannotRun, match=r"^the page has no operation aten\.sin\.default$"):
        decoder_program(model.eval(), torch.zeros(1, 3), None, NOISE)


def test_a_dilated_convolution_is_refused():
    model = small_model()
    model.decoder.layers.append(nn.Conv2d(1, 1, 3, padding=2, dilation=2))
    with pytest.raises(CannotRun, match="no grouped or dilated"):
        decoder_program(model.eval(), torch.zeros(1, 3), None, NOISE)


def test_a_decoder_that_decides_by_values_is_refused():
    class Choice(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    model = small_model()
    model.decoder.layers.append(Choice())
    with pytest.raises(CannotRun, match=r"^torch\.export cannot follow it"):
        decoder_program(model.eval(), torch.zeros(1, 3), None, NOISE)


def test_lower_levels_of_discrete_codes_have_no_mean():
    model = VQVAE2(GridLevels(8, [1, 1], 1), MSE(), [Codebook(4, 2), Codebook(4, 2)], (1, 8, 8))
    with pytest.raises(CannotRun, match="below the first have no mean"):
        decoder_program(model.eval(), torch.zeros(1, 8), None, NOISE)
