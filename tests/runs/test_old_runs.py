"""Tests that every command opens run folders of version 0.1.0, written before modules were moved into rooms.

``tests/old_runs`` holds them as they were written, but for entries that name a machine: a finished run with many
options, a run that was interrupted after two of three epochs, and a sweep of two jobs.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from helpers import curves_of, scores_of

import vae_lab
from vae_lab.config.composing import composer
from vae_lab.config.renamed import MOVED, current
from vae_lab.runs.state import identity, saved_config

OLD = Path(__file__).parents[1] / "old_runs"


@pytest.fixture
def old(tmp_path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def targets_of(node) -> set[str]:
    """Every ``_target_`` in a config."""
    if isinstance(node, dict):
        return {v for k, v in node.items() if k == "_target_"} | {t for v in node.values() for t in targets_of(v)}
    return set()


def test_the_old_configs_name_classes_where_they_were():
    """Otherwise these folders would test nothing."""
    named = targets_of(yaml.safe_load((OLD / "finished" / "config.yaml").read_text()))
    assert {"vae_lab.loggers.wandb_logger", "vae_lab.metrics.classifier.classifier_features"} <= named
    assert "vae_lab.data.image_data.ImageData" in named


def test_every_moved_class_is_found_where_it_is_now():
    from hydra.utils import get_object

    for old_path, new_path in MOVED.items():
        assert get_object(new_path), old_path


def test_a_notebook_reads_the_old_run(old):
    run = vae_lab.load_run(old / "finished")
    assert run.status == "finished"
    assert targets_of(run.config) == targets_of(current(run.config))
    assert run.sample(3, y=7).shape == (3, 1, 8, 8)
    again = vae_lab.load_run(old / "finished")
    assert torch.equal(again.sample(3, y=7), run.sample(3, y=7))


def test_it_is_scored_again_with_the_same_numbers(cli, old):
    before = scores_of(old / "finished")
    ended = cli("evaluate", f"run={old / 'finished'}", "metrics=[loss_terms,latent_use]", "figures=default")
    assert ended.status == 0, ended.err
    after = scores_of(old / "finished")
    for name in ("test/loss", "test/recon", "test/kl", "test/elbo", "test/active_units", "test/sigma"):
        assert after[name] == pytest.approx(before[name], rel=1e-5), name


def test_its_fitted_sampler_is_used_as_it_was_fitted(cli, old):
    fitted = (old / "finished" / "samplers" / "gmm.pt").read_bytes()
    ended = cli("sample", f"run={old / 'finished'}", "sampler=gmm", "n=4", "y=3")
    assert ended.status == 0, ended.err
    assert (old / "finished" / "samplers" / "gmm.pt").read_bytes() == fitted
    again = cli("evaluate", f"run={old / 'finished'}", "sampler=gmm", "sampler.components=2", "metrics=loss_terms",
                "figures=samples")  # fmt: skip
    assert again.status == 0, again.err
    assert (old / "finished" / "samplers" / "gmm.pt").read_bytes() == fitted


def test_the_interrupted_run_continues(cli, old):
    folder = old / "interrupted"
    before = curves_of(folder)
    ended = cli("train", f"resume={folder}")
    assert ended.status == 0, ended.err
    rows = curves_of(folder)
    assert [row["epoch"] for row in before] == ["0", "1"]  # as earlier versions counted
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [{**row, "epoch": ""} for row in rows[:2]] == [{**row, "epoch": ""} for row in before]
    assert json.loads((folder / "results.json").read_text())["status"] == "finished"


def test_a_sweep_of_the_same_words_finds_its_jobs_finished(cli, old, tmp_path):
    """Their configs name a moved class, and still count as the same configs."""
    sweep = json.loads((old / "sweep" / "sweep.json").read_text())
    config = saved_config(old / "sweep" / "beta-1")
    assert "vae_lab.data.dataset.Dataset" in identity(config)
    # The sweep was made with the default of that time, which is not that of the digits any more.
    sweep["fixed"].append("likelihood=mse")
    (old / "sweep" / "sweep.json").write_text(json.dumps(sweep))
    words = [*sweep["fixed"], "beta=1,2", "logger=none", "dry_run=true", f"hydra.sweep.dir={old / 'sweep'}"]
    ended = cli("train", "-m", *words)
    assert ended.status == 0, ended.err
    assert "2 finished" in ended.out


OF_EARLIER = json.loads((OLD / "configs.json").read_text())


def test_words_compose_a_config_of_the_same_identity_as_when_they_were_typed_first():
    """``configs.json`` has what the words composed before hierarchies and discrete codes were added.

    Otherwise a key that an option gains, or a metric that a list gains, would train all jobs of earlier sweeps again.
    """
    with composer([]) as compose:
        for words, earlier in OF_EARLIER.items():
            now = compose(words.split())
            assert now != earlier  # or the file would test nothing
            assert json.loads(identity(now)) == json.loads(identity(earlier)), words


def test_what_earlier_versions_could_not_do_is_another_job():
    with composer([]) as compose:
        usual = identity(compose([]))
        for word in ("objective.kl_balance=true", "metrics.levels.images=10", "posterior=iaf", "prior=vamp"):
            assert identity(compose([word])) != usual, word
        discrete = {
            identity(compose(["model=vq_vae", *word])) for word in ([], ["quantizer=fsq"], ["quantizer.codes=8"])
        }
        assert len(discrete) == 3


def test_they_are_compared(cli, old):
    ended = cli("compare", str(old), "out=compared")
    assert ended.status == 0, ended.err
    assert "beta" in Path("compared", "summary.csv").read_text()
    advice = f"no picture.png in its folder; type vae-lab evaluate run={old / 'finished'} metrics=none figures=none"
    assert advice in Path("compared", "compare.html").read_text()
