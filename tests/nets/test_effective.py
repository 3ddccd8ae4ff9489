import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from vae_lab.nets.effective import count_effective, effective_parameters
from vae_lab.nets.made import MADE, MaskedLinear


def test_plain_networks_have_their_parameters():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    found, expected = dict(effective_parameters(net)), dict(net.named_parameters())
    assert found.keys() == expected.keys()
    assert all(found[name] is p for name, p in expected.items())
    assert count_effective(net) == sum(p.numel() for p in net.parameters()) == 3 * 4 + 4 + 8 + 4 * 2 + 2


def test_a_weight_normalised_layer_has_the_weight_that_it_computes():
    net = nn.Sequential(weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 2))
    found = dict(effective_parameters(net))
    assert set(found) == {"0.bias", "0.weight", "2.weight", "2.bias"}
    parts = net[0].parametrizations.weight
    g, v = parts.original0, parts.original1
    torch.testing.assert_close(found["0.weight"], g * v / v.norm(dim=1, keepdim=True))
    assert count_effective(net) == 3 * 4 + 4 + 4 * 2 + 2
    with torch.no_grad():
        assert count_effective(net) == 26


def test_masked_weights_are_0_and_do_not_count():
    layer = MaskedLinear(torch.tensor([[True, False, False], [True, True, False]]))
    found = dict(effective_parameters(layer))
    assert torch.equal(found["weight"] != 0, layer.mask.bool())
    assert count_effective(layer) == 3 + 2
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), x @ found["weight"].T + found["bias"])


def test_frozen_and_shared_weights_count_as_they_are_trained():
    net = nn.Sequential(nn.Linear(3, 3), weight_norm(nn.Linear(3, 3)), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    assert count_effective(net) == 9 + 9 + 3 * 3
    net[1].requires_grad_(False)
    assert count_effective(net) == 9 + 3 * 2


def test_a_made_of_two_dimensions_counts_the_paths_that_exist():
    """One hidden layer of 4 units that see dimension 1; the outputs of dimension 2 see them, those of 1 see nothing."""
    assert count_effective(MADE(2, width=4, outputs=1)) == (4 + 4) + (4 + 2)


def test_decay_of_length_and_direction_is_decay_of_the_weight():
    """Decoupled decay multiplies g and v by 1 − rate, which multiplies θ = g v/‖v‖ by 1 − rate."""
    layer = weight_norm(nn.Linear(3, 4))
    before = layer.weight.detach().clone()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.5)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(layer.weight, 0.95 * before)
