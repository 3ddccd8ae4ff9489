"""A cache for the features of real images, which are computed only once for each set of images and network."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vae_lab.data.cache import cache_dir, made_once

# The version of the file format and of the preprocessing of images; files of other versions are not used.
VERSION = "2"


def remembered(key: str, compute: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return features and logits from the cache's folder ``features``, or compute and save them there.

    A file whose contents do not match the hash that it holds is computed and written again.

    Args:
        key: hashes of the images and of the network's weights, the name of the file.
        compute: returns features [n, F] and logits [n, classes].
    """

    def make(path: Path) -> None:
        features, logits = compute()
        named = {"features": features.contiguous(), "logits": logits.contiguous()}
        path.write_bytes(save(named, metadata={"sha256": _hash(features, logits)}))

    return made_once(cache_dir("features") / f"{key}-{VERSION}.safetensors", make, _read)


def _read(path: Path) -> tuple[Tensor, Tensor] | None:
    """Return features and logits of a file; None if it is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            features, logits = file.get_tensor("features"), file.get_tensor("logits")
            intact = (file.metadata() or {}).get("sha256") == _hash(features, logits)
        return (features, logits) if intact else None
    except (SafetensorError, OSError, RuntimeError):  # RuntimeError: another process removed it just now
        return None


def _hash(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
