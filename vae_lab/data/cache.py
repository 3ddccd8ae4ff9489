"""Where things that can be made again are kept: datasets, classifiers, decoded images."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir(kind: str) -> Path:
    """``$VAE_LAB_CACHE/<kind>``, else a folder in the user's cache; created."""
    root = os.environ.get("VAE_LAB_CACHE")
    path = (Path(root).expanduser() if root else user_cache_path("vae-lab")) / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def data_root(data_dir: str | None) -> Path:
    """Where datasets lie: ``data_dir``, else ``$VAE_LAB_DATA``, else the cache in the user's home."""
    chosen = data_dir or os.environ.get("VAE_LAB_DATA")
    return Path(chosen).expanduser().absolute() if chosen else cache_dir("data")
