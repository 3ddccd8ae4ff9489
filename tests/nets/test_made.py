import pytest
import torch
from helpers import gen
from torch import nn

from vae_lab.nets.made import MADE


def jacobians(made, context=None, seed=0):
    """The Jacobian of each output with respect to the inputs: [outputs, D, D]."""
    draws = gen(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draws))
    x = torch.randn(made.dims, generator=gen(seed + 1))
    return torch.func.jacrev(lambda x: made(x, context))(x)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("dims", [1, 2, 5])
def test_an_output_depends_on_all_inputs_before_it_and_on_no_other(dims, depth):
    for jacobian in jacobians(MADE(dims, 40, depth, act="tanh")):
        assert torch.equal(jacobian != 0, torch.ones(dims, dims).tril(-1).bool())


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 0, 3, 1]])
def test_an_output_depends_on_the_inputs_before_it_in_the_order(order):
    places = torch.tensor(order)
    for jacobian in jacobians(MADE(4, 40, 2, order=order, act="tanh")):
        assert torch.equal(jacobian != 0, places[:, None] > places)


def test_a_network_narrower_than_the_input_stays_autoregressive():
    for jacobian in jacobians(MADE(9, 4, 2, act="tanh")):
        assert torch.equal(jacobian, jacobian.tril(-1))
        assert jacobian.any()


def test_every_output_depends_on_the_context_also_the_first():
    made = MADE(3, 30, 2, outputs=2, context=4, act="tanh")
    jacobians(made, torch.zeros(4))  # called because it sets random weights
    context = torch.randn(4, generator=gen())
    assert (torch.func.jacrev(lambda c: made(torch.zeros(3), c))(context) != 0).all()


def test_one_context_serves_many_samples():
    made = MADE(3, 30, 2, outputs=2, context=4)
    x, context = torch.randn(7, 5, 3, generator=gen()), torch.randn(5, 4, generator=gen(1))
    out = made(x, context)
    assert out.shape == (7, 5, 2, 3)
    torch.testing.assert_close(out[6, 2], made(x[6, 2], context[2]))


def test_an_order_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="permutation"):
        MADE(3, 10, order=[0, 0, 2])


def test_networks_can_be_stacked():
    several = [MADE(3, 10, 2, context=2, order=[2, 1, 0]) for _ in range(4)]
    weights, buffers = torch.func.stack_module_state(several)
    x, context = torch.randn(5, 3, generator=gen()), torch.randn(5, 2, generator=gen(1))

    def call(weights, buffers):
        return torch.func.functional_call(several[0], (weights, buffers), (x, context))

    together = torch.vmap(call)(weights, buffers)
    torch.testing.assert_close(together, torch.stack([made(x, context) for made in several]))


def test_masked_weights_do_not_learn():
    made = MADE(3, 10, 2, act="tanh")
    made(torch.randn(8, 3, generator=gen())).square().sum().backward()
    for layer in made.modules():
        if isinstance(layer, nn.Linear):
            assert (layer.weight.grad[layer.mask == 0] == 0).all()
