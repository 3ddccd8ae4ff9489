"""Functions that write run folders like those of training, without training."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from vae_lab.figures.run_picture import NAME, write_picture

SHA = "5824098d5d3955427b09224de172318a95d8889b929573009d3e90498db34283"
MEANINGS = {
    "test/fid": "samples against test images, lower is better",
    "test/elbo": "−recon − kl, nats per image, higher is better",
    "test/recon": "−log p(x|z), nats per image",
    "test/kl": "KL[q(z|x) ‖ p(z)], nats per image",
    "test/active_units": "active dimensions: variance of the mean above 0.01",
}


def config(**changed: Any) -> dict[str, Any]:
    """Return a resolved config with changed values.

    A double underscore in a name separates nested keys. Keys that repeat a top-level number follow its changes.
    """
    top = {"latent_dim": 2, "beta": 1.0, "k1": 1.0, "k2": 1.0, "epochs": 3, "batch_size": 128, "lr": 1e-3, "seed": 0,
           "data_dir": None, **{k.replace("__", "."): v for k, v in changed.items() if "__" not in k}}  # fmt: skip
    made = {
        **top,
        "model": {"_target_": "vae_lab.models.single_level.SingleLevel", "net": {"_target_": "a.CNN", "width": 32}},
        "objective": {"_target_": "vae_lab.objectives.elbo.ELBO", "k1": top["k1"], "k2": top["k2"],
                      "schedule": {"_target_": "a.Constant"}},
        "likelihood": {"_target_": "vae_lab.likelihoods.Sigma"},
        "beta_schedule": {"_target_": "a.Constant"},
        "dataset": {"_target_": "a.Dataset", "name": "digits", "batch_size": top["batch_size"], "seed": top["seed"],
                    "limit": None, "binarize": None, "source": {"_target_": "a.Digits"}},
        "optimizer": {"_target_": "torch.optim.Adam", "lr": top["lr"]},
        "scheduler": {"interval": "epoch", "make": {"_target_": "a.Cosine", "T_max": top["epochs"]}},
        "logger": {"_target_": "a.WandB"},
        "metrics": {"fid": {"samples": 100}},
        "choices": {"logger": "none", "dataset": "digits", "likelihood": "sigma", "objective": "elbo", "model": "cnn"},
    }  # fmt: skip
    for name, value in changed.items():
        *parents, last = name.split("__")
        node = made
        for parent in parents:
            node = node[parent]
        node[last] = value
    return made


def protocol(**changed: Any) -> dict[str, Any]:
    """Return the protocol of a run with changed entries of its metric ``fid``."""
    fid = {"features": "digits classifier, 128-d", "extractor_sha256": SHA, "images": 360, "seed": 0,
           "sampler": "decoder means of draws from the prior", "reference": "360 of 360 test images of digits",
           "bootstrap": "95 % of 100", **changed}  # fmt: skip
    terms = {"images": 360, "split": "test", "likelihood": "Sigma", "latent_samples": 1}
    return {"checkpoint": {"which": "best val/loss", "epoch": 3}, "loss_terms": terms, "latent_use": {}, "fid": fid}


def make_run(folder: Path, fid: float = 10.0, fid_protocol: dict[str, Any] | None = None, **changed: Any) -> Path:
    """Make a finished run folder with three epochs and return it; ``fid_protocol`` changes the protocol of its FID."""
    folder.mkdir(parents=True)
    settings = config(**changed)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    values = {"fid": fid, "fid_floor": 2.0, "elbo": -fid, "recon": fid - 3, "kl": 3 + fid / 10, "active_units": 2}
    results = {
        "status": "finished",
        "metrics": {f"test/{name}": value for name, value in values.items()},
        "intervals": {"test/fid": [fid - 1, fid + 1]},
        "meanings": {**MEANINGS, "test/fid_floor": f"{MEANINGS['test/fid']}, real training images"},
        "protocol": protocol(seed=settings["seed"], **(fid_protocol or {})),
        "arrays": {},
    }
    (folder / "results.json").write_text(json.dumps(results))
    rows = [f"{epoch},{epoch * 11},{fid + 3 - epoch},{fid + 4 - epoch},0.001,0.1" for epoch in range(3)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,train/loss,val/loss,lr,epoch_seconds", *rows]) + "\n")
    grey = [torch.full((n, 1, 2, 2), shade) for n, shade in ((30, 0.25), (10, 0.75), (10, 1.0))]
    write_picture(folder / NAME, *grey)
    (folder / "environment.json").write_text(json.dumps({"wall_seconds": 9.2, "run_id": "abc"}))
    return folder


def make_sweep(folder: Path, seeds: int = 2) -> Path:
    """Make a sweep over latent_dim, beta and seed, with one failed, one interrupted and one damaged job."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.json").write_text("{}")
    number = 0
    for latent_dim in (2, 16):
        for beta in (1.0, 4.0):
            for seed in range(seeds):
                make_run(folder / f"{number}-job", 10.0 * beta + latent_dim + seed, latent_dim=latent_dim, beta=beta,
                         k2=beta, seed=seed)  # fmt: skip
                number += 1
    (make_run(folder / "90-interrupted", latent_dim=2, beta=1.0, seed=7) / "results.json").unlink()
    failed = folder / "91-failed"
    failed.mkdir()
    (failed / "failure.json").write_text('{"reason": "the loss became NaN in epoch 2"}')
    damaged = make_run(folder / "92-damaged", latent_dim=16, beta=1.0, seed=7) / "results.json"
    damaged.write_text(damaged.read_text()[:100])
    return folder
