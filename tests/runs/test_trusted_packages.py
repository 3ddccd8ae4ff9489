"""Classes of the user's own package: refused until the package is typed, and then in this command only."""

from pathlib import Path

import pytest
import yaml
from conftest import BARE, TINY
from gadgets import own_package, planted, two_runs

import vae_lab
from vae_lab.config.trust import Untrusted


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return two_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def own(tmp_path, monkeypatch):
    yield from own_package(tmp_path, monkeypatch)


def test_a_package_is_trusted_in_the_command_that_names_it_and_in_no_other(cli, original, own, tmp_path):
    planted(original, tmp_path, lambda config: config.update(likelihood={"_target_": "ownlab.mine.Mine"}))
    told = ("done/config.yaml: likelihood._target_=ownlab.mine.Mine: this is not a class of vae_lab, so it was not "
            "run; only if you know that this file may run it, type trust=[ownlab]")  # fmt: skip
    for _ in range(2):
        ended = cli("evaluate", "run=done", "metrics=loss_terms", "figures=none")
        assert (ended.status, ended.err.strip()) == (2, f"vae-lab evaluate: {told}")
    assert not Path("imported").exists()
    evaluated = cli("evaluate", "run=done", "trust=[ownlab]", "metrics=loss_terms", "figures=none")
    assert evaluated.status == 0, evaluated.err
    assert cli("sample", "run=done", "n=2").status == 2
    assert cli("sample", "run=done", "trust=[ownlab]", "n=2").status == 0
    assert cli("train", "resume=begun").status == 2
    assert cli("train", "resume=begun", "trust=ownlab").status == 2
    resumed = cli("train", "resume=begun", "trust=[other, ownlab]")
    assert resumed.status == 0, resumed.err
    assert "trust" not in Path("begun/config.yaml").read_text()
    with pytest.raises(Untrusted):
        vae_lab.load_run("done")
    assert vae_lab.load_run("done", trust=["ownlab"]).sample(2).shape == (2, 1, 8, 8)


def test_what_is_typed_is_trusted_in_training_and_is_not_saved_as_trusted(cli, own):
    ended = cli("train", *TINY, *BARE, "model=dense", "likelihood._target_=ownlab.mine.Mine", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert "trust" not in yaml.safe_load(Path("run/config.yaml").read_text())
    assert cli("sample", "run=run", "n=1").status == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trust=ownlab"], "trust=ownlab: must be a list of Python packages; type trust=[mylab]"),
        (["trust=[own-lab]"], "trust=own-lab: not the name of a Python package; type trust=[mylab]"),
        (["trust=[3]"], "trust=[3]: must be a list of Python packages; type trust=[mylab]"),
    ],
)
def test_what_is_no_package_is_not_trusted(cli, own, words, told):
    ended = cli("evaluate", "run=done", *words)
    assert (ended.status, ended.err.strip()) == (2, f"vae-lab evaluate: {told}")
