"""What the files of a run folder hold: every reader of a saved run goes through these functions, and none needs torch.

A file that does not hold what it should is refused in one line, which names the file, the entry and what to do.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vae_lab.config.node import Node
from vae_lab.config.renamed import current
from vae_lab.runs.formats import Content, Environment, Failure, FitRecord, MetricProtocol, Results, SweepRecord
from vae_lab.system.reading import Damaged, damaged, read_history, read_json, read_yaml, refuse_unreadable

CONFIG, ENVIRONMENT, RESULTS, HISTORY = "config.yaml", "environment.json", "results.json", "metrics.csv"
EXPLORER = "explorer.html"
FAILURE, SWEEP = "failure.json", "sweep.json"
_FOLDERS = ("checkpoints", "samplers", "figures", "samples")
_WRITTEN = ("checkpoints/best.ckpt", "checkpoints/last.ckpt")
_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")  # a dotted path


ContentT = TypeVar("ContentT", bound=Content)


def main_scores(metrics: Mapping[str, float]) -> str:
    """Return the scores to show where there is room for three: ``val/elbo −98, val/loss 40``; empty if there are none.

    They are those of the validation set where a run has them, because runs are chosen while they are watched.
    """
    names = [f"{split}/{name}" for split in ("val", "test") for name in ("fid", "elbo", "loss")]
    found = [name for name in names if name in metrics]
    names = [name for name in found if name.startswith("val/")] or found or list(metrics)[:3]
    values = {name: f"{metrics[name]:.4g}".replace("-", "\N{MINUS SIGN}") for name in names}
    return ", ".join(f"{name.removeprefix('test/')} {value}" for name, value in values.items())


def config_of(folder: Path) -> Node:
    """Return the resolved config of a run, with the present paths of its classes.

    Raises:
        Damaged: ``config.yaml`` is missing or is not a resolved config.
    """
    path = folder / CONFIG
    try:
        config = current(read_yaml(path))
        _check_node(path, config)
    except Damaged as why:
        raise why.advised("restore the file, or remove the folder and train the run again") from why
    return config


def environment_of(folder: Path) -> Node:
    """Return the content of ``environment.json``.

    Raises:
        Damaged: the file is missing, or one of the entries that are read again is.
    """
    path = folder / ENVIRONMENT
    try:
        content = read_json(path)
        _checked(path, content, Environment)
    except Damaged as why:
        again = f"vae-lab train --config-dir={folder} --config-name=config hydra.run.dir=<another folder>"
        raise why.advised(f"restore the file, or train the run again: {again}") from why
    return {"classes": [], "attributes": [], **content}


def results_of(folder: Path) -> Results | None:
    """Return the content of ``results.json``; None if there is no such file, which means that the run is not finished.

    Raises:
        Damaged: the file holds something else.
    """
    path = folder / RESULTS
    if not _is_there(path):
        return None
    try:
        results = _checked(path, read_json(path), Results)
        for name, part in results.protocol.items():
            if isinstance(part, dict) and "extractor_sha256" in part:
                _checked(path, part, MetricProtocol, f"protocol.{name}")
        samplers = results.protocol.get("samplers", {})
        if not isinstance(samplers, dict):
            raise damaged(path, "protocol.samplers: must be a mapping")
        for name, about in samplers.items():
            _checked(path, about, FitRecord, f"protocol.samplers.{name}")
        if "prior" in results.protocol:
            _checked(path, results.protocol["prior"], FitRecord, "protocol.prior")
    except Damaged as why:
        raise why.advised(f"remove it and type vae-lab train resume={folder} to score the run again") from why
    return results


def history_of(folder: Path) -> list[dict[str, float]]:
    """Return the rows of ``metrics.csv``, one per epoch; an empty list if there is no such file.

    Raises:
        Damaged: the file holds something else.
    """
    try:
        return read_history(folder / HISTORY)
    except Damaged as why:
        raise why.advised("remove it to go on without the curves of these epochs") from why


def failure_in(folder: Path) -> str:
    """Return the reason why a run failed.

    Raises:
        Damaged: ``failure.json`` is missing or holds no reason.
    """
    path = folder / FAILURE
    return " ".join(_checked(path, read_json(path), Failure).reason.split())[:200]


def sweep_of(folder: Path) -> SweepRecord:
    """Return the content of ``sweep.json``.

    Raises:
        Damaged: the file is missing or holds something else.
    """
    return _checked(folder / SWEEP, read_json(folder / SWEEP), SweepRecord)


def sweep_command(folder: Path) -> str:
    """Return the command that carries out a sweep, from its ``sweep.json``, for messages.

    It is quoted anew, since a shell would carry out more than this command if someone else wrote the file.

    Returns:
        The command; an empty string if the file cannot be read, or holds another command.
    """
    try:
        words = shlex.split(sweep_of(folder).command)
    except (Damaged, ValueError):
        return ""
    return shlex.join(words) if words[:2] == ["vae-lab", "train"] else ""


def refuse_misplaced(folder: Path) -> None:
    """Refuse a run folder in which a folder stands in the place of a file, or a file in the place of a folder.

    Otherwise the run would fail only when it writes them, after hours of training.

    Raises:
        Damaged: names the path.
    """
    for name in (RESULTS, HISTORY, FAILURE):
        if _is_there(folder / name):
            refuse_unreadable(folder / name)
    for name in _FOLDERS:
        if _is_there(folder / name) and not (folder / name).is_dir():
            raise Damaged(folder / name, "is not a folder", "move it away")
    for name in _WRITTEN:
        if (folder / name).is_dir():
            raise Damaged(folder / name, "is a folder, not a file", "move it away")


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _checked(path: Path, content: object, schema: type[ContentT], inside: str = "") -> ContentT:
    try:
        return schema.model_validate(content)
    except ValidationError as why:
        problem = why.errors()[0]
        place = ".".join([*([inside] if inside else []), *(str(part)[:60] for part in problem["loc"])])
        message = problem["msg"].removeprefix("Input ").replace("should", "must")
        text = "is missing" if problem["type"] == "missing" else message
        raise damaged(path, f"{place or 'its content'}: {text}") from why


def _check_node(path: Path, node: object, place: str = "") -> None:
    """Refuse a config with keys or classes that are not text, or with a value that is still missing, ``???``.

    Raises:
        Damaged: names the entry.
    """
    if isinstance(node, list):
        for number, value in enumerate(node):
            _check_node(path, value, f"{place}[{number}]")
    if isinstance(node, dict):
        for key, value in node.items():
            inner = f"{place}.{key}" if place else str(key)
            if not isinstance(key, str):
                raise damaged(path, f"{inner}: a key that is not text")
            if key == "_target_" and value is not None and not (isinstance(value, str) and _CLASS.fullmatch(value)):
                raise damaged(path, f"{inner}={str(value)[:60]}: must be the path of a class")
            _check_node(path, value, inner)
    if node == "???":
        raise damaged(path, f"{place}=???: a value that was never set")
