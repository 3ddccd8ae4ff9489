"""``vae-lab explore``: a page in the run folder or elsewhere, and on W&B."""

import pytest
from conftest import BARE, TINY

from vae_lab.report import loggers
from vae_lab.report.loggers import WandbLogger, log_page


@pytest.fixture
def run(cli, tmp_path):
    ended = cli("train", *TINY, *BARE, "model=dense", "model.net.width=8", "latent_dim=3", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    return tmp_path / "run"


def test_a_page_is_written_into_the_run_folder_or_elsewhere(cli, run, tmp_path):
    ended = cli("explore", "run=run", "points=20")
    assert ended.status == 0, ended.err
    assert ended.out.startswith("run/explorer.html (")
    assert (
        "MB; 20 test images, a decoder of 680 parameters; the page's pixels differ from the model's by at most"
        in ended.out
    )
    page = (run / "explorer.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "latent_dim=3" in page
    assert "{{" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert cli("explore", "run=run", "out=new/mine.html", "weights=fp32").status == 0
    assert (tmp_path / "new" / "mine.html").exists()
    assert cli("explore", "run=run").status == 0  # a page that is there is replaced


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run=run", "out=page.txt"], "out=page.txt: the page is an HTML file; type out=page.txt.html"),
        (["run=run", "out=run/config.yaml/x.html"], "cannot be written (File exists); type out=<a file>.html"),
        (["run=run", "points=1"], "points=1: must be greater than or equal to 16; type points=1000"),
        (["run=run", "weights=int8"], "weights=int8"),
        (["run=nowhere"], "run=nowhere: no such folder"),
        ([], "run is needed; type run=…"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(cli, run, words, told):
    before = sorted(path.name for path in run.rglob("*"))
    ended = cli("explore", *words)
    assert ended.status == 2
    assert told in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert sorted(path.name for path in run.rglob("*")) == before


def test_a_run_that_is_not_finished_is_refused(cli, run):
    (run / "results.json").unlink()
    assert "is not finished; type vae-lab train resume=run" in cli("explore", "run=run").err


def test_wandb_receives_the_page_and_other_loggers_do_not(tmp_path, monkeypatch):
    class Recorded:
        def __init__(self):
            self.logged = []

        def log(self, values):
            self.logged.append(values)

    (tmp_path / "explorer.html").write_text("<p>x & y</p>")
    recorded = Recorded()
    logger = WandbLogger.__new__(WandbLogger)
    monkeypatch.setattr(WandbLogger, "experiment", recorded)
    log_page(logger, "explorer", tmp_path / "explorer.html", 7)
    (values,) = recorded.logged
    assert values["explorer"].html == "<p>x & y</p>"
    assert values["trainer/global_step"] == 7
    log_page(object.__new__(loggers.TensorBoardLogger), "explorer", tmp_path / "explorer.html", 7)
    assert len(recorded.logged) == 1
