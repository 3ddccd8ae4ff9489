"""Tests that errors of a sampler are reported in one line, before anything is written."""

import pytest
import torch
from conftest import BARE, TINY


@pytest.mark.parametrize("command", [["evaluate", "metrics=none", "figures=none"], ["sample", "n=4"]])
@pytest.mark.parametrize("damage", [lambda file: file[: len(file) // 2], lambda file: b"", lambda file: b"x" * 999])
def test_a_damaged_sampler_is_reported_in_one_line(cli, run_copy, command, damage):
    words = [command[0], "run=run", "sampler=gmm", *command[1:]]
    assert cli(*words).status == 0
    file = run_copy / "samplers" / "gmm.pt"
    file.write_bytes(damage(file.read_bytes()))
    ended = cli(words[0], *[word if word != "n=4" else "n=5" for word in words[1:]])
    assert ended.status == 2
    assert "samplers/gmm.pt is truncated, corrupt" in ended.err
    assert "remove it" in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_metrics_that_do_not_depend_on_the_sampler_are_refused(cli, run_copy):
    ended = cli("evaluate", "run=run", "sampler=gmm", "metrics=nll", "figures=none")
    assert ended.status == 2
    assert "metrics=nll: none of it depends on the sampler" in ended.err
    assert not (run_copy / "samplers").exists()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sampler=gm", "'gmm'"),
        ("sampler.components=0", "greater than 0"),
        ("sampler.components=[3,x]", "sampler.components=[3, 'x']"),
        ("sampler.comps=3", "sampler.components"),
    ],
)
def test_bad_settings_are_reported_before_anything_is_written(cli, tmp_path, word, told):
    chosen = [] if word.startswith("sampler=") else ["sampler=gmm"]
    ended = cli("train", *TINY, *BARE, *chosen, word, "hydra.run.dir=run")
    assert ended.status == 2
    assert told in ended.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["objective=ae"], ["posterior=planar"], ["objective=wae"]])
def test_fresh_codes_need_gaussian_posteriors(cli, tmp_path, words):
    assert cli("train", *TINY, *BARE, *words, "hydra.run.dir=run").status == 0
    more = ["sampler=two_stage", "sampler.fresh_codes=true", "metrics=none", "figures=images"]
    ended = cli("evaluate", "run=run", *more)
    assert ended.status == 2
    assert "sampler.fresh_codes=true draws codes from Gaussian posteriors" in ended.err
    assert not (tmp_path / "run" / "samplers").exists()


def test_a_sampler_of_fresh_codes_says_so(cli, run_copy):
    more = ["sampler=two_stage", "sampler.fresh_codes=true", "sampler.epochs=1", "metrics=none", "figures=images"]
    assert cli("evaluate", "run=run", *more).status == 0
    about = torch.load(run_copy / "samplers" / "two_stage.pt", weights_only=True)["about"]
    assert about["codes"].startswith("draws of q(z|x), new ones in each step, of each of ")
