"""The values that weights and biases have before training.

torch draws the weights and biases of a layer from U(−a, a) with a = 1/√fan_in; many published models start otherwise.
An option of ``initialisation=`` draws the weights of all linear and convolutional layers of a model, in the order of
its modules, and sets their biases to 0. What is not such a layer keeps its own start: normalisation, priors, masked
layers, and the children that a module names in its optional attribute ``keeps_initial``, such as the steps of a flow,
which begin as the identity. The optional method ``after_initialisation`` of a module is called once its weights have
been drawn.

``output_bias=data`` sets the bias of the decoder's last layer so that the decoder begins near the mean of the training
data: near the mean of each pixel if that layer is fully connected, and near the mean grey level of each channel if it
is a convolution (:func:`begin_at`).

>>> import torch
>>> _ = torch.manual_seed(0)
>>> layer = torch.nn.Linear(100, 200)
>>> Glorot()(layer)
>>> f"{layer.weight.abs().max():.2f}", layer.bias.abs().max().item()  # the bound is √(6/300) = 0.14
('0.14', 0.0)
"""

import math
from collections.abc import Iterator
from typing import Literal, cast

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.types import Model

OutputBias = Literal["default", "data"]
Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)  # exactly these classes: a subclass may mask its weights


class Initialisation:
    """The default: weights and biases stay as torch drew them.

    Subclasses draw the weights by :meth:`draw`.

    Args:
        output_bias: 'data' sets the bias of the decoder's last layer from the training data (see :func:`begin_at`).
    """

    def __init__(self, output_bias: OutputBias = "default") -> None:
        self.output_bias = output_bias

    def __call__(self, model: nn.Module) -> None:
        """Set the weights and biases of a model in place; draws come from torch's global generator."""
        drawn = False
        for layer in _layers(model):
            weight = self.draw(layer.weight.shape, *_fans(layer))
            if weight is None:
                continue
            drawn = True
            with torch.no_grad():
                if hasattr(layer, "parametrizations"):
                    layer.weight = weight  # sets the direction and the length of a weight-normalised layer
                else:
                    layer.weight.copy_(weight)
                if layer.bias is not None:
                    layer.bias.zero_()
        for module in model.modules() if drawn else ():
            getattr(module, "after_initialisation", lambda: None)()

    def draw(self, shape: torch.Size, fan_in: int, fan_out: int) -> Tensor | None:
        """Draw the weights of a layer; None: they stay as they are.

        Args:
            shape: the shape of the weights.
            fan_in, fan_out: numbers of inputs and outputs of a unit, kernels included.
        """
        return None


class Glorot(Initialisation):
    """Weights from U(−a, a) with a = √(6/(fan_in + fan_out)) (Glorot & Bengio 2010, equation 16), biases 0.

    This is the default of TensorFlow and Keras. It is also called Xavier initialisation.
    """

    def draw(self, shape: torch.Size, fan_in: int, fan_out: int) -> Tensor:
        """Uniform weights."""
        bound = math.sqrt(6 / (fan_in + fan_out))
        return torch.empty(shape).uniform_(-bound, bound)


class He(Initialisation):
    """Weights from N(0, 2/fan_in) (He et al. 2015, arXiv 1502.01852, equation 10), biases 0."""

    def draw(self, shape: torch.Size, fan_in: int, fan_out: int) -> Tensor:
        """Normal weights."""
        return torch.empty(shape).normal_(0, math.sqrt(2 / fan_in))


class NormalWeights(Initialisation):
    """Weights from N(0, std²) in all layers, biases 0.

    Args:
        std: standard deviation of the weights.
        output_bias: see :class:`Initialisation`.
    """

    def __init__(self, std: PositiveFloat, output_bias: OutputBias = "default") -> None:
        super().__init__(output_bias)
        self.std = std

    def draw(self, shape: torch.Size, fan_in: int, fan_out: int) -> Tensor:
        """Normal weights."""
        return torch.empty(shape).normal_(0, self.std)


def begin_at(model: Model, mean: Tensor) -> None:
    """Set the bias of the decoder's last layer from this mean.

    A fully connected layer has a bias for each pixel, which alone would give the mean image. Bernoulli's is logit(mean)
    with the mean clipped to [0.001, 0.999], as in the code of Burda et al. 2016 (github.com/yburda/iwae,
    ``datasets.py``). A convolution has one bias per channel, which alone would give the mean grey level of the channel
    in all pixels.

    Args:
        model: the model, with a ``decoder``.
        mean: the mean of the training examples, [*x_shape].

    Raises:
        UserError: the likelihood or the decoder does not allow it.
    """
    name = type(model.likelihood).__name__
    if not hasattr(model.likelihood, "params_of_mean"):
        raise UserError(f"initialisation.output_bias=data: the likelihood {name} has no mean to begin at; leave it out")
    params = cast(Tensor, model.likelihood.params_of_mean(mean))  # [*params_shape]
    layers = [layer for layer in getattr(model, "decoder", nn.Identity()).modules() if isinstance(layer, _LAYERS)]
    bias = layers[-1].bias if layers else None
    if bias is not None and len(bias) == params.numel():
        values = params.flatten()
    elif bias is not None and len(bias) == len(params):
        values = cast(Tensor, model.likelihood.params_of_mean(mean.mean((1, 2), keepdim=True))).flatten()
    else:
        raise UserError(
            f"initialisation.output_bias=data: {type(model).__name__} has no decoder whose last layer has a bias for "
            "each pixel or channel; leave it out"
        )
    with torch.no_grad():
        bias.copy_(values)


def _layers(module: nn.Module) -> Iterator[Layer]:
    """Yield the layers whose weights are drawn, in the order of the modules."""
    if type(module) in _LAYERS or (hasattr(module, "parametrizations") and isinstance(module, _LAYERS)):
        yield cast(Layer, module)
    for name, child in module.named_children():
        if name not in getattr(module, "keeps_initial", ()) and name != "parametrizations":
            yield from _layers(child)


def _fans(layer: Layer) -> tuple[int, int]:
    """The numbers of inputs and of outputs of a unit, times the pixels of the kernel."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    kernel = math.prod(layer.kernel_size)
    return layer.in_channels // layer.groups * kernel, layer.out_channels // layer.groups * kernel
