"""Tests of the networks of priors over codes: which codes the logits of a code depend on."""

import pytest
import torch
from helpers import gen

from vae_lab.nets.causal_transformer import CausalTransformer
from vae_lab.nets.code_grid import CodeGrid
from vae_lab.nets.gated_pixelcnn import GatedPixelCNN
from vae_lab.nets.pixelsnail import PixelSNAIL

NETWORKS = {
    "transformer": lambda *codes: CausalTransformer(*codes, channels=8, layers=2, heads=2),
    "pixelcnn": lambda *codes: GatedPixelCNN(*codes, channels=8, layers=5, kernel=3),
    "pixelsnail": lambda *codes: PixelSNAIL(*codes, channels=8, blocks=2, layers=1, kernel=3, heads=2),
}
EACH = pytest.mark.parametrize("name", NETWORKS)
SHAPES = pytest.mark.parametrize("shape", [(5, 4), (3, 5, 2), (6,), (1, 1)])
ABOVE = (CodeGrid.of((2, 2), 3), CodeGrid.of((3, 2, 2), 4))


def made(name: str, shape, above=(), y_size=0):
    torch.manual_seed(0)
    network = NETWORKS[name](CodeGrid.of(shape, 7), above, y_size)
    for parameter in network.parameters():  # the logits are 0 before training
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=gen())
    return network.eval()


def drawn(grid: CodeGrid, n: int = 3) -> torch.Tensor:
    return torch.randint(grid.codes, (n, *grid.shape), generator=gen(grid.positions))


@EACH
@SHAPES
@pytest.mark.parametrize("given", [False, True])
def test_logits_depend_on_every_earlier_code_and_on_no_other(name, shape, given):
    network = made(name, shape, ABOVE if given else (), 4 if given else 0)
    grid = network.grid
    y = torch.tensor([0, 1, 3]) if given else None
    of_y, of_top = network.context.vector(y), network.context.map([drawn(level) for level in network.context.above])
    vectors = network.embed(grid.placed(drawn(grid))).detach().requires_grad_()
    features = network.features(vectors, of_y, of_top).flatten(1, 2)
    for t in range(grid.positions):
        weights = torch.randn(features[:, t].shape, generator=gen(t))
        (gradient,) = torch.autograd.grad((features[:, t] * weights).sum(), vectors, retain_graph=True)
        reached = gradient.flatten(1, 2).abs().sum((0, 2)) > 0
        assert reached.tolist() == [s < t for s in range(grid.positions)]


@EACH
def test_codes_of_a_position_depend_on_those_before_them(name):
    network = made(name, (2, 2, 3))
    codes = drawn(network.grid, 1)
    before = network(codes).flatten(1, 3)
    for s in range(12):  # rows, columns, then depth
        changed = codes.flatten(1).clone()
        changed[0, s] = (changed[0, s] + 1) % 7
        after = network(changed.view_as(codes)).flatten(1, 3)
        differs = (before - after).abs().amax((0, 2)) > 0
        assert differs.tolist() == [t > s for t in range(12)]


@EACH
@SHAPES
@pytest.mark.parametrize("given", [False, True])
def test_one_position_after_the_other_gives_the_same_features(name, shape, given):
    network = made(name, shape, ABOVE if given else (), 4 if given else 0)
    y, top = (torch.tensor([0, 1, 3]) if given else None), [drawn(level) for level in network.context.above]
    codes = network.grid.placed(drawn(network.grid))
    written = torch.zeros_like(codes)
    with torch.no_grad():
        whole = network.features(network.embed(codes), network.context.vector(y), network.context.map(top))
        for t, features in enumerate(network.in_turn(written, top, y)):
            torch.testing.assert_close(features, whole.flatten(1, 2)[:, t], rtol=1e-4, atol=1e-4)
            row, column = divmod(t, network.grid.width)
            written[:, row, column] = codes[:, row, column]


@EACH
def test_labels_attributes_and_upper_levels_count(name):
    network, codes = made(name, (3, 3), ABOVE, 2), drawn(CodeGrid.of((3, 3), 7), 1)
    top = [drawn(level, 1) for level in ABOVE]
    base = network(codes, top, torch.tensor([0]))
    torch.testing.assert_close(network(codes, top, torch.tensor([[1.0, 0.0]])), base)
    for other in ((top, torch.tensor([1])), ([(top[0] + 1) % 3, top[1]], torch.tensor([0]))):
        assert not torch.allclose(network(codes, *other)[0, 0, 0], base[0, 0, 0])
    with pytest.raises(ValueError, match="needs y"):
        network(codes, top, None)


@EACH
def test_logits_are_uniform_before_training(name):
    network = NETWORKS[name](CodeGrid.of((2, 3), 5), (), 0)
    assert network(drawn(network.grid)).abs().max() == 0


def test_a_grid_of_four_axes_is_refused():
    with pytest.raises(Exception, match=r"\[2, 2, 2, 2\] are no grid"):
        CodeGrid.of((2, 2, 2, 2), 5)
