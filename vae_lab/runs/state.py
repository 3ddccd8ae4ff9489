"""The state of a run folder: whether its run is finished, failed, interrupted or in use, and how far it has got.

This module does not import torch, so that sweeps can be planned without waiting for it.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from vae_lab.config.conf import CONF
from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.runs.content import CONFIG, FAILURE, HISTORY, RESULTS, config_of, failure_in
from vae_lab.system.files import write_json
from vae_lab.system.reading import Damaged, read_history

_LOCK = ".lock"
_WITHOUT_EFFECT = ("data_dir", "choices", "logger", "resume")  # top-level keys that change no score and no figure
# Groups that a model reads stand in its own node, too; where it does not read them, they change nothing.
_WITHIN_MODEL = ("posterior", "prior", "quantizer")
# What configs of earlier versions, which lack these keys, stand for.
_EARLIER = {
    "initialisation": {"_target_": "vae_lab.nets.initialisation.Initialisation", "output_bias": "default"},
    "classifier": True,
    "continues": None,
    "init": None,
}
# Settings that options have gained, with the values that do what was done before; they do not count with these values.
_ADDED = {
    ("graph",): False,
    ("dataset", "keep"): None,
    ("figures", "latent_space", "colour"): "label",
    ("figures", "latent_space", "map"): "tsne",
    ("figures", "latent_space", "thumbnails"): 0,
    ("metrics", "loss_terms", "draws"): 1,
    ("metrics", "ood", "kinds"): None,
    ("model", "net", "dense_relu"): True,
    ("model", "net", "symmetric"): False,
    ("objective", "discriminator_steps"): 1,
    ("objective", "free_bits_per"): "dimension",
    ("objective", "kl_balance"): False,
    ("sampler", "fresh_codes"): False,
    ("sampler", "halve_every"): None,
    ("training", "ema"): None,
}
# The options of metrics and figures of the version in which these lists were last complete. An option that is not among
# them does not count with the settings of its YAML file, because lists such as ``metrics=fast`` may have gained it: a
# finished run is not trained again for it, since vae-lab evaluate adds it.
_COUNTING = {
    "metrics": {
        *("aggregate_posterior", "anomaly", "beta_vae_metric", "conditional_accuracy", "dci", "denoising", "fid"),
        *("factor_vae_score", "inception_score", "kid", "label_distribution", "latent_use", "loss_terms", "mig"),
        *("mig_integral", "nll", "novelty", "ood", "prdc", "probe", "sap", "val_fid", "val_loss_terms"),
    },
    "figures": {
        *("class_samples", "curves", "denoising", "kl_per_dimension", "label_shares", "latent_space", "nll_bounds"),
        *("noise_to_digit", "novelty", "ood_roc", "reconstructions", "samples", "typical"),
    },
}


@contextmanager
def in_use(folder: Path, wait: bool = False) -> Iterator[None]:
    """Lock a run folder inside the block, so that only one process at a time works in it.

    The operating system releases the lock if the process dies.

    Args:
        folder: the run folder; it is created if it does not exist.
        wait: wait for as long as another process holds the lock.

    Raises:
        UserError: another process holds the lock, and ``wait`` is False.
    """
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 1, poll_interval=0.2)
    except Timeout as why:
        raise UserError(f"{folder} is in use by another process; wait until it ends, or choose another folder") from why
    except OSError as why:
        raise UserError(
            f"{folder / _LOCK} cannot be locked ({why.strerror}); remove it, or make {folder} writable"
        ) from why
    try:
        yield
    finally:
        lock.release()
        (folder / _LOCK).unlink(missing_ok=True)


def is_in_use(folder: Path) -> bool:
    """Whether a process holds the lock of the folder."""
    if not (folder / _LOCK).exists():
        return False
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder of this name, or one that may not be written to
        return False


def status_of(folder: Path) -> str:
    """The status of a run: ``finished``, ``failed``, ``interrupted``, or ``new`` if it has not been started."""
    if (folder / RESULTS).is_file():
        return "finished"
    if (folder / FAILURE).is_file():
        return "failed"
    return "interrupted" if (folder / CONFIG).is_file() else "new"


def share_done(folder: Path, epochs: int) -> float:
    """The share of its epochs that a run has completed, from 0 to 1."""
    try:
        rows = read_history(folder / HISTORY)
    except Damaged:
        return 0.0
    return min(1.0, rows[-1]["epoch"] / epochs) if rows else 0.0


def write_failure(folder: Path, reason: str) -> None:
    """Record why a run failed, if its folder can be written. All other files are kept, so that it can go on."""
    with suppress(OSError):  # a full disk may be the reason; the table of a sweep shows it
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FAILURE, {"status": "failed", "reason": reason})


def failure_of(folder: Path) -> str:
    """The reason why a run failed; an empty string if it did not fail, or if the file is damaged."""
    try:
        return failure_in(folder)
    except Damaged:
        return ""


def identity(config: Node) -> str:
    """A string that is equal for two configs if they give the same scores on the same machine, and the same figures.

    Figures are the same whatever their style is: ``vae-lab figures`` draws them again in another one.
    """
    less = (*_WITHOUT_EFFECT, *_WITHIN_MODEL)
    kept: Node = _EARLIER | {key: value for key, value in config.items() if key not in less}
    if kept["classifier"] == "auto":
        kept["classifier"] = True  # as in earlier sweeps; what auto leaves out, vae-lab evaluate adds
    kept["figures"] = {name: node for name, node in (config.get("figures") or {}).items() if name != "style"}
    for path, earlier in _ADDED.items():
        kept = _without(kept, path, earlier)
    for group, counting in _COUNTING.items():
        nodes = (kept.get(group) or {}).items()
        kept[group] = {name: node for name, node in nodes if name in counting or node != _settings(group, name)}
    accelerator = {key: value for key, value in config["accelerator"].items() if key != "kind"}
    return json.dumps({**kept, "accelerator": accelerator}, sort_keys=True, default=str)


def _without(node: Node, path: Sequence[str], value: object) -> Node:
    """The node without the entry at a path, if it is there and has this value; the node itself is not changed."""
    key, *rest = path
    inner = node.get(key)
    if rest and isinstance(inner, dict):
        return {**node, key: _without(inner, rest, value)}
    if not rest and key in node and inner == value:
        return {name: one for name, one in node.items() if name != key}
    return node


@cache
def _settings(group: str, name: str) -> object:
    """The settings of an option of metrics or figures, as its YAML file has them; False if there is no such file."""
    path = CONF / group / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))[name] if path.is_file() else False


def saved_config(folder: Path) -> Node | None:
    """The config of a run folder; None if it is missing or damaged."""
    try:
        config = config_of(folder)
    except Damaged:
        return None
    return config if isinstance(config.get("accelerator"), dict) else None
