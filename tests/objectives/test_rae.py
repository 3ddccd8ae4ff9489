import pytest
import torch
from helpers import FlowPosterior, ForbiddenNoise, gen, random_batch, small_model, step, tensor

from vae_lab.errors import UserError
from vae_lab.likelihoods import MSE, Bernoulli
from vae_lab.nets.cnn import CNN
from vae_lab.nets.resnet import ResNet
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.rae import RAE, squared_jacobian, squared_weights
from vae_lab.types import Batch, Step

PENALTIES = ["l2", "gradient"]


def code(model, batch) -> torch.Tensor:
    return model.posterior.mu(model.encoder(batch.x))


def jacobian(model, z: torch.Tensor) -> torch.Tensor:
    """Return the Jacobian of the mean image with respect to the code, for each image: [B, values, D]."""

    def x_hat(one):
        return model.likelihood.mean(model.decode((one[None, None],), None)).flatten()

    return torch.stack([torch.func.jacrev(x_hat)(one) for one in z])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_without_weights_it_is_the_autoencoder(penalty):
    model, batch = small_model(), random_batch()
    ours, plain = RAE(0, 0, penalty)(model, batch, step()), Autoencoder()(model, batch, step())
    assert ours.loss == plain.loss
    assert ours.logs["recon"] == plain.logs["recon"]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_loss_is_the_weighted_sum_of_its_terms(penalty):
    model, batch = small_model(), random_batch()
    terms = RAE(0.2, 3.0, penalty)(model, batch, step())
    recon, half_z2, reg = (terms.logs[name] for name in ("recon", "half_z2", f"penalty_{penalty}"))
    torch.testing.assert_close(terms.loss.detach(), recon + 0.2 * half_z2 + 3 * reg)
    torch.testing.assert_close(half_z2, 0.5 * code(model, batch).square().sum(1).mean().detach())
    assert "kl" not in terms.logs


def test_l2_is_of_the_decoders_weights_alone():
    model = small_model()
    expected = sum(layer.weight.square().sum() for layer in model.decoder.modules() if hasattr(layer, "weight"))
    torch.testing.assert_close(squared_weights(model), expected)
    for p in [*model.encoder.parameters(), *model.posterior.parameters(), model.decoder.layers[0].bias]:
        torch.nn.init.constant_(p, 9.0)
    torch.testing.assert_close(squared_weights(model), expected)


def weight_normed():
    return small_model(net=ResNet([4, 8], 16))


def test_l2_of_weight_normalised_networks_is_that_of_the_weights_in_use():
    model = weight_normed()
    layers = [m for m in model.decoder.modules() if isinstance(m, torch.nn.Linear | torch.nn.modules.conv._ConvNd)]
    assert any(torch.nn.utils.parametrize.is_parametrized(layer) for layer in layers)
    expected = sum(layer.weight.square().sum() for layer in layers)
    torch.testing.assert_close(squared_weights(model), expected)
    lengths = [p for name, p in model.decoder.named_parameters() if name.endswith("original0")]
    torch.testing.assert_close(squared_weights(model), sum(g.square().sum() for g in lengths))  # ‖θ‖² = Σ g²


def test_l2_depends_on_the_function_alone():
    """A direction v that is scaled by 3 is the same function, so the penalty and its gradient to g stay the same."""
    model, other = weight_normed(), weight_normed()
    with torch.no_grad():
        for name, p in other.named_parameters():
            if name.endswith("original1"):
                p.mul_(3)
    z = torch.randn(1, 5, 3, generator=gen())
    torch.testing.assert_close(other.decode((z,), None), model.decode((z,), None))
    torch.testing.assert_close(squared_weights(other), squared_weights(model))
    squared_weights(model).backward()
    for name, p in model.decoder.named_parameters():
        if name.endswith("original0"):
            torch.testing.assert_close(p.grad, 2 * p.detach())
        if name.endswith("original1"):
            torch.testing.assert_close(p.grad, torch.zeros_like(p), atol=1e-5, rtol=0)


