"""What a network made of real images, kept under a hash of both: computed once per machine."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vae_lab.data.cache import cache_dir

VERSION = "2"  # of the file and of how images are given to a network; another one is computed anew


def remembered(key: str, compute: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Features and logits from ``<cache>/features/<key>.safetensors``; computed and put there where they are not.

    A file that is damaged, if only by one bit, is made anew.

    Args:
        key: hashes of the images and of the network's weights.
        compute: gives features [n, F] and logits [n, classes].
    """
    path = cache_dir("features") / f"{key}-{VERSION}.safetensors"
    found = _read(path)
    if found is not None:
        return found
    features, logits = compute()
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    named = {"features": features.contiguous(), "logits": logits.contiguous()}
    save_file(named, unfinished, metadata={"sha256": _hash(features, logits)})
    unfinished.replace(path)
    return features, logits


def _read(path: Path) -> tuple[Tensor, Tensor] | None:
    """What a file holds, if it is what was written."""
    try:
        with safe_open(path, "pt") as file:
            features, logits = file.get_tensor("features"), file.get_tensor("logits")
            whole = (file.metadata() or {}).get("sha256") == _hash(features, logits)
        return (features, logits) if whole else None
    except (SafetensorError, OSError):
        return None


def _hash(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
