"""Draws the picture of a run that ``vae-lab compare`` shows: samples, and test images above their reconstructions."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vae_lab.evaluation.draws import decoded_draws
from vae_lab.evaluation.trained import Evaluation, reconstructed
from vae_lab.figures.reconstructions import spread
from vae_lab.figures.run_picture import COLUMNS, LARGEST, NAME, SAMPLES, write_picture
from vae_lab.noise import MovedNoise, SeededNoise
from vae_lab.types import Noise

SEED = 0  # of all draws; it does not depend on the run's seed


def draw_for_comparison(evaluation: Evaluation, run_dir: Path) -> None:
    """Write ``picture.png`` into the run folder, unless the examples of the dataset are not images.

    Runs of the same latent size decode the same draws, made on the CPU, whatever their seed and their device. Runs on
    the same dataset reconstruct the same test images.
    """
    if evaluation.data.values.kind != "images":
        return
    with torch.inference_mode():
        draws = decoded_draws(evaluation.model, SAMPLES, evaluation.device, SEED, "compare", SAMPLES,
                              evaluation.conditions, drawn_on=torch.device("cpu"))  # fmt: skip
        parts = torch.cat(list(draws)), *_reconstructions(evaluation)
        write_picture(run_dir / NAME, *map(_reduced, parts))


def _reconstructions(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """Ten test images of each class in turn, [10, C, H, W] in [0, 1], and their reconstructions."""
    data, device = evaluation.data, evaluation.device

    def noise(use: str) -> Noise:
        return MovedNoise(SeededNoise("cpu", SEED, "compare", use), device)

    chosen = spread(data.test.labels, min(COLUMNS, len(data.test)))
    stored, y = data.test.at(chosen)
    x = data.as_received(data.values.ready(stored, device), noise("binary images"))
    return x, reconstructed(evaluation.model, x, None if y is None else y.to(device), noise)


def _reduced(images: Tensor) -> Tensor:
    """The images as the picture shows them: at most 128 pixels high and wide, with one or three channels."""
    if images.shape[1] not in (1, 3):
        images = images.mean(1, keepdim=True)
    largest = max(images.shape[2:])
    if largest <= LARGEST:
        return images
    height, width = (max(1, side * LARGEST // largest) for side in images.shape[2:])
    return interpolate(images, (height, width), mode="area")
