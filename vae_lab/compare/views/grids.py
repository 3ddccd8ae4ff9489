"""Samples and reconstructions of runs, side by side: decoded from the same latents, made of the same test images."""

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import data_of
from vae_lab.compare.scores import Score
from vae_lab.errors import UserError

SAMPLES, COLUMNS, SHOWN = 30, 10, 10
SEED = 0  # of the latents: whatever the runs' own seeds are


@dataclass(frozen=True)
class Grid:
    """Pictures of one run as data URIs, or why there are none."""

    run: int
    samples: str = ""
    reconstructions: str = ""  # under the originals
    missing: str = ""


def best_first(compared: Compared, limit: int | None = None) -> tuple[list[int], int]:
    """Finished, trained runs by the first shown score that has a direction; and how many there are.

    Values of different protocols do not compare: each group keeps its best, and one group follows the other.
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
    """What a run ranks within: the score's protocol and the dataset; runs without the score come last."""
    return score.protocols.of.get(run, len(score.protocols)), str(data_of(compared.records[run].config))


def draw_grids(
    compared: Compared, runs: Sequence[int], follow: Callable[[Iterable[Any], str], Iterable[Any]]
) -> list[Grid]:
    """Grids of these runs; a run whose weights or data cannot be had says so in its place."""
    images: dict[str, Any] = {}
    return [_grid(compared, run, images) for run in follow(runs, "decoding samples")]


def _grid(compared: Compared, number: int, images: dict[str, Any]) -> Grid:
    import torch

    from vae_lab.evaluation.trained import decoded_draws, reconstructed
    from vae_lab.noise import SeededNoise
    from vae_lab.runs.run_folder import load_run

    try:
        run = load_run(compared.records[number].path)
        with torch.inference_mode():
            made = decoded_draws(run.model, SAMPLES, torch.device("cpu"), SEED, "compare", SAMPLES, run.conditions())
            samples = torch.cat(list(made))
            x, y = _test_images(run, images)
            pairs = torch.cat([x, reconstructed(run.model, x, y, lambda use: SeededNoise("cpu", SEED, "compare", use))])
        return Grid(number, _png(samples), _png(pairs))
    except UserError as why:
        return Grid(number, missing=str(why))
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as why:  # weights of an older or a changed class
        return Grid(number, missing=f"{type(why).__name__}: {' '.join(str(why).split())[:160]}")


def _test_images(run: Any, images: dict[str, Any]) -> Any:
    """The same images of a dataset for all its runs, of each class in turn: [10, C, H, W] in [0, 1], and their y."""
    import torch

    from vae_lab.figures.reconstructions import spread

    key = json.dumps([data_of(run.config), run.config["dataset"]["source"]], sort_keys=True)  # labels count, too
    if key not in images:
        data = run.data
        chosen = spread(data.test.labels, min(SHOWN, len(data.test)))
        images[key] = torch.cat([batch.x for batch in data.batches("test")])[chosen], data.test.at(chosen)[1]
    return images[key]


def _png(images: Any) -> str:
    """A grid of ten columns, one pixel per pixel; the page shows it larger."""
    from PIL import Image

    from vae_lab.figures.style import image_grid

    picture = (image_grid(images, COLUMNS, background=0.5) * 255).round().astype("uint8")
    grey = (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()
    out = io.BytesIO()
    Image.fromarray(picture[..., 0] if grey else picture).save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
