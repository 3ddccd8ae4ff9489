"""Small decoders that have every kind of layer between them, with codes and y to decode."""

import math
from collections.abc import Callable
from functools import partial

import torch
from helpers import gen, small_model
from torch import Tensor, nn

from vae_lab.latents.codes import shape_of
from vae_lab.likelihoods import MSE
from vae_lab.likelihoods.sigma_predicted import SigmaPredicted
from vae_lab.models.hierarchical import Hierarchical
from vae_lab.models.ladder import Ladder
from vae_lab.models.single_level import SingleLevel
from vae_lab.models.vdvae import VDVAE
from vae_lab.models.vq_vae import VQVAE
from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.cnn import CNN
from vae_lab.nets.conv_levels import ConvLevels
from vae_lab.nets.dcgan import DCGAN
from vae_lab.nets.dense import Dense
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.nets.grid_resnet import GridResNet
from vae_lab.nets.mlp import MLP
from vae_lab.nets.pooled_resnet import PooledResNet
from vae_lab.nets.resnet import ResNet
from vae_lab.nets.sigma_cnn import SigmaCNN
from vae_lab.nets.strided import Strided
from vae_lab.noise import SeededNoise
from vae_lab.posteriors import DiagonalNormal
from vae_lab.quantizers.codebook import Codebook

NOISE = partial(SeededNoise, "cpu", 0)
COLOUR = (3, 9, 14)  # one side is odd


def conditional(net, x_shape=COLOUR) -> SingleLevel:
    return SingleLevel(net, DiagonalNormal, MSE(), x_shape, 3, conditional=True, y_size=4)


DECODERS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: small_model(net=Dense(16, 2, "gelu")),
    "gated": lambda: small_model(net=MLP([8], [8, 12], gated=True)),
    "mlp": lambda: small_model(net=MLP([8], [8], decoder_activation="tanh")),
    "cnn": lambda: small_model(x_shape=COLOUR, net=CNN(4, 2, 8)),
    "two parameters per pixel": lambda: small_model(SigmaPredicted(), COLOUR, net=CNN(4, 2, 8, "elu")),
    "batch norm and padding": lambda: small_model(x_shape=(1, 12, 12), net=DCGAN(2)),
    "weight norm": lambda: small_model(x_shape=COLOUR, net=ResNet([4, 6], 8)),
    "group norm and upsampling": lambda: small_model(x_shape=COLOUR, net=PooledResNet([4, 6])),
    "crops": lambda: small_model(x_shape=COLOUR, net=Strided([4, 6], 8, decoder_activation="leaky_relu")),
    "large kernels": lambda: small_model(x_shape=(1, 10, 10), net=SigmaCNN(4)),
    "conditional": lambda: conditional(CNN(4, 2, 8)),
    "two levels": lambda: Hierarchical(DenseLevels([16, 12], 1, "layer"), MSE(), (1, 8, 8), [6, 3]),
    "grids of codes": lambda: Ladder(ConvLevels([4, 6], [2, 4], 1), MSE(), (1, 8, 8), [2, 3]),
    "very deep": lambda: VDVAE(Bottlenecks(4, 2, 1, squeeze_excitation=True), MSE(), (1, 8, 8), [2, 8], [1, 1], [2, 3]),
    "discrete codes": lambda: VQVAE(GridResNet(8, 1, 1), MSE(), Codebook(8, 4), (1, 8, 8)),
}


def made(name: str) -> nn.Module:
    """A decoder away from its start, so that norms and biases matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DECODERS[name]()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=gen(p.numel())))
        for key, value in model.named_buffers():
            if key.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape, generator=gen(1)))
    return model.eval()


def size_of(model: nn.Module) -> int:
    """D, the numbers of a code of the top level."""
    y = torch.zeros(1, 4) if model.conditional else None
    return math.prod(shape_of(model, 0, y, NOISE("shape")))


def inputs_of(model: nn.Module, n: int = 3) -> tuple[Tensor, Tensor | None]:
    """Codes [n, D], and attributes [n, 4] for a conditional model."""
    y = torch.rand(n, 4, generator=gen(7)) if model.conditional else None
    return torch.randn(n, size_of(model), generator=gen(5)), y
