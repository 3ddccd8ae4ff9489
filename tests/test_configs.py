"""Tests that every option of every group can be composed, instantiated and trained for two steps.

New options are tested without a change here.
"""

import json
import math
import os
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from conftest import BARE, TINY

from vae_lab.config.help import groups
from vae_lab.data.celeba import CelebA
from vae_lab.data.dsprites import DSprites
from vae_lab.data.emnist import EMNIST
from vae_lab.data.frey import Frey
from vae_lab.data.lfw import LFW
from vae_lab.data.mvtec import MVTec
from vae_lab.data.olivetti import Olivetti
from vae_lab.data.omniglot import Omniglot
from vae_lab.data.sprites import Sprites
from vae_lab.data.svhn import SVHN
from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.examples import Examples
from vae_lab.runs.run_folder import load_run

OF_SWEEPS = [(group, option) for group in ("launcher", "search") for option in groups()[group]]
SWEEPING = [option for option, path in groups()["experiment"].items() if "\nvary:" in path.read_text()]
RUNS = [
    (group, option)
    for group, found in groups().items()
    for option in found
    if (group, option) not in OF_SWEEPS and not (group == "experiment" and option in SWEEPING)
]
OF_SOME_RUNS = {
    "attribute_arithmetic", "class_samples", "class_temperatures", "code_maps", "codes_alone", "code_usage",
    "first_levels", "j_diagram", "kl_of_images", "kl_per_level", "level_draws", "manifold", "top_fixed", "traversal",
    "triples",
}  # fmt: skip
ON_DEMAND = {"synthetic_arithmetic"}
FIGURES_OF = {
    "default": set(groups()["figures"]) - {"default", "images", "none"} - OF_SOME_RUNS - ON_DEMAND,
    "images": {"samples", "label_shares", "novelty", "neighbours"},
}
FEW_FACES = ["dataset.source.images=40", "dataset.source.test_images=20", "dataset.val_share=0.1"]
# Overrides that make the networks and data of an experiment small, by a line that its YAML contains.
SMALLER = {
    "override /model: mlp": ["model.net.encoder=[8]", "model.net.decoder=[8]"],
    "override /model: dcgan": ["model.net.width=4"],
    "override /model: infogan": ["model.net.hidden=16"],
    "override /model: vdvae": ["model.net.width=8", "model.net.middle=4"],
    "override /model: nvae": ["model.net.width=8", "model.net.middle=4"],
    "override /model: vq_vae": [  # and vq_vae_2
        "model.net.width=8", "quantizer.codes=8", "quantizer.dims=4", "sampler.width=16", "sampler.epochs=1",
    ],
    "override /objective: factor_vae": ["objective.width=16"],
    "override /dataset: faces": FEW_FACES,
    "faces/_small": FEW_FACES,
    "override /dataset: sprites": [
        "dataset.val_share=0.001", "dataset.source.orientations=2", "dataset.source.positions=2",
    ],
}  # fmt: skip
NOT_HERE = {"gpu": not torch.cuda.is_available(), "mps": not torch.backends.mps.is_available()}


@pytest.fixture(autouse=True)
def _small_torchvision(monkeypatch):
    """Replace datasets that would have to be downloaded by random images of the same shape."""

    def load(self, root):
        shape = {"CIFAR10": (3, 32, 32), "SVHN": (3, 32, 32), "Frey": (1, 28, 20), "Olivetti": (1, 64, 64)}.get(
            self.dataset, (1, 28, 28)
        )
        draws = torch.Generator().manual_seed(0)
        classes = tuple(str(i) for i in range(10))

        def images(n):
            pixels = torch.randint(0, 256, (n, *shape), generator=draws, dtype=torch.uint8)
            return Examples(pixels, torch.arange(n) % 10, classes)

        return images(40), images(20)

    def faces(self, root):
        attributes = {"attributes": ("smiling", "young")} if isinstance(self, CelebA) else {}
        targets = torch.arange(40 * 2).reshape(40, 2).remainder(2).float() if attributes else None
        shape = (40, self.decoding.channels, self.decoding.height, self.decoding.width)
        images = Examples(torch.randint(0, 256, shape, dtype=torch.uint8), targets, **attributes)
        return images, images

    def objects(self, root):
        train, test = faces(self, root)
        return train, replace(test, targets=torch.arange(40) % 2, classes=("good", "scratch"), masks=test.stored[:, :1])

    monkeypatch.setattr(TorchvisionImages, "load", load)
    monkeypatch.setattr(MVTec, "load", objects)
    for source in (EMNIST, SVHN, Frey, Olivetti):
        monkeypatch.setattr(source, "load", partial(load, SimpleNamespace(dataset=source.__name__)))
    for source in (Omniglot, CelebA, LFW):
        monkeypatch.setattr(source, "load", faces)
    monkeypatch.setattr(DSprites, "load", Sprites(2, 2).load)


