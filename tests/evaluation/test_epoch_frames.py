"""Tests of animations over the epochs of training, from the command line to the file."""

import csv

import numpy as np
import torch
from conftest import TINY
from PIL import Image

import vae_lab
from vae_lab.evaluation.epoch_frames import animation_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.manifold import Manifold
from vae_lab.training.checkpoints import scored_weights

PLANE = ["train", *TINY[:-1], "model=dense", "model.net.width=16", "latent_dim=2", "logger=none", "metrics=none"]
EVERY = ["figures=[manifold]", "figures.manifold.size=6", "hydra.run.dir=run"]


def frames_in(run) -> list[str]:
    return [path.name for path in sorted((run / "figures" / "frames" / "manifold").iterdir())]


def rows_of(run) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        return [[value for key, value in row.items() if key != "epoch_seconds"] for row in csv.DictReader(file)]


def test_frames_are_kept_during_training_and_change_nothing_in_it(cli, tmp_path):
    ended = cli(*PLANE, *EVERY, "epochs=3", "figures.manifold.every=1", "training.ema=0.9")
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    assert frames_in(run) == [f"epoch-0000{epoch}.png" for epoch in range(4)]
    with Image.open(run / "figures" / "manifold.gif") as file:
        assert file.n_frames == 4
        assert file.info["loop"] == 0
    plain = cli(*PLANE, "figures=none", "hydra.run.dir=plain", "epochs=3", "training.ema=0.9")
    assert plain.status == 0, plain.err
    assert rows_of(run) == rows_of(tmp_path / "plain")

    made = vae_lab.load_run(run)  # the last frame is that of the averaged weights, with which the run is scored
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    made.job.load_state_dict(scored_weights(content))
    evaluation = Evaluation(made.job, made.data, 0, torch.device("cpu"))
    with Image.open(run / "figures" / "frames" / "manifold" / "epoch-00003.png") as file:
        np.testing.assert_array_equal(np.asarray(file), np.asarray(Manifold(size=6, every=1).frame(evaluation, 3)))


def test_every_second_epoch_and_a_resumed_run(cli, tmp_path):
    """A run that continues keeps the earlier frames, and does not draw its start again."""
    assert cli(*PLANE, *EVERY, "epochs=2", "figures.manifold.every=2").status == 0
    run = tmp_path / "run"
    before = (run / "figures" / "frames" / "manifold" / "epoch-00000.png").stat().st_mtime_ns
    for path in (run / "results.json", run / "figures" / "manifold.gif"):
        path.unlink()
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2\n", "epochs: 4\n"))
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert frames_in(run) == [f"epoch-0000{epoch}.png" for epoch in (0, 2, 4)]
    assert (run / "figures" / "frames" / "manifold" / "epoch-00000.png").stat().st_mtime_ns == before
    with Image.open(run / "figures" / "manifold.gif") as file:
        assert file.n_frames == 3


def test_changing_axes_are_refused_before_training_in_one_line(cli, tmp_path):
    ended = cli(*PLANE, *EVERY, "latent_dim=4", "figures.manifold.every=1", "epochs=1")
    assert ended.status == 2
    assert len(ended.err.strip().splitlines()) == 1
    assert "type latent_dim=2, or figures.manifold.dimensions=[0,1]" in ended.err
    assert not (tmp_path / "run").exists()


def test_one_frame_is_no_animation(tmp_path):
    folder = tmp_path / "figures" / "frames" / "manifold"
    folder.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(folder / "epoch-00000.png")
    assert animation_of(Manifold(every=1), "manifold", tmp_path) is None
    Image.new("RGB", (2, 2)).save(folder / "epoch-00001.png")
    assert len(animation_of(Manifold(every=1, animation="webp"), "manifold", tmp_path).frames) == 2
    assert animation_of(Manifold(), "manifold", tmp_path) is None
