"""What a network made of real images, kept under a hash of both: computed once per machine."""

import os
from collections.abc import Callable

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vae_lab.data.cache import cache_dir


def remembered(key: str, compute: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Features and logits from ``<cache>/features/<key>.safetensors``; computed and put there where they are not.

    Args:
        key: hashes of the images and of the network's weights.
        compute: gives features [n, F] and logits [n, classes].
    """
    path = cache_dir("features") / f"{key}.safetensors"
    if path.exists():
        try:
            found = load_file(path)
            return found["features"], found["logits"]
        except (SafetensorError, KeyError, OSError):
            path.unlink(missing_ok=True)  # damaged: made anew
    features, logits = compute()
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    save_file({"features": features.contiguous(), "logits": logits.contiguous()}, unfinished)
    unfinished.replace(path)
    return features, logits
