"""Folders for files that can be produced again: datasets, classifiers, decoded images."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from vae_lab.config.paths import expanded


def cache_dir(kind: str) -> Path:
    """Return ``$VAE_LAB_CACHE/<kind>``, or without that variable a folder in the user's cache; create it if needed."""
    root = os.environ.get("VAE_LAB_CACHE")
    path = (expanded(root) if root else user_cache_path("vae-lab")) / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def data_root(data_dir: str | None) -> Path:
    """Return the folder that holds datasets: ``data_dir``, else ``$VAE_LAB_DATA``, else a folder in the cache."""
    chosen = data_dir or os.environ.get("VAE_LAB_DATA")
    return expanded(chosen).absolute() if chosen else cache_dir("data")
