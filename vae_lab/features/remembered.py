"""A cache for the features of real images, which are computed only once for each set of images and network."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vae_lab.data.cache import Unwritable, cache_dir, made_once

# The version of the file format and of the preprocessing of images; files of other versions are not used.
VERSION = "2"
FOLDER = "features"
Features = tuple[Tensor, Tensor]  # features [n, F] and logits [n, classes]


def remembered(key: str, compute: Callable[[], Features]) -> Features:
    """Return features and logits from the cache's folder ``features``, or compute and save them there.

    A file whose contents do not match the hash that it holds is computed and written again. If the cache cannot be
    written to, they are computed and not saved: a trained run is not to fail because of that.

    Args:
        key: hashes of the images and of the network's weights, the name of the file.
        compute: returns features [n, F] and logits [n, classes].
    """

    computed: list[Features] = []

    def make(path: Path) -> None:
        computed.append(compute())
        features, logits = computed[-1]
        named = {"features": features.contiguous(), "logits": logits.contiguous()}
        path.write_bytes(save(named, metadata={"sha256": _hash(features, logits)}))

    try:
        return made_once(cache_dir(FOLDER) / f"{key}-{VERSION}.safetensors", make, _read)
    except Unwritable:
        return computed[-1] if computed else compute()


def _read(path: Path) -> Features | None:
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
