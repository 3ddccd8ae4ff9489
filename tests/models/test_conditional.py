import pytest
import torch
from helpers import ForbiddenNoise, GivenNoise, gen, labelled, random_batch, small_model, step
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.metrics.nll import log_weights
from vae_lab.nets.cnn import CNN
from vae_lab.nets.condition import Condition
from vae_lab.nets.dense import Dense
from vae_lab.noise import SeededNoise
from vae_lab.objectives.elbo import ELBO
from vae_lab.types import Batch

NETS = [Dense(16, 1), CNN(4, 2, 16)]
LABELS = torch.tensor([0, 3, 1, 1, 2])
ATTRIBUTES = torch.rand(5, 4, generator=gen(1))
Y = pytest.mark.parametrize("y", [LABELS, ATTRIBUTES], ids=["labels", "attributes"])
NET = pytest.mark.parametrize("net", NETS, ids=["dense", "cnn"])


def conditional(net=None, **more):
    return small_model(net=net, conditional=True, y_size=4, **more)


def told(y=LABELS) -> Batch:
    batch = random_batch(len(y))
    return Batch(batch.x, batch.target, y)


def means_of(model, x, y):
    return model.infer(x, y, 1, SeededNoise("cpu", 0)).q[0].mu[0]


def test_labels_are_one_hot_and_attributes_stay_as_they_are():
    condition = Condition((1, 8, 8), 4)
    assert condition.encoded(LABELS).tolist() == [[float(i == y) for i in range(4)] for y in LABELS]
    assert condition.encoded(LABELS).dtype == torch.float32
    assert torch.equal(condition.encoded(ATTRIBUTES), ATTRIBUTES)


def test_the_channel_beside_the_image_is_a_linear_map_of_y():
    condition, x = Condition((3, 9, 11), 4), torch.rand(5, 3, 9, 11)
    seen = condition.beside_image(x, LABELS)
    assert seen.shape == (5, *condition.seen_shape) == (5, 4, 9, 11)
    assert torch.equal(seen[:, :3], x)
    expected = condition.picture.weight[:, LABELS].T + condition.picture.bias
    torch.testing.assert_close(seen[:, 3].flatten(1), expected)


def test_y_stands_beside_every_sample_of_its_image():
    z = torch.randn(3, 5, 2)
    code = Condition((1, 8, 8), 4).beside_code(z, LABELS)
    assert torch.equal(code[..., :2], z)
    assert torch.equal(code[..., 2:], F.one_hot(LABELS, 4).float().expand(3, 5, 4))


@Y
@NET
def test_y_changes_the_posterior_and_the_output_of_its_own_image_alone(net, y):
    model, x, z = conditional(net), random_batch().x, torch.randn(2, 5, 3, generator=gen())
    other = y.clone()
    other[1] = 2 if y.ndim == 1 else 1 - y[1]
    mu, changed_mu = (means_of(model, x, given) for given in (y, other))
    out, changed_out = (model.decode((z,), given) for given in (y, other))
    for before, after in ((mu, changed_mu), (out.transpose(0, 1), changed_out.transpose(0, 1))):
        differs = (before != after).flatten(1).any(1)
        assert differs.tolist() == [False, True, False, False, False]


@Y
@NET
def test_the_gradient_reaches_y_through_both_networks(net, y):
    model = conditional(net)
    ELBO(1.0, 1.0, 1, "B", lambda kl, _: kl)(model, told(y), step()).loss.backward()
    assert (model.condition.picture.weight.grad.abs().sum(0) > 0).all()  # every class and attribute, by the encoder
    first = next(layer for layer in model.decoder.modules() if isinstance(layer, torch.nn.Linear))
    assert (first.weight.grad[:, 3:].abs().sum(0) > 0).all()


