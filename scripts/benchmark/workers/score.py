"""Measure the time of vae-lab's scores on an untrained model, since training does not change how long they take."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import DEVICE, now

from vae_lab.config.composing import composer
from vae_lab.config.make import make
from vae_lab.evaluation.trained import Evaluation
from vae_lab.runs.build import make_data, make_job


def main() -> None:
    """Time FID twice and NLL once; the first FID also computes and caches the features of the test images."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    words = [f"model={task['model']}", f"data_dir={task['data']}", "metrics=[fid,nll]", "metrics.nll.images=100"]
    with composer(words) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size)

    def seconds(metric: str) -> float:
        evaluation: Any = Evaluation(job, data, config["seed"], DEVICE, features=make(config["features"]))
        started = now()
        make(config["metrics"][metric])(evaluation)
        return now() - started

    with tempfile.TemporaryDirectory() as empty:
        os.environ["VAE_LAB_CACHE"] = empty
        rows = [{"score": score, "seconds": seconds(metric)} for score, metric in SCORES]
    Path(sys.argv[2]).write_text(json.dumps(rows), encoding="utf-8")


SCORES = (
    ("FID of 10,000 samples, the first time on this machine", "fid"),
    ("FID of 10,000 samples, with the test images' features kept", "fid"),
    ("NLL of 100 images by 5,000 importance samples each", "nll"),
)


if __name__ == "__main__":
    main()
