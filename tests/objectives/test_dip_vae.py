import pytest
import torch
from helpers import FlowPosterior, random_batch, small_model, step

from vae_lab.errors import UserError
from vae_lab.objectives.dip_vae import DIPVAE, covariance, penalties
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant, Linear
from vae_lab.types import Normal


def dip(lambda_od=0.0, lambda_d=0.0, of="means", k1=1.0, k2=1.0, samples=1, schedule=None) -> DIPVAE:
    return DIPVAE(k1, k2, lambda_od, lambda_d, of, samples, schedule or Constant())


@pytest.mark.parametrize("of", ["means", "codes"])
@pytest.mark.parametrize(("k1", "k2", "samples"), [(1, 1, 1), (0.5, 4, 1), (1, 1, 3)])
def test_without_penalties_it_is_the_elbo(of, k1, k2, samples):
    model, batch = small_model(), random_batch()
    ours = dip(of=of, k1=k1, k2=k2, samples=samples, schedule=Linear(10))(model, batch, step(epoch=5))
    elbo = ELBO(k1, k2, samples, "B", Linear(10))(model, batch, step(epoch=5))
    torch.testing.assert_close(ours.loss, elbo.loss)
    assert {name: ours.logs[name] for name in elbo.logs} == elbo.logs


def posteriors_of(model, batch) -> Normal:
    """Their moments, [B, D] each."""
    q = model.infer(batch.x, None, 1, step().noise).q[0]
    return Normal(q.mu[0], q.log_var[0])


def test_the_covariances_are_those_of_torch():
    q = posteriors_of(small_model(), random_batch(30))
    means = torch.cov(q.mu.T, correction=0)
    torch.testing.assert_close(covariance(q, of_codes=False), means)
    torch.testing.assert_close(covariance(q, of_codes=True), means + torch.diag(q.log_var.exp().mean(0)))


def test_the_covariance_of_codes_is_that_of_samples():
    q = Normal(torch.tensor([[0.0, 1.0], [2.0, -1.0], [1.0, 3.0]]), torch.tensor([[0.0, -1], [0.5, 0], [-1, -2]]))
    eps = torch.randn(200_000, 3, 2, generator=torch.Generator().manual_seed(0))
    z = (q.mu + torch.exp(0.5 * q.log_var) * eps).flatten(0, 1)
    torch.testing.assert_close(covariance(q, of_codes=True), torch.cov(z.T), atol=0.02, rtol=0)


def test_the_penalties_of_a_known_matrix():
    off_diagonal, diagonal = penalties(torch.tensor([[3.0, 0.5, 0.0], [0.5, 1.0, -1.0], [0.0, -1.0, 0.0]]))
    assert off_diagonal.item() == pytest.approx(2 * (0.25 + 1))
    assert diagonal.item() == pytest.approx(4 + 0 + 1)


def test_the_loss_adds_both_penalties_with_their_weights():
    model, batch = small_model(), random_batch(30)
    plain, ours = dip()(model, batch, step()), dip(10, 100)(model, batch, step())
    added = 10 * ours.logs["off_diagonal"] + 100 * ours.logs["diagonal"]
    torch.testing.assert_close(ours.loss.detach(), plain.loss.detach() + added)
    assert ours.logs == plain.logs


@pytest.mark.parametrize("of", ["means", "codes"])
def test_a_single_image_gives_finite_numbers_and_gradients(of):
    model = small_model()
    terms = dip(10, 100, of)(model, random_batch(1), step())
    terms.loss.backward()
    assert torch.isfinite(torch.stack([terms.loss.detach(), *terms.logs.values()])).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("of", ["means", "codes"])
def test_training_on_the_penalties_brings_the_covariance_to_the_identity(of):
    model, batch = small_model(), random_batch(64)
    objective = dip(1, 1, of, k1=0, k2=0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        objective(model, batch, step()).loss.backward()
        optimizer.step()
    q = posteriors_of(model, batch)
    torch.testing.assert_close(covariance(q, of == "codes"), torch.eye(3), atol=0.05, rtol=0)


def test_a_flow_is_refused_under_the_name_that_was_typed():
    for of, name in (("means", "dip_vae_i"), ("codes", "dip_vae_ii")):
        with pytest.raises(UserError, match=f"objective={name} needs posterior=diagonal"):
            dip(of=of)(small_model(posterior=FlowPosterior), random_batch(), step())
