"""Tests of bottleneck blocks and of squeeze and excitation."""

import pytest
import torch
from torch import nn

from vae_lab.nets.bottleneck import Bottlenecks, SqueezeExcitation


def nets(**more) -> Bottlenecks:
    return Bottlenecks(width=8, middle=4, **more)


def test_squeeze_and_excitation_weighs_channels_by_the_means_of_all():
    module, x = SqueezeExcitation(32), torch.randn(3, 32, 4, 5)
    first, second = module.layers[0], module.layers[2]
    assert first.out_features == 4  # never fewer, although 32/16 is 2
    weights = torch.sigmoid(second(torch.relu(first(x.mean((2, 3))))))
    torch.testing.assert_close(module(x), torch.einsum("nc,nchw->nchw", weights, x))
    with torch.no_grad():
        second.weight.zero_()
        second.bias.fill_(100.0)
    torch.testing.assert_close(module(x), x)


@pytest.mark.parametrize(("size", "kernels"), [((7, 7), [1, 3, 3, 1]), ((2, 9), [1, 1, 1, 1]), ((1, 1), [1, 1, 1, 1])])
def test_small_grids_have_no_kernels_that_see_padding(size, kernels):
    block = nets().block(8, 6, size)
    layers = [layer for layer in block if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in layers] == kernels
    assert [layer.out_channels for layer in layers] == [4, 4, 4, 6]
    assert tuple(block(torch.randn(2, 8, *size)).shape) == (2, 6, *size)


def test_one_of_many_residual_blocks_begins_with_smaller_weights():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        one = nets().residual((4, 4), 1)
        torch.manual_seed(0)
        of_nine = nets().residual((4, 4), 9)
    torch.testing.assert_close(of_nine.f.last.weight * 3, one.f.last.weight)
    of_nine.f.last.weight.data.fill_(1.0)
    of_nine.after_initialisation()  # called again after initialisation=he has drawn the weights
    assert of_nine.f.last.weight.flatten()[0].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("excited", [False, True])
def test_a_residual_block_adds_to_its_input(norm, excited):
    block = nets(norm=norm, squeeze_excitation=excited, depth=1).residual((4, 4), 2)
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(block(x) - x, block.s(block.f(x)))
    with torch.no_grad():
        block.f.last.weight.zero_()
        block.f.last.bias.zero_()
    assert torch.equal(block(x), x)
