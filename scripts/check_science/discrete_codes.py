"""The use of discrete codes: SciPy on the codes of a small model, encoded at once."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import entropy

from check_science.checks import Found, check
from vae_lab.config.composing import composer
from vae_lab.evaluation.trained import Evaluation
from vae_lab.metrics.codes import Codes
from vae_lab.noise import SeededNoise
from vae_lab.runs.build import make_data, make_job

WORDS = ("model=vq_vae_2", "dataset=digits", "likelihood=bernoulli", "quantizer=residual", "data_dir=null")


@check("metrics", "codes", "perplexity", "codes used", "entropy given the position",
       reference="counts, SciPy's entropy, all test images at once (arXiv 1711.00937)")  # fmt: skip
def codes() -> Iterator[Found]:
    """Two levels with two codes per position, of an untrained model whose code vectors are moved apart."""
    with composer(WORDS) as compose:
        config = compose([])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    for buffer in job.buffers():
        buffer.data = torch.randn_like(buffer) if buffer.ndim == 2 else buffer.data
    trained = Evaluation(job, data, 0, torch.device("cpu"))
    found = Codes()(trained).values
    x = torch.cat([batch.x for batch in data.batches("test")])
    with torch.inference_mode():
        levels = job.model.infer(x, None, 1, SeededNoise("cpu", 0)).codes or ()
    for level, grid in zip((2, 1), levels):
        for depth in (1, 2):
            flat = grid[0, ..., depth - 1].flatten(1).numpy()
            of_all = np.bincount(flat.ravel(), minlength=16)
            of_each = [np.bincount(column, minlength=16) for column in flat.T]
            end = f"_level{level}_depth{depth}"
            yield "perplexity", found[f"perplexity{end}"], np.exp(entropy(of_all))
            yield "codes used", found[f"codes_used{end}"], len(np.unique(flat)) / 16
            yield "entropy given the position", found[f"code_nats{end}"], sum(entropy(counts) for counts in of_each)