class AxisNoise:
    """The d-th unit vector, scaled so that the estimates of all D are the exact norm on average."""

    def __init__(self, d: int) -> None:
        self.d = d

    def normal(self, *shape: int) -> torch.Tensor:
        direction = torch.zeros(shape)
        direction[..., self.d] = shape[-1] ** 0.5
        return direction


@pytest.mark.parametrize("net", [None, CNN(4, 1, 8)], ids=["dense", "cnn"])
@pytest.mark.parametrize("likelihood", [MSE, Bernoulli])
def test_the_gradient_penalty_is_the_norm_of_the_full_jacobian(net, likelihood):
    model, batch = small_model(likelihood(), net=net), random_batch()
    z = code(model, batch)
    exact = jacobian(model, z).square().sum((1, 2)).mean()
    along = [Step(tensor(0), tensor(0), AxisNoise(d), "model", 10) for d in range(3)]
    found = torch.stack([squared_jacobian(model, (z.unsqueeze(0),), None, one) for one in along]).mean()
    torch.testing.assert_close(found, exact)


def test_random_directions_are_right_on_average():
    model, batch = small_model(), random_batch(2)
    z = code(model, batch).detach()
    exact = jacobian(model, z).square().sum((1, 2)).mean()
    many = z.repeat(5000, 1, 1)
    found = squared_jacobian(model, (many,), None, step())
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0)


def test_the_gradient_of_the_penalty_is_that_of_the_full_jacobian():
    model, batch = small_model(), random_batch()
    along = [Step(tensor(0), tensor(0), AxisNoise(d), "model", 10) for d in range(3)]
    found = sum(squared_jacobian(model, (code(model, batch).unsqueeze(0),), None, one) for one in along) / 3
    exact = jacobian(model, code(model, batch)).square().sum((1, 2)).mean()
    parameters = [*model.decoder.parameters(), *model.encoder.parameters()]
    a = torch.autograd.grad(found, parameters, allow_unused=True)
    b = torch.autograd.grad(exact, parameters, allow_unused=True)
    torch.testing.assert_close(a, b)
    assert any(one.abs().max() > 1e-8 for one in a if one is not None)


def test_the_penalty_can_be_computed_where_gradients_are_off():
    model, batch = small_model().eval(), random_batch()
    plain = RAE(0.1, 1.0, "gradient")(model, batch, step()).loss
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert RAE(0.1, 1.0, "gradient")(model, batch, step()).loss == plain


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_single_image_is_enough(penalty):
    terms = RAE(0.1, 1.0, penalty)(small_model(), random_batch(1), step())
    assert torch.isfinite(terms.loss)


def test_only_the_direction_is_random():
    model, batch = small_model(), random_batch()
    l2 = RAE(0.1, 1.0, "l2")
    assert l2(model, batch, step(1)).loss == l2(model, batch, step(2)).loss
    z = torch.randn(1, 5, 3, generator=gen())
    assert squared_jacobian(model, (z,), None, step(1)) != squared_jacobian(model, (z,), None, step(2))
    with pytest.raises(AssertionError, match="noise was drawn"):
        squared_jacobian(model, (z,), None, Step(tensor(0), tensor(0), ForbiddenNoise(), "model", 10))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_flow_is_refused(penalty):
    with pytest.raises(UserError, match="needs a posterior with a mean; type posterior=diagonal"):
        RAE(0.1, 1.0, penalty)(small_model(posterior=FlowPosterior), random_batch(), step())


def test_l2_counts_every_network_that_decodes_and_neither_prior_nor_likelihood():
    model = torch.nn.ModuleDict({name: torch.nn.Linear(2, 3) for name in ("q", "p1", "p0", "prior", "likelihood")})
    model.generation = ("p1.", "p0.", "prior.", "likelihood.")
    expected = model["p1"].weight.square().sum() + model["p0"].weight.square().sum()
    torch.testing.assert_close(squared_weights(model), expected)


def test_the_gradient_penalty_refuses_tokens_whose_mean_has_no_gradient():
    tokens = torch.zeros(2, 6, dtype=torch.long)
    with pytest.raises(UserError, match="tokens has no gradient; type objective=rae_l2"):
        RAE(0.2, 3.0, "gradient")(small_model(), Batch(tokens, tokens, None), step())
