from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, FlowPosterior, labelled, random_batch, small_model, step

from vae_lab.likelihoods import Bernoulli, Gaussian, Sigma
from vae_lab.metrics.common import image_terms as module
from vae_lab.metrics.common.image_terms import image_terms
from vae_lab.objectives.elbo import ELBO

PLAIN = SimpleNamespace(variational=False)


def trained(model=None, **given) -> FakeTrained:
    return FakeTrained(labelled(12, (model or small_model()).x_shape), model=(model or small_model()).eval(), **given)


@pytest.mark.parametrize("likelihood", [None, Bernoulli(), Gaussian(0.3), Sigma()])
def test_the_mean_over_images_is_the_objectives_elbo(likelihood):
    """With the same noise; z of many images at once is drawn in the same order as here."""
    model = small_model(likelihood).eval()
    batch = random_batch(30)
    terms = image_terms(trained(model), [batch.x], "elbo", 8)
    objective = ELBO(1.0, 1.0, 8, "B", lambda kl, _: kl)
    with torch.no_grad():
        drawn = step()
        drawn.noise = trained().noise("elbo")
        logs = objective(model, batch, drawn).logs
    assert terms.recon.mean().item() == pytest.approx(logs["recon"].item(), rel=1e-5)
    assert terms.kl.mean().item() == pytest.approx(logs["kl"].item(), rel=1e-5)
    assert -terms.anomaly.mean().item() == pytest.approx(logs["elbo"].item(), rel=1e-5)


def test_blocks_do_not_change_which_image_is_which(monkeypatch):
    made = trained(objective=PLAIN)
    x = random_batch(30).x
    whole = image_terms(made, [x], "a", 4).recon
    monkeypatch.setattr(module, "AT_ONCE", 7)
    torch.testing.assert_close(image_terms(made, x.split(11), "a", 4).recon, whole)


def test_an_autoencoder_has_recon_alone_and_draws_nothing_into_it():
    made = trained(objective=PLAIN)
    first, again = (image_terms(made, [random_batch().x], purpose, 5) for purpose in ("one", "two"))
    assert torch.equal(first.recon, again.recon)
    assert first.kl is None
    assert set(first.by_name) == {"recon"}
    assert torch.equal(first.anomaly, first.recon)


def test_the_noise_depends_on_the_purpose_alone():
    x = random_batch().x
    first, again, other = (image_terms(trained(), [x], purpose, 2) for purpose in ("a", "a", "b"))
    assert torch.equal(first.recon, again.recon)
    assert not torch.equal(first.recon, other.recon)


def test_a_posterior_without_a_mean_is_scored_by_its_draws():
    terms = image_terms(trained(small_model(posterior=FlowPosterior)), [random_batch().x], "a", 6)
    assert torch.isfinite(terms.anomaly).all()
    assert terms.kl.shape == (5,)


def test_an_image_whose_terms_overflow_is_the_most_anomalous():
    class Breaks(torch.nn.Module):
        def forward(self, x):
            return torch.where(x.flatten(1)[:, :1] > 0.5, float("nan"), 0.0).expand(-1, 16)

    model = small_model()
    model.encoder = Breaks()
    x = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    terms = image_terms(trained(model), [x], "a", 2)
    assert terms.recon[0] < 1e6
    assert terms.recon[1] == terms.kl[1] == 1e300


def test_the_deterministic_path_asks_for_no_more_than_one_draw():
    model = small_model()
    model.infer = lambda x, y, k, noise: calls.append(k) or type(model).infer(model, x, y, k, noise)
    calls: list[int] = []
    image_terms(trained(model, objective=PLAIN), [random_batch().x], "a", 9)
    assert calls == [1]
