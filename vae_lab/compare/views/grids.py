"""Grids of samples and reconstructions: all runs decode the same latents and reconstruct the same test images."""

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import data_of
from vae_lab.compare.scores import Score
from vae_lab.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from vae_lab.runs.run import Run

    TestImages = tuple[Tensor, Tensor | None]  # images and their labels or attributes

SAMPLES, COLUMNS, SHOWN = 30, 10, 10
SEED = 0  # of the latents; it does not depend on the seeds of the runs


@dataclass(frozen=True)
class PictureGrid:
    """Pictures of one run as data URIs, or the reason why there are none."""

    run: int
    samples: str = ""
    reconstructions: str = ""  # the original images are in the row above
    missing: str = ""


def best_first(compared: Compared, limit: int | None = None) -> tuple[list[int], int]:
    """Rank the finished, trained runs by the first shown score that has a better direction.

    Values under different protocols are not comparable. The runs are therefore ranked within their protocol and
    dataset, ``limit`` keeps the best of every group before the second best of any, and the groups follow one another.

    Args:
        compared: the runs.
        limit: the number of runs to return; None: all.

    Returns:
        The indices of the runs, and the number of runs before ``limit`` was applied.
    """
    trained = [
        run for run in compared.order if compared.records[run].finished and "model" in compared.records[run].config
    ]
    score = next((s for s in map(compared.scores.get, compared.show) if s and s.better), None)
    if score is None:
        return trained[:limit], len(trained)
    ranked: dict[tuple[int, str], list[int]] = {}
    for run in sorted(trained, key=lambda run: score.rank(score.values.get(run, float("inf")))):
        ranked.setdefault(group_of(compared, score, run), []).append(run)
    places = sorted((place, group) for group, runs in ranked.items() for place in range(len(runs)))[:limit]
    return [ranked[group][place] for group, place in sorted((group, place) for place, group in places)], len(trained)


def group_of(compared: Compared, score: Score, run: int) -> tuple[int, str]:
    """Return a key of the score's protocol and the dataset, within which a run is ranked.

    Runs without the score have the last key.
    """
    return score.protocols.number_of.get(run, len(score.protocols)), str(data_of(compared.records[run].config))


def draw_grids(
    compared: Compared, runs: Sequence[int], follow: Callable[[Iterable[int], str], Iterable[int]]
) -> list[PictureGrid]:
    """Return the grids of the runs; a run whose weights or data cannot be loaded states the reason instead.

    Args:
        compared: all runs.
        runs: indices of the runs to draw.
        follow: wraps an iterable, with a description, to show its progress.
    """
    images: dict[str, TestImages] = {}
    return [_grid(compared, run, images) for run in follow(runs, "decoding samples")]


def _grid(compared: Compared, number: int, images: "dict[str, TestImages]") -> PictureGrid:
    import torch

    from vae_lab.evaluation.trained import decoded_draws, reconstructed
    from vae_lab.examples import values_from
    from vae_lab.noise import SeededNoise
    from vae_lab.runs.run_folder import load_run

    try:
        run = load_run(compared.records[number].path)
        kind = values_from(run.environment.get("values")).kind
        if kind != "images":
            return PictureGrid(number, missing=f"this run's dataset holds {kind}, not images")
        with torch.inference_mode():
            draws = decoded_draws(run.model, SAMPLES, torch.device("cpu"), SEED, "compare", SAMPLES, run.conditions())
            samples = torch.cat(list(draws))
            x, y = _test_images(run, images)
            pairs = torch.cat([x, reconstructed(run.model, x, y, lambda use: SeededNoise("cpu", SEED, "compare", use))])
        return PictureGrid(number, _png(samples), _png(pairs))
    except UserError as error:
        return PictureGrid(number, missing=str(error))
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:  # e.g. the weights of another version
        return PictureGrid(number, missing=f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")


def _test_images(run: "Run", images: "dict[str, TestImages]") -> "TestImages":
    """Ten test images, [10, C, H, W] in [0, 1], of each class in turn, and their labels or attributes.

    The images are the same for all runs on a dataset; ``images`` keeps them between calls.
    """
    import torch

    from vae_lab.figures.reconstructions import spread

    # Unlike data_of, the key includes the source's labels, because they determine which images are chosen.
    key = json.dumps([data_of(run.config), run.config["dataset"]["source"]], sort_keys=True)
    if key not in images:
        data = run.data
        chosen = spread(data.test.labels, min(SHOWN, len(data.test)))
        images[key] = torch.cat([batch.x for batch in data.batches("test")])[chosen], data.test.at(chosen)[1]
    return images[key]


def _png(images: "Tensor") -> str:
    """A grid of ten columns as a PNG data URI; the page enlarges the pixels."""
    from PIL import Image

    from vae_lab.figures.style import image_grid

    picture = (image_grid(images, COLUMNS, background=0.5) * 255).round().astype("uint8")
    grey = (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()
    out = io.BytesIO()
    Image.fromarray(picture[..., 0] if grey else picture).save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
