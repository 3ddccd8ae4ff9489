"""Tests of the networks of published recipes: they take any image size and have the papers' numbers of parameters."""

import pytest
import torch
from helpers import SHAPES, gen

from vae_lab.errors import UserError
from vae_lab.nets.batch_norm import BatchNorm
from vae_lab.nets.dcgan import DCGAN
from vae_lab.nets.mlp import MLP
from vae_lab.nets.pooled_resnet import PooledResNet
from vae_lab.nets.resizing import down, halvings, up
from vae_lab.nets.resnet import ResNet
from vae_lab.nets.sigma_cnn import SigmaCNN
from vae_lab.nets.strided import Strided

NETS = {
    "mlp": MLP([12, 10], [5, 6, 7], "relu", "tanh"),
    "gated": MLP([12, 10], [6], gated=True),
    "strided": Strided([4, 4, 8, 8], 16),
    "infogan": Strided([4, 8], 16, "leaky_relu", batch_norm=True),
    "dcgan": DCGAN(2),
    "dcgan of the RAE": DCGAN(2, symmetric=True, dense_relu=False),
    "sigma_cnn": SigmaCNN(2),
    "resnet": ResNet([4, 8, 8], 16),
    "pooled_resnet": PooledResNet([4, 8]),
    "pooled_resnet without norm": PooledResNet([4, 8], norm="none"),
    "resnet without norm": ResNet([4, 8], 16, weight_norm=False),
}


@pytest.mark.parametrize("shape", [*SHAPES, (1, 13, 10)], ids=str)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_shapes_match_and_every_parameter_learns(net, shape):
    encoder, decoder = net.encoder(shape), net.decoder(3, shape)
    features = encoder(torch.rand((2, *shape), generator=gen()))
    images = decoder(torch.randn((2, 3), generator=gen()))
    assert features.shape == (2, encoder.out_features)
    assert images.shape == (2, *shape)
    (features.square().sum() + images.square().sum()).backward()
    assert all(p.grad is not None for half in (encoder, decoder) for p in half.parameters())


@pytest.mark.parametrize(
    ("net", "shape", "latent_dim", "expected"),
    [
        # β-VAE, table 1: 4096-1200-1200 and 10-1200-1200-1200-4096
        (MLP([1200, 1200], [1200, 1200, 1200], "relu", "tanh"), (1, 64, 64), 10, (6_357_600, 7_814_896)),
        # FactorVAE: 32-32-64-64, 128, and the reverse in the decoder
        (Strided([32, 32, 64, 64], 128), (1, 64, 64), 10, (246_592, 248_833)),
        # VampPrior: two gated layers of 300, each with two linear maps
        (MLP([300, 300], [300, 300], gated=True), (1, 28, 28), 40, (471_000 + 180_600, 24_600 + 180_600 + 235_984)),
        # the code of InfoVAE: 64-128, 1024, and the reverse in the decoder
        (
            Strided([64, 128], 1024), (1, 28, 28), 20,
            (1088 + 131_200 + 6_423_552, 21_504 + 6_428_800 + 131_136 + 1025),
        ),
        # WAE: 128-256-512-1024; 1024·49, 512, 256, 1; two numbers per normalised channel
        (
            DCGAN(128), (1, 28, 28), 8,
            (2176 + 524_544 + 2_097_664 + 8_389_632 + 3840, 451_584 + 8_389_120 + 2_097_408 + 4097 + 1536),
        ),
        # the code of σ-VAE: 32, 64, 128, and the reverse in the decoder
        (SigmaCNN(32), (1, 28, 28), 20, (320 + 32_832 + 204_928, 131_712 + 294_976 + 73_760 + 801)),
        # the code of Soft-IntroVAE: 5×5 to 64; 64-128 with a 1×1; 128-128; two numbers per normalised channel
        (
            PooledResNet([64, 128]), (1, 28, 28), 32,
            (1600 + 128 + 73_728 + 147_456 + 8192 + 512 + 2 * 147_456 + 512,
             33 * 6272 + 2 * 147_456 + 512 + 73_728 + 36_864 + 8192 + 256 + 2 * 36_864 + 256 + 1601),
        ),
    ],
    ids=["higgins", "kim_mnih", "tomczak", "zhao", "tolstikhin", "rybkin", "daniel"],
)  # fmt: skip
def test_parameters_are_as_many_as_by_hand(net, shape, latent_dim, expected):
    halves = net.encoder(shape), net.decoder(latent_dim, shape)
    assert tuple(sum(p.numel() for p in half.parameters()) for half in halves) == expected


@pytest.mark.parametrize("size", [(7, 8), (1, 1), (5, 2), (28, 28)])
@pytest.mark.parametrize("kernel", [3, 4, 5, 6])
def test_halving_rounds_up_and_the_way_back_is_exact(kernel, size):
    half = halvings(size, 1)[1]
    assert half == (-(-size[0] // 2), -(-size[1] // 2))
    smaller = torch.nn.Sequential(*down(1, 2, kernel, size))(torch.rand(1, 1, *size)) if kernel < 6 else None
    assert smaller is None or smaller.shape == (1, 2, *half)
    assert torch.nn.Sequential(*up(2, 1, kernel, size))(torch.rand(1, 2, *half)).shape == (1, 1, *size)


def test_a_gate_shut_lets_nothing_through():
    encoder = MLP([4], [4], gated=True).encoder((1, 2, 2))
    with torch.no_grad():
        encoder.layers[1].bias[4:] = -1e4
    assert (encoder(torch.rand(3, 1, 2, 2)) == 0).all()


def test_only_the_named_networks_hold_running_means():
    held = {
        name: any(isinstance(m, BatchNorm) for half in (net.encoder((1, 28, 28)), net.decoder(3, (1, 28, 28)))
                  for m in half.modules())
        for name, net in NETS.items()
    }  # fmt: skip
    assert {name for name, there in held.items() if there} == {"infogan", "dcgan", "dcgan of the RAE"}


def test_weight_norm_separates_length_per_output():
    block = ResNet([4], 8).decoder(3, (1, 8, 8)).layers[5]
    lengths = block.body[0].parametrizations.weight.original0  # axis 0 of a transposed convolution: inputs
    assert lengths.shape == (1, 4, 1, 1)


@pytest.mark.parametrize("net", [DCGAN(2), Strided([2, 2, 2, 2], 4), ResNet([2, 2, 2, 2], 4), PooledResNet([2] * 4)])
def test_an_image_too_small_to_be_halved_so_often_is_refused(net):
    with pytest.raises(UserError, match=r"images of 4×9 cannot be halved 4 times .* type model=cnn"):
        net.encoder((1, 4, 9))


def test_a_symmetric_dcgan_sees_2x_minus_1_and_its_code_may_stay_negative():
    torch.manual_seed(0)
    plain, symmetric = (DCGAN(2, batch_norm=False, symmetric=on).encoder((1, 16, 16)) for on in (False, True))
    symmetric.load_state_dict(plain.state_dict())
    x = torch.rand((3, 1, 16, 16), generator=gen())
    torch.testing.assert_close(symmetric(x), plain(2 * x - 1))
    bent, straight = (DCGAN(2, dense_relu=on).decoder(3, (1, 16, 16)).layers for on in (True, False))
    assert [type(layer).__name__ for layer in bent[:3]] == ["Linear", "ReLU", "Unflatten"]
    assert [type(layer).__name__ for layer in straight[:2]] == ["Linear", "Unflatten"]
