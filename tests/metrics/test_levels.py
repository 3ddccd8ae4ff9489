"""Tests of the scores of every level of a hierarchy."""

import pytest
import torch

from vae_lab.config.composing import composer
from vae_lab.evaluation.trained import Evaluation
from vae_lab.likelihoods import MSE
from vae_lab.metrics.latent_use import LatentUse
from vae_lab.metrics.levels import Levels
from vae_lab.runs.build import make_data, make_job

WORDS = ["model=ladder", "model.latent_dims=[4,3,2]", "model.net.widths=[16,12,8]", "likelihood=bernoulli",
         "dataset=digits", "dataset.limit=16", "batch_size=8", "epochs=1"]  # fmt: skip


@pytest.fixture
def trained():
    with composer(WORDS) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values).eval()
    return Evaluation(job, data, 0, torch.device("cpu"))


def test_the_kl_of_the_levels_adds_up_to_the_kl(trained):
    found = Levels(images=50)(trained)
    total = sum(found.values[f"kl_level{i}"] for i in (1, 2, 3))
    assert total == pytest.approx(trained.kl().sum(1).mean().item(), rel=1e-5)
    assert [row["level"] for row in found.arrays["levels"]] == [3, 2, 1]
    assert found.arrays["levels"][-1]["rate_of_top"] == pytest.approx(total, rel=1e-5)
    assert found.values["kl_level3"] == pytest.approx(trained.kl(level=0).sum(1).mean().item(), rel=1e-5)


def test_with_all_levels_from_q_the_reconstruction_is_that_of_the_elbo(trained):
    found = Levels(images=50)(trained)
    batch = next(trained.data.batches("test", 50))
    latents = trained.model.infer(batch.x, batch.y, 1, trained.noise("upper levels"))
    expected = -trained.model.likelihood.log_prob(trained.model.decode(latents.z, None), batch.target).mean()
    assert found.arrays["levels"][-1]["recon_of_top"] == pytest.approx(expected.item(), rel=1e-5)
    assert set(found.values) >= {"recon_top1", "recon_top2"}


def test_the_rate_of_the_top_is_the_kl_of_these_levels(trained):
    found = Levels(images=10)(trained)
    kl = [found.values[f"kl_level{i}"] for i in (3, 2, 1)]
    assert [found.values[f"rate_top{k}"] for k in (1, 2)] == pytest.approx([kl[0], kl[0] + kl[1]])
    assert "rate_top3" not in found.values  # it is ``kl``
    assert found.meanings["rate_top1"] == "KL of the top level alone, nats per image"
    assert found.meanings["recon_top2"].endswith("with the top 2 levels from q and the others from p")


def test_levels_below_the_threshold_are_called_empty(trained):
    kl = Levels(images=10, empty=0)(trained)
    assert not kl.notes
    (low, lowest), (_, middle), _ = sorted((kl.values[f"kl_level{i}"], i) for i in (1, 2, 3))
    note = Levels(images=10, empty=low + 1e-6)(trained).notes[0]
    assert note.startswith(f"Level {lowest} of 3 is empty")
    note = Levels(images=10, empty=kl.values[f"kl_level{middle}"] + 1e-6)(trained).notes[0]
    first, second = sorted((lowest, middle))
    assert note.startswith(f"Levels {first}, {second} of 3 are empty")


def test_below_the_top_a_unit_is_active_by_its_kl(trained):
    active = Levels(images=10)(trained).values
    for level, index in ((2, 1), (1, 2)):
        kl = trained.kl(level=index).mean(0)
        assert active[f"active_units_level{level}"] == int((kl > 0.01).sum())


def test_codes_have_no_active_units_and_the_levels_below_are_drawn_from_the_fitted_prior():
    with composer(["model=vq_vae_2", *WORDS[3:]]) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values).eval()
    trained = Evaluation(job, data, 0, torch.device("cpu"))
    kept = []

    class Zeros:
        def sample(self, n, noise, y=None, top=(), temperature=(1.0,)):
            kept.append(len(top))
            shapes = trained.model.latent_shapes[len(top) :]
            return (*top, *(torch.zeros(n, *shape, dtype=torch.long) for shape in shapes))

    trained.prior = Zeros()
    found = Levels(images=20)(trained)
    assert not [name for name in found.values if name.startswith("active_units")]
    assert kept == [1, 2]
    assert "active" not in found.protocol["levels"]


def test_the_meanings_state_the_criterion_and_the_unit(trained):
    found = Levels(images=10)(trained)
    assert found.meanings["active_units_level3"] == "active dimensions of level 3: variance of the mean above 0.01"
    assert found.meanings["active_units_level1"] == "active dimensions of level 1: KL above 0.01 nats"
    assert found.protocol["levels"]["active"] == "top: variance of the mean above 0.01; below: KL above 0.01 nats"
    assert found.meanings["recon_top1"].startswith("recon, nats per image, ")
    trained.model.likelihood = MSE()
    assert Levels(images=10)(trained).meanings["recon_top1"].startswith("recon, sum of squared errors per image, ")


def test_both_metrics_of_the_latent_space_count_the_same_units(trained):
    levels, use = Levels(images=10)(trained), LatentUse()(trained)
    assert use.values["active_units"] == sum(levels.values[f"active_units_level{i}"] for i in (1, 2, 3))
    told = "active dimensions: variance of the mean above 0.01; below the top, KL above 0.01 nats"
    assert use.meanings["active_units"] == told
