"""Tests that each job of a stack trains as it would alone: the same losses under Adam, the same weights under SGD."""

import pytest
import torch
from helpers import curves_of, weights_of
from stacked_runs import LOGGED, NETS, jobs_of, losses, train_alone, train_together

WEIGHTS = ["beta=1 seed=0 {a}", "beta=4 seed=1 {b}", "k1=0.5 k2=2 seed=0 {a}"]
WARM = [f"{line} beta_schedule=linear beta_schedule.epochs={n}" for line, n in zip(WEIGHTS, (0.5, 1, 2))]
OF = {
    "elbo": ([], WARM),
    "elbo, free bits": (["training.clip=1"], [f"{w} objective.free_bits={n}" for w, n in zip(WEIGHTS, (0.1, 0.5, 1))]),
    "sigma": (["likelihood=sigma", "training.accumulate=4"], WARM),
    "iwae": (["objective=iwae", "objective.samples=3"],
             ["seed=0 {a}", "seed=1 {b} objective.elbo_share=0.3", "seed=2 {a}"]),
    "info_vae": (["objective=info_vae"],
                 ["seed=0 {a} objective.scale=5", "seed=0 {b} objective.alpha=-1", "seed=0 {a}"]),
    "factor_vae": (["objective=factor_vae", "objective.width=10", "objective.depth=2"],
                   [f"{w} objective.gamma={n}" for w, n in zip(WEIGHTS, (1, 20, 35))]),
    "factor_vae, 3 steps": (["objective=factor_vae", "objective.width=10", "objective.depth=2",
                             "objective.discriminator_steps=3"],
                            [f"{w} objective.gamma={n}" for w, n in zip(WEIGHTS, (1, 20, 35))]),
    "soft_intro_vae": (["objective=soft_intro_vae"],
                       [f"{w} objective.beta_neg={n}" for w, n in zip(WEIGHTS, (4, 16, 64))]),
    "intro_vae": (["objective=intro_vae", "likelihood=sigma"],
                  [f"{w} objective.margin={n} objective.vae_epochs={n % 2 / 2}" for w, n in zip(WEIGHTS, (4, 21, 8))]),
}  # fmt: skip


def both(tmp_path, name, net, **rates):
    words, each = OF[name]
    words, each = [*words, *NETS[net], *rates.pop("words", [])], [line.format(**rates) for line in each]
    alone, stacked = jobs_of(tmp_path / "alone", words, each), jobs_of(tmp_path / "stack", words, each)
    train_alone(alone)
    ended, apart = train_together(stacked)
    assert {outcome.status for outcome in ended.values()} == {"finished"}
    assert apart == []
    return list(zip(alone, stacked))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", OF)
def test_losses_of_30_steps_under_adam(tmp_path, name, net):
    for alone, stacked in both(tmp_path, name, net, a="lr=1e-3", b="lr=3e-4"):
        assert len(losses(alone)) == (8 if "accumulate" in str(OF[name]) else 30)  # 30 batches in groups of 4
        assert losses(stacked) == pytest.approx(losses(alone), rel=1e-5)
        for (step, ours), (theirs_step, theirs) in zip(LOGGED[stacked.folder], LOGGED[alone.folder], strict=True):
            assert (step, list(ours)) == (theirs_step, list(theirs))


OTHERS = {
    "pixels drawn anew": ["model=dense", "dataset.binarize=dynamic", "likelihood=bernoulli"],
    "conditional, noisy images": ["model=dense", "conditional=true", "dataset.noise_std=0.3",
                                  "dataset.noise_share=0.5"],
    "pseudo-inputs": [*NETS["cnn"], "prior=vamp", "prior.components=5"],
    "two phases of one model": ["model=dense", "objective=iwae", "objective.samples=4", "objective.groups=2",
                                "objective.piwae=true"],
    "a derivative in the loss": ["model=dense", "objective=rae_gp"],
    "weight normalisation": ["model=resnet", "model.net.channels=[4,8]", "model.net.hidden=16"],
    "averaged weights": ["model=infogan", "model.net.channels=[4,8]", "model.net.hidden=16", "training.ema=0.9",
                         "training.accumulate=4", "epochs=2"],
    "batch normalisation": ["model=infogan", "model.net.channels=[4,8]", "model.net.hidden=16"],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_parts_of_the_program_in_a_stack(tmp_path, name):
    """Under SGD: a bias before batch normalisation has no gradient but rounding, which Adam makes large."""
    words, each = [*OTHERS[name], "optimizer=sgd"], ["seed=0 lr=1e-5", "seed=1 lr=3e-6", "seed=1 lr=1e-5"]
    alone, stacked = (jobs_of(tmp_path / where, words, each) for where in ("alone", "stack"))
    train_alone(alone)
    assert train_together(stacked)[1] == []
    for job, other in zip(stacked, alone):
        for row, theirs in zip(curves_of(job.folder), curves_of(other.folder), strict=True):
            assert [*map(float, row.values())] == pytest.approx([*map(float, theirs.values())], rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", ["elbo", "sigma", "iwae", "info_vae", "factor_vae"])
def test_weights_after_30_steps_of_sgd(tmp_path, name, net):
    if name == "factor_vae":  # its discriminator has a separate Adam, which is replaced by SGD, too
        sgd = ["objective.discriminator_optimizer._target_=torch.optim.SGD",
               "~objective.discriminator_optimizer.betas", "~objective.discriminator_optimizer.fused"]  # fmt: skip
    words = ["optimizer=sgd", *(sgd if name == "factor_vae" else [])]
    for alone, stacked in both(tmp_path, name, net, a="lr=1e-4", b="lr=3e-5", words=words):
        theirs, ours = weights_of(alone.folder), weights_of(stacked.folder)
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=1e-6, atol=1e-6)
