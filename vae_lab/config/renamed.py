"""Modules and classes that have moved since a config was saved, so that all earlier run folders stay readable.

A config names its classes by their full path, ``_target_``. When a module or a class moves or is renamed, its old
path is entered here, and every reader of saved configs calls :func:`current`.
"""

from collections.abc import Mapping
from typing import Any, overload

from vae_lab.config.node import Node

# Old module or class -> the new one. Only those that a saved config or a sampler's file can name.
MOVED = {
    "vae_lab.data.image_data.ImageData": "vae_lab.data.dataset.Dataset",  # 0.1.0
    "vae_lab.metrics.loss_terms.LossTerms": "vae_lab.metrics.loss_terms.LossTermScores",  # 0.1.0
    "vae_lab.figures.denoising.Denoising": "vae_lab.figures.denoising.DenoisingCurves",  # 0.1.0
    "vae_lab.figures.novelty.Novelty": "vae_lab.figures.novelty.NearestPairs",  # 0.1.0
    "vae_lab.loggers": "vae_lab.report.loggers",  # 0.1.0
    "vae_lab.metrics.classifier": "vae_lab.features.classifier",  # 0.1.0
    "vae_lab.metrics.inception": "vae_lab.features.inception",  # 0.1.0
}


@overload
def current(node: Mapping[str, Any]) -> Node: ...
@overload
def current(node: object) -> object: ...
def current(node: object) -> object:
    """Return a copy of a config, or of a part of one, in which every ``_target_`` is the class's present path.

    >>> current({"_target_": "vae_lab.loggers.wandb_logger", "mode": "auto"})
    {'_target_': 'vae_lab.report.loggers.wandb_logger', 'mode': 'auto'}
    """
    if isinstance(node, Mapping):
        return {key: _moved(value) if key == "_target_" else current(value) for key, value in node.items()}
    return [current(value) for value in node] if isinstance(node, list) else node


def _moved(target: object) -> object:
    name = str(target)
    module, _, last = name.rpartition(".")
    return MOVED.get(name) or (f"{MOVED[module]}.{last}" if module in MOVED else target)