STAND_INS = f"hydra.searchpath=[file://{Path(__file__).parent}/stand_ins/conf]"


def tried_with(text: str) -> list[str]:
    """The words after ``# Tried with:`` in a YAML: an option that is valid only with others names those itself.

    They may choose a stand-in of the tests, such as ``dataset=phrases``, where the package has no partner.
    """
    head = text[text.index("# Tried with:") :].splitlines() if "# Tried with:" in text else []
    more = takewhile(lambda line: line.startswith("#   "), head[1:])
    return [word for line in [*head[:1], *more] for word in line.removeprefix("# Tried with:").lstrip("# ").split()]


@pytest.mark.parametrize(("group", "option"), RUNS, ids=[f"{group}={option}" for group, option in RUNS])
def test_option_trains(cli, tmp_path, group, option):
    text = groups()[group][option].read_text(encoding="utf-8")
    partners = tried_with(text)
    chosen = {word.partition("=")[0] for word in [f"{group}={option}", *partners]}
    usual = [*TINY, *BARE] if group != "experiment" else [*TINY[1:], *BARE]
    words = [word for word in usual if word.partition("=")[0] not in chosen] + [f"{group}={option}", *partners]
    if option == "image_folder":
        _write_images(tmp_path / "pictures")
        words.append("dataset.source.path=pictures")
    if option == "arrays":
        np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (40, 9, 11), np.uint8))
        words.append("dataset.source.path=images.npy")
    if group == "experiment":
        words += [word for line, small in SMALLER.items() if line in text for word in small]
    ended = cli("train", *words, STAND_INS, "hydra.run.dir=run")
    if NOT_HERE.get(option):
        assert ended.status == 2
        assert f"accelerator={option}" in ended.err
        return
    assert ended.status == 0, ended.err
    assert "MASTER_PORT" not in os.environ  # otherwise the next job would join this one as a DDP process
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 2
    assert dict(zip(rows[0].split(","), rows[1].split(",")))["step"] == "2"
    if group == "figures" and option != "none":
        drawn = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
        assert drawn == FIGURES_OF.get(option, {option})
    if group == "metrics" and option != "none":
        scored = json.loads((tmp_path / "run" / "results.json").read_text())
        assert scored["metrics"]
        assert all(math.isfinite(value) for value in scored["metrics"].values())


@pytest.mark.parametrize("launcher", ["sequence", "joblib", "vectorized"])  # the other launchers need a cluster
def test_launcher_carries_out_a_sweep(cli, tmp_path, launcher):
    words = [*TINY, *BARE, "latent_dim=2,3", f"launcher={launcher}", "sweep=mine"]
    ended = cli("train", "-m", *words)
    assert ended.status == 0, ended.err
    folders = [path.parent.name for path in (tmp_path / "outputs" / "sweeps" / "mine").glob("*/results.json")]
    assert sorted(folders) == ["latent_dim-2", "latent_dim-3"]


