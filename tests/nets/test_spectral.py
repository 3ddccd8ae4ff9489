"""Tests of the spectral regularisation against singular values by torch.linalg."""

from itertools import pairwise

import torch
from helpers import gen
from torch import nn

from vae_lab.nets.spectral import SpectralNorms


def convolutions() -> list[nn.Conv2d]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1), nn.Conv2d(3, 5, 3)]


def largest(layer: nn.Conv2d) -> torch.Tensor:
    return torch.linalg.svdvals(layer.weight.flatten(1))[0]


def test_the_sum_and_its_gradient_are_those_of_a_singular_value_decomposition():
    layers = convolutions()
    norms = SpectralNorms(layers, 0.5)
    for _ in range(100):
        ours = norms()
    right = 0.5 * sum(map(largest, layers))
    torch.testing.assert_close(ours, right)
    weights = [layer.weight for layer in layers]
    torch.testing.assert_close(torch.autograd.grad(ours, weights), torch.autograd.grad(right, weights))


def test_an_estimate_is_never_above_the_largest_singular_value_and_improves():
    layers = convolutions()
    norms = SpectralNorms(layers, 1.0)
    values = [norms().item() for _ in range(20)]
    assert all(a <= b + 1e-5 for a, b in pairwise(values))
    assert values[0] < values[-1] <= sum(map(largest, layers)).item() + 1e-5


def test_the_layers_stay_parts_of_the_model_alone_and_the_state_is_saved():
    norms = SpectralNorms(convolutions(), 1.0)
    assert list(norms.parameters()) == []
    assert {name: tuple(u.shape) for name, u in norms.state_dict().items()} == {"u0": (2, 5, 1), "u1": (1, 4, 1)}


def test_the_state_is_replaced_and_not_changed_in_place():
    norms = SpectralNorms(convolutions(), 1.0)
    before = norms.u0
    copy = before.clone()
    norms()
    assert torch.equal(before, copy)
    assert not torch.equal(norms.u0, copy)


def test_stacked_layers_have_their_own_singular_values():
    layer = nn.Conv2d(2, 3, 1)
    norms = SpectralNorms([layer], 1.0)
    model = nn.ModuleDict({"layer": layer, "norms": norms})
    weights = torch.randn(4, 3, 2, 1, 1, generator=gen())

    def value(weight, u):
        state = {"model.layer.weight": weight, "model.norms.u0": u}
        return torch.func.functional_call(_Call(model), state, ())

    u = nn.functional.normalize(torch.randn(4, 1, 3, 1, generator=gen(1)), dim=2)
    ours = torch.vmap(value)(weights, u)
    single = torch.stack([value(weights[i], u[i]) for i in range(4)])
    torch.testing.assert_close(ours, single)


class _Call(nn.Module):
    """Calls the norms of a model whose layers are replaced by ``functional_call``."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self):
        return self.model["norms"]()
