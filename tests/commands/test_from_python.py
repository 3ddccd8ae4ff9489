"""``vae_lab.train`` in a script or notebook: the run comes back, errors are raised, nothing of the process changes."""

import logging
import os
import sys

import pytest

import vae_lab
from vae_lab.errors import Interrupted

QUIET = {"logger": "none", "metrics": "none", "figures": "none"}
SMALL = {"dataset": "digits", "likelihood": "mse", "model": "dense", "dataset.limit": 16, "batch_size": 8, **QUIET}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def test_the_run_comes_back_with_the_settings_and_the_process_is_as_before(tmp_path, monkeypatch):
    before = list(sys.argv), logging.root.manager.disable
    run = vae_lab.train("epochs=2", SMALL, lr=2e-3, training={"clip": 1.5}, data_dir=None)
    assert run.status == "finished"
    assert run.epochs_done == 2
    config = run.config
    assert (config["lr"], config["training"]["clip"], config["dataset"]["limit"]) == (2e-3, 1.5, 16)
    assert (list(sys.argv), logging.root.manager.disable) == before
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert run.path.parent.parent == tmp_path / "outputs"
    assert run.environment["command"].startswith("vae-lab train epochs=2 dataset=digits")
    monkeypatch.chdir("/")
    assert run.sample(2).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("words", "settings", "told"),
    [
        (["model=cnnn"], {}, "model=cnnn: no such option"),
        ([], {"beta": "x"}, "beta=x: must be a valid number; type beta=4"),
        ([], {"bets": 4}, r"bets: no such key \(did you mean 'beta'\?\)"),
        (["-m", "beta=1,2"], {}, "trains a single run; for a sweep"),
        (["experiment=report/latent_dim"], {}, "trains a single run; for a sweep"),
        (["--cfg", "job"], {}, "--cfg=job: has no use in Python"),
        (["accelerator=ddp"], {}, "several processes start from the program alone"),
        ([], {"resume": "nowhere"}, "resume=nowhere: no such folder"),
        (["model"], {}, "'model' is not of the form key=value"),
    ],
)
def test_errors_are_raised_and_nothing_is_written(tmp_path, words, settings, told):
    with pytest.raises(vae_lab.UserError, match=told):
        vae_lab.train(*words, **settings)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_stopped_run_says_how_it_continues_and_does(tmp_path, monkeypatch):
    from vae_lab.training.progress import ProgressLine

    usual = ProgressLine.on_train_epoch_end

    def stop(self, trainer, module):
        usual(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressLine, "on_train_epoch_end", stop)
        with pytest.raises(Interrupted, match=r"in Python vae_lab.train\(resume='a b'\)"):
            vae_lab.train(SMALL, {"epochs": 3, "hydra.run.dir": "a b"})
    assert vae_lab.load_run("a b").status == "interrupted"
    assert vae_lab.train(resume="a b").epochs_done == 3
    with pytest.raises(vae_lab.UserError, match="this run is finished"):
        vae_lab.train(resume="a b")


def test_a_finished_run_is_continued(tmp_path):
    first = vae_lab.train(SMALL, epochs=1)
    more = vae_lab.train({"from": first.path}, epochs=2)
    assert (more.epochs_done, len(more.history)) == (2, 2)