@pytest.mark.parametrize(("group", "option"), OF_SWEEPS, ids=[f"{group}={option}" for group, option in OF_SWEEPS])
def test_option_of_a_sweep_plans_it(cli, tmp_path, group, option):
    scores = ["metrics=val_loss_terms"] if option == "optuna" else []
    ended = cli("train", "-m", *TINY, *BARE, *scores, "latent_dim=2,3", f"{group}={option}", "dry_run=true")
    elsewhere = {"slurm": "launcher=slurm", "ray": "needs the package ray", "optuna": "needs the package optuna"}
    assert ended.status == 0 or elsewhere.get(option, "nothing") in ended.err, (
        ended.err
    )  # refused without a cluster or an extra
    assert ended.status in (0, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("experiment", SWEEPING)
def test_every_job_of_an_experiment_is_composed_and_the_first_trains(cli, tmp_path, experiment):
    vary = yaml.safe_load(groups()["experiment"][experiment].read_text())["vary"]
    planned = cli("train", f"experiment={experiment}", "dry_run=true")
    assert planned.status == 0, planned.err
    jobs = math.prod(len(values) for values in vary.values())
    assert planned.out.startswith(f"{jobs} jobs")
    assert f"{jobs} new" in planned.out
    words = [word for word in (*TINY, *BARE) if word != "dataset=digits" and word.partition("=")[0] not in vary]
    if "dataset.keep" in vary:  # a class has four of the forty images
        words = [*(word for word in words if not word.startswith("batch_size")), "batch_size=2"]
    first = [f"{key}={values[0]}" for key, values in vary.items() if key != "epochs"] or ["epochs=1"]
    ended = cli("train", "-m", f"experiment={experiment}", *words, *first, "sweep=mine")
    assert ended.status == 0, ended.out + ended.err
    assert len(list((tmp_path / "outputs" / "sweeps" / "mine").glob("*/results.json"))) == 1


@pytest.mark.parametrize("schedule", [name for name in groups()["scheduler"] if name != "none"])
def test_scheduler_moves_the_learning_rate(cli, tmp_path, schedule):
    more = ["scheduler.make.patience=0", "scheduler.make.threshold=1e9"] if schedule == "plateau" else []
    words = ["epochs=4" if word.startswith("epochs") else word for word in TINY]
    ended = cli("train", *words, *BARE, f"scheduler={schedule}", *[f"+{w}" if "thresh" in w else w for w in more],
                "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    rows = [row.split(",") for row in (tmp_path / "run" / "metrics.csv").read_text().splitlines()]
    rates = [float(row[rows[0].index("lr")]) for row in rows[1:]]
    assert rates[-1] < rates[0]


@pytest.mark.parametrize(("typed", "latent_dim"), [([], 50), (["latent_dim=3"], 3)])
def test_a_model_may_bring_its_own_number_and_a_typed_one_wins(cli, tmp_path, typed, latent_dim):
    ended = cli("train", *TINY, *BARE, "model=iwae_mlp", *typed, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    run = load_run(tmp_path / "run")
    assert run.config["latent_dim"] == run.model.latent_dim == latent_dim
    assert run.config["choices"]["model"] == "iwae_mlp"
    assert run.config["model"]["net"] == {
        "_target_": "vae_lab.nets.dense.Dense", "width": 200, "depth": 2, "activation": "tanh",
    }  # fmt: skip
    assert f"iwae_mlp, elbo/mse on digits, latent_dim={latent_dim}" in ended.out


@pytest.mark.skipif("VAE_LAB_DATA" not in os.environ, reason="VAE_LAB_DATA names no folder with MNIST")
@pytest.mark.parametrize("model", ["dense", "report_dense", "report_cnn", "cnn", "iwae_mlp"])
def test_parameter_counts_on_mnist_are_as_described(model):
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vae_lab.config.conf import CONF
    from vae_lab.runs.build import make_job

    with initialize_config_dir(str(Path(CONF).absolute()), version_base="1.3"):
        config = OmegaConf.to_container(compose("train", [f"model={model}", "k1=1", "k2=1"]), resolve=True)
    count = make_job(config, (1, 28, 28), 10).parameter_count
    known = {"report_dense": (400_000, 800_000), "dense": (0, 1_000_000), "iwae_mlp": (425_284, 425_284)}
    low, high = known.get(model, (0, 2_000_000))
    assert low <= count <= high


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["loss_weights", "k1=0.3"], (0.3, 0.7, 0.7 / 0.3)),
        (["loss_weights", "k1=0.95"], (0.95, 0.05, 0.05 / 0.95)),
        (["loss_weights", "k1=0"], (0, 1, None)),
        (["loss_weights", "k1=1"], (1, 0, 0)),
        (["latent_dim_as_run", "latent_dim=4", "batch_size=100"], (0.5, 0.0025, 0.005)),
    ],
)
def test_weights_that_a_report_experiment_computes_are_resolved(cli, tmp_path, words, expected):
    name, *more = words
    words = [word for word in TINY if not word.startswith("batch_size")]
    ended = cli("train", f"experiment=report/{name}", *words, "dataset.limit=100", "batch_size=50", *BARE,
                "metrics=loss_terms", *more, "hydra.sweep.dir=sweep")  # fmt: skip
    assert ended.status == 0, ended.err
    (found,) = (tmp_path / "sweep").glob("*/results.json")  # a typed key is not varied, so there is one job
    run = load_run(found.parent)
    assert tuple(run.config[key] for key in ("k1", "k2", "beta")) == expected
    assert run.scores["test/loss"] == pytest.approx(
        expected[0] * run.scores["test/recon"] + expected[1] * run.scores["test/kl"], rel=1e-4
    )


def test_report_experiments_vary_the_settings_of_the_report():
    def varied(name):
        return yaml.safe_load(groups()["experiment"][f"report/{name}"].read_text(encoding="utf-8"))["vary"]

    assert varied("latent_dim") == varied("latent_dim_as_run") == {"latent_dim": [1, 4, 16, 128, 256, 1024, 2048]}
    assert varied("loss_weights") == {"k1": [round(0.05 * i, 2) for i in range(21)]}
    assert varied("dense_epochs") == {"epochs": [20, 50]}


def _write_images(folder: Path) -> None:
    from torchvision.utils import save_image

    draws = torch.Generator().manual_seed(0)
    for i in range(40):
        place = folder / f"class{i % 2}"
        place.mkdir(parents=True, exist_ok=True)
        save_image(torch.rand(3, 9, 11, generator=draws), place / f"{i}.png")
