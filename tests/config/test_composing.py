"""Tests that the configs of a sweep's jobs are those that Hydra composes for a single run of the same words."""

import time

import pytest
import yaml
from conftest import BARE, TINY

from vae_lab.config import composing
from vae_lab.config.composing import composer, split_words, vary_of
from vae_lab.config.references import NotPlain
from vae_lab.config.settings import SweepConfig
from vae_lab.errors import UserError


def parts(*words):
    with composer([]):
        return split_words(list(words))


def test_settings_that_vary_are_separated_from_the_others():
    fixed, varied = parts("model=dense", "latent_dim=1,4", "beta=range(1,4)", "+x=[1,2]", "seed=0")
    assert fixed == ["model=dense", "+x=[1,2]", "seed=0"]
    assert [(one.key, one.values) for one in varied] == [("latent_dim", ["1", "4"]), ("beta", ["1", "2", "3"])]


def test_spans_are_recognised_for_a_search():
    _, (a, b, c) = parts("beta=tag(log,interval(0.1,10))", "lr=interval(1e-4,1e-2)", "latent_dim=range(2,65)")
    assert (a.values, a.span, a.log) == ([], (0.1, 10.0), True)
    assert (b.span, b.log) == ((1e-4, 1e-2), False)
    assert (c.span, c.whole, len(c.values)) == ((2.0, 64.0), True, 63)


def test_options_can_be_globbed():
    _, (models,) = parts("model=glob(report_*)")
    assert models.values == ["report_cnn", "report_dense"]


def test_a_glob_looks_into_folders_of_a_group():
    _, (families,) = parts("experiment=glob(family/*vae)")
    assert {"family/vae", "family/beta_vae"} <= set(families.values)
    assert all(name.startswith("family/") and name.endswith("vae") for name in families.values)


def test_a_glob_that_matches_nothing_is_reported():
    with pytest.raises(UserError, match=r"experiment=glob\(nothing/\*\): no option"):
        parts("experiment=glob(nothing/*)")


@pytest.mark.parametrize("node", [{"latent_dim": 4}, {"latent_dim": []}, {"model": [{"a": 1}]}, [1]])
def test_a_bad_vary_is_reported(node):
    with pytest.raises(UserError, match=r"vary.*\{latent_dim: \[1, 4, 16\]\}"):
        vary_of(node)


def test_values_of_an_experiment_are_words():
    (one, other) = vary_of({"latent_dim": [1, 4], "training.clip": [None, 0.5, True]})
    assert one.values == ["1", "4"]
    assert other.values == ["null", "0.5", "true"]


@pytest.mark.parametrize(
    "words",
    [
        ["latent_dim=4", "beta=2"],
        ["model=dense", "lr=1e-5", "model.net.width=64"],
        ["k1=0.25", "k2=0.75", "training.clip=null"],
        ["dataset.noise_std=0.4", "dataset.noise_share=0.5", "objective=ae"],
    ],
)
def test_a_job_is_composed_as_a_single_run(cli, tmp_path, words):
    ended = cli("train", *TINY, *BARE, *words, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    with composer([*TINY, *BARE]) as compose:
        found = compose(words)
    found["choices"] = {k: v for k, v in found["choices"].items() if k not in SweepConfig.model_fields}
    found = {key: value for key, value in found.items() if key not in SweepConfig.model_fields}
    assert found == yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())


def test_jobs_do_not_change_one_another():
    with composer(["dataset=digits"]) as compose:
        first = compose(["latent_dim=4"])
        other = compose(["model=dense"])
        assert compose(["latent_dim=4"]) == first
    assert (other["latent_dim"], other["choices"]["model"]) == (16, "dense")


def test_contradicting_weights_are_refused():
    with composer(["k1=0.5", "k2=0.5"]) as compose, pytest.raises(UserError, match="either beta"):
        compose(["beta=4"])


@pytest.mark.parametrize(
    "words",
    [
        ["latent_dim=4", "beta=2"],
        ["k1=0.25", "k2=0.75", "training.clip=null", "lr=1e-5"],
        ["model=dense", "model.net.width=8", "posterior=iaf", "prior=vamp"],
        ["dataset.name='a b'", "dataset.limit=7", "conditional=true"],
        ["experiment=report/latent_dim_as_run", "batch_size=64"],  # calls functions
        ["metrics.fid.samples=10", "data_dir=."],
        ["objective.k2=${k1}", "lr=${beta}"],
        ["training={clip:1.0,accumulate:2,patience:null,log_every:5}"],
    ],
)
def test_a_config_composed_in_short_is_that_of_omegaconf(words, monkeypatch):
    with composer([]) as compose:
        short = compose(words)
    monkeypatch.setattr(composing, "with_values", lambda *_: (_ for _ in ()).throw(NotPlain))
    with composer([]) as compose:
        assert compose(words) == short


def test_5000_jobs_are_composed_in_seconds():
    with composer([*TINY, *BARE]) as compose:
        compose(["latent_dim=1"])
        start = time.process_time()
        for seed in range(500):
            compose([f"latent_dim={seed % 50 + 1}", f"seed={seed}"])
        assert time.process_time() - start < 2  # 0.4 s where nothing else runs; OmegaConf takes 8 s