@Y
@NET
def test_several_samples_per_image_are_the_same_as_one_after_the_other(net, y):
    model, batch = conditional(net).eval(), told(y)
    eps = torch.randn(3, 5, 3, generator=gen())
    together = model.infer(batch.x, y, 3, GivenNoise(eps), densities=True)
    params = model.decode(together.z, y)
    assert params.shape == (3, 5, 1, 8, 8)
    for i in range(3):
        alone = model.infer(batch.x, y, 1, GivenNoise(eps[i : i + 1]), densities=True)
        torch.testing.assert_close(together.log_q[i], alone.log_q[0])
        torch.testing.assert_close(params[i], model.decode(alone.z, y)[0])
    assert log_weights(model, batch, 7, SeededNoise("cpu", 0)).shape == (7, 5)


def test_the_prior_is_the_same_for_every_y():
    model = conditional()
    z = torch.randn(2, 5, 3)
    assert torch.equal(model.log_prior((z,), LABELS), model.log_prior((z,), LABELS.flip(0)))
    draws = [model.prior_sample(5, y, SeededNoise("cpu", 0))[0] for y in (LABELS, LABELS.flip(0))]
    assert torch.equal(*draws)


def test_the_pseudo_inputs_of_a_conditional_model_have_the_channel_of_y():
    class OfPosteriors(torch.nn.Module):
        standard = False

        def __init__(self, latent_dim, x_shape):
            super().__init__()
            self.u = torch.nn.Parameter(torch.rand(6, *x_shape))

        def log_prob(self, z, encode):
            return torch.zeros(z.shape[:2]) + encode(self.u).mu.mean()

    model = conditional(prior=OfPosteriors)
    assert model.prior.u.shape == (6, 2, 8, 8)
    assert model.log_prior((torch.randn(2, 5, 3),), LABELS).shape == (2, 5)


@pytest.mark.parametrize(
    "call",
    [lambda model: model.infer(random_batch().x, None, 1, ForbiddenNoise()),
     lambda model: model.decode((torch.zeros(1, 5, 3),), None)],
    ids=["infer", "decode"],
)  # fmt: skip
def test_a_conditional_model_without_y_is_a_mistake_of_the_program(call):
    with pytest.raises(TypeError, match="needs y: long"):
        call(conditional())


def test_attributes_of_another_number_and_unknown_labels_are_mistakes_too():
    with pytest.raises(ValueError, match=r"\[5, 3\]; this model takes 4 attributes"):
        conditional().decode((torch.zeros(1, 5, 3),), ATTRIBUTES[:, :3])
    with pytest.raises(RuntimeError):
        conditional().decode((torch.zeros(1, 5, 3),), LABELS + 2)


def test_a_dataset_without_labels_is_refused():
    with pytest.raises(UserError, match="conditional=true: this dataset has no labels"):
        small_model(conditional=True)


def test_an_unconditional_model_has_no_more_parameters_and_does_not_read_y():
    model, plain = small_model(y_size=4), small_model()
    assert not model.conditional
    assert list(model.state_dict()) == list(plain.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters()))
    x, z = random_batch().x, torch.zeros(1, 5, 3)
    assert torch.equal(means_of(model, x, LABELS), means_of(plain, x, None))
    assert torch.equal(model.decode((z,), ATTRIBUTES), plain.decode((z,), None))


def test_conditional_jobs_stack():
    models = [small_model(conditional=True, y_size=3) for _ in range(2)]
    with torch.no_grad():
        models[1].decoder.layers[0].weight.mul_(2)
    state = stack_module_state(models)
    y = labelled(5).labels
    x, objective = random_batch().x, ELBO(1.0, 1.0, 1, "B", lambda kl, _: kl)

    class Job(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self):
            return objective(self.model, Batch(x, x, y), step()).loss

    bare = Job(models[0])
    named = [{f"model.{key}": value for key, value in part.items()} for part in state]
    losses = vmap(lambda p, b: functional_call(bare, (p, b)), randomness="same")(*named)
    torch.testing.assert_close(losses, torch.stack([Job(model)() for model in models]))
