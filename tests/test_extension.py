"""Tests of an objective that a user adds with one Python file and one YAML in a separate package."""

from pathlib import Path

import pytest
import yaml
from conftest import BARE, TINY
from helpers import curves_of, scores_of

OBJECTIVE = '''
from pydantic import NonNegativeFloat
from torch import nn

from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model


class Sparse(nn.Module):
    """The ELBO and a penalty on |z|."""

    phases = {"model": ("",)}
    samples = 1
    variational = True
    matches_prior = True

    def __init__(self, k1: NonNegativeFloat, k2: NonNegativeFloat, strength: NonNegativeFloat) -> None:
        super().__init__()
        self.k1, self.k2, self.strength = k1, k2, strength

    def forward(self, model, batch, step):
        out = run_model(model, batch, step, k=1)
        recon, kl, size = mean_recon(out), mean_kl(out), out.latents.z[0].abs().sum(-1).mean()
        loss = self.k1 * recon + self.k2 * kl + self.strength * size
        return loss_terms(loss, {**elbo_logs(recon, kl, out.offset), "size": size}, out)
'''
CHOICE = "# A penalty on the size of codes\n_target_: {}.sparse.Sparse\nk1: ${{k1}}\nk2: ${{k2}}\nstrength: 0.5\n"
SWEEP = "# @package _global_\n# Two sizes\ndefaults:\n  - override /objective: mine\nvary: {latent_dim: [2, 3]}\n"
WORDS = [*TINY, *(word for word in BARE if not word.startswith("metrics")), "metrics=loss_terms"]


@pytest.fixture
def package(tmp_path, monkeypatch, request) -> str:
    """An importable package with one objective and a folder of configs."""
    name = f"lab_{abs(hash(request.node.name))}"  # each test needs another name, because imported modules are cached
    folder = tmp_path / "elsewhere" / name
    (folder / "conf" / "objective").mkdir(parents=True)
    (folder / "conf" / "experiment").mkdir()
    (folder / "__init__.py").touch()
    (folder / "conf" / "__init__.py").touch()  # required by pkg://
    (folder / "sparse.py").write_text(OBJECTIVE)
    (folder / "conf" / "objective" / "mine.yaml").write_text(CHOICE.format(name))
    (folder / "conf" / "experiment" / "sizes.yaml").write_text(SWEEP)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv("PYTHONPATH", str(folder.parent), prepend=":")  # for the processes that a launcher starts
    return name


def at(package: str, scheme: str = "file") -> str:
    where = f"file://elsewhere/{package}/conf" if scheme == "file" else f"pkg://{package}.conf"
    return f"hydra.searchpath=[{where}]"


@pytest.mark.parametrize("scheme", ["file", "pkg"])
def test_it_trains_and_is_scored_and_read_again(cli, tmp_path, package, scheme):
    ended = cli("train", *WORDS, "objective=mine", at(package, scheme), "beta=2", "objective.strength=3",
                "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    assert ended.err == ""
    (row,) = curves_of(tmp_path / "run")
    terms = {name: float(row[f"val/{name}"]) for name in ("loss", "recon", "kl", "size")}
    assert terms["loss"] == pytest.approx(terms["recon"] + 2 * terms["kl"] + 3 * terms["size"], rel=1e-4)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["choices"]["objective"] == "mine"
    before = scores_of(tmp_path / "run")
    again = cli("evaluate", "run=run", f"trust=[{package}]", "metrics=loss_terms", "figures=none")  # no search path
    assert again.status == 0, again.err
    assert scores_of(tmp_path / "run") == before


@pytest.mark.parametrize("launcher", ["sequence", "joblib"])
def test_it_is_part_of_a_sweep(cli, tmp_path, package, launcher):
    words = ["objective=mine,elbo", at(package), "sweep=s", f"launcher={launcher}"]
    ended = cli("train", "-m", *WORDS, *words)
    assert ended.status == 0, ended.out + ended.err
    finished = (tmp_path / "outputs" / "sweeps" / "s").glob("*/results.json")
    assert sorted(path.parent.name for path in finished) == ["objective-elbo", "objective-mine"]


def test_its_numbers_are_varied_and_the_same_words_skip_finished_runs(cli, package):
    words = ["train", "-m", *WORDS, "objective=mine", "objective.strength=0,1", at(package), "sweep=s"]
    assert cli(*words).status == 0
    assert "2 finished" in cli(*words).out


def test_an_experiment_that_varies_something_asks_for_a_sweep(cli, tmp_path, package):
    words = [*WORDS, "experiment=sizes", at(package)]
    alone = cli("train", *words)
    told = "vae-lab train: this experiment varies latent_dim; type -m to run it as a sweep"
    assert (alone.status, alone.err.strip()) == (2, told)
    assert not (tmp_path / "outputs").exists()
    ended = cli("train", "-m", *words, "sweep=s")
    assert ended.status == 0, ended.out + ended.err
    assert len(list((tmp_path / "outputs" / "sweeps" / "s").glob("*/results.json"))) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["objective=mien"], "objective=mien: no such option (did you mean 'mine'?)"),
        (["objective=mine", "objective.strength=-1"], "objective.strength=-1: must be greater than or equal to 0"),
        (["objective=mine", "objective.strength=much"], "objective.strength=much: must be a valid number"),
        (["objective=mine", "+objective.strenth=1"], "objective.strenth: no such key (did you mean 'strength'?)"),
    ],
)
def test_its_mistakes_are_reported_as_for_built_in_objectives(cli, tmp_path, package, words, told):
    ended = cli("train", *WORDS, *words, at(package))
    assert ended.status == 2
    assert ended.err.startswith(f"vae-lab train: {told}")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_the_program_trains_it_in_a_separate_process(program, tmp_path, package):
    done = program("train", *WORDS, "objective=mine", at(package), "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert "mine/mse on digits" in done.stdout
    assert Path(tmp_path / "run" / "results.json").exists()
