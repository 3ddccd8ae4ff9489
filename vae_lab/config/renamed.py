"""Classes that have moved since a config was saved: run folders of every earlier version stay readable.

A config names its classes by their full path, ``_target_``. When a module moves, its old path is entered here, and
whoever reads a saved config asks :func:`current` for it.
"""

from collections.abc import Mapping
from typing import Any

# Old module or class -> the new one. Only those that a saved config or a sampler's file can name.
MOVED = {
    "vae_lab.data.image_data.ImageData": "vae_lab.data.dataset.Dataset",  # 0.1.0
    "vae_lab.loggers": "vae_lab.report.loggers",  # 0.1.0
    "vae_lab.metrics.classifier": "vae_lab.features.classifier",  # 0.1.0
    "vae_lab.metrics.inception": "vae_lab.features.inception",  # 0.1.0
}


def current(node: Any) -> Any:
    """A copy of a config, or of a part of one, in which every ``_target_`` names the class where it is now.

    >>> current({"_target_": "vae_lab.loggers.wandb_logger", "mode": "auto"})
    {'_target_': 'vae_lab.report.loggers.wandb_logger', 'mode': 'auto'}
    """
    if isinstance(node, Mapping):
        return {key: _moved(value) if key == "_target_" else current(value) for key, value in node.items()}
    return [current(value) for value in node] if isinstance(node, list) else node


def _moved(target: Any) -> Any:
    module, _, name = str(target).rpartition(".")
    return MOVED.get(target) or (f"{MOVED[module]}.{name}" if module in MOVED else target)
