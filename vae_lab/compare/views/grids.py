"""Grids of samples and reconstructions, from the pictures that the runs wrote when they were scored."""

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae_lab.compare.choosing import first_ranked, ranking
from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import data_of
from vae_lab.compare.scores import Score
from vae_lab.figures.run_picture import NAME, UnreadablePicture, png_of, read_picture
from vae_lab.runs.content import ENVIRONMENT
from vae_lab.system.reading import Damaged, read_json


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
    score = first_ranked(compared)
    if score is None:
        return trained[:limit], len(trained)
    ranked: dict[tuple[int, str], list[int]] = {}
    key = ranking(compared, score)
    for run in sorted(trained, key=lambda run: key((run,))):
        ranked.setdefault(group_of(compared, score, run), []).append(run)
    places = sorted((place, group) for group, runs in ranked.items() for place in range(len(runs)))[:limit]
    return [ranked[group][place] for group, place in sorted((group, place) for place, group in places)], len(trained)


def group_of(compared: Compared, score: Score, run: int) -> tuple[int, str]:
    """Return a key of the score's protocol and the dataset, within which a run is ranked.

    Runs without the score have the last key.
    """
    return score.protocols.number_of.get(run, len(score.protocols)), str(data_of(compared.records[run].config))


def read_grids(compared: Compared, runs: Sequence[int]) -> list[PictureGrid]:
    """Return the grids of the runs; a run without a readable picture states the reason and the remedy instead.

    Args:
        compared: all runs.
        runs: indices of the runs to show.
    """
    return [_grid(run, compared.records[run].path) for run in runs]


def _grid(run: int, folder: Path) -> PictureGrid:
    remedy = f"type {shlex.join(['vae-lab', 'evaluate', f'run={folder}', 'metrics=none', 'figures=none'])}"
    if not (folder / NAME).is_file():
        kind = _kind_of_data(folder)
        if kind != "images":
            return PictureGrid(run, missing=f"this run's dataset holds {kind}, not images")
        return PictureGrid(run, missing=f"there is no {NAME} in its folder; {remedy}")
    try:
        samples, reconstructions = read_picture(folder / NAME)
    except (UnreadablePicture, OSError) as why:
        return PictureGrid(run, missing=f"{NAME} is damaged ({why}); {remedy}")
    return PictureGrid(run, _data_uri(samples), _data_uri(reconstructions))


def _kind_of_data(folder: Path) -> str:
    """What the run's dataset holds, as ``environment.json`` says: 'images', 'tokens' or 'vectors'."""
    try:
        kind = read_json(folder / ENVIRONMENT)["values"]["kind"]
    except (Damaged, KeyError, TypeError):  # a run of an earlier version, or a damaged file
        return "images"
    return str(kind)[:40]


def _data_uri(pixels: np.ndarray) -> str:
    """The pixels as a PNG file of our own, so that nothing else of the run's file is in the page."""
    return f"data:image/png;base64,{base64.b64encode(png_of(pixels)).decode()}"
