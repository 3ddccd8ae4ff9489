"""``features=inception``: torch-fidelity's Inception v3, with the weights that published FIDs stand on.

Pool features (2048) and unbiased logits (1008) of images that are clamped to [0, 1], rounded to bytes, repeated to
three channels where they are grey, and scaled to 299×299 as TensorFlow 1 does it (Heusel et al. 2017, Parmar et al.
2022, arXiv 2104.11222). ImageNet features say little about digits: ``features=classifier`` is the default.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.scores import Generated

BATCH = 50


class Inception(nn.Module):
    """Images [N, 1 or 3, H, W] in [0, 1] to features [N, 2048] and logits [N, 1008].

    Raises:
        UserError: the file is missing, damaged or holds another network.
    """

    num_features = 2048
    suffix = "_inception"

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            torch.load(weights, map_location="cpu", weights_only=True)  # torch-fidelity would run what a pickle says
            self.net = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(weights))
        except Exception as why:  # a damaged or foreign file makes torch raise a dozen kinds
            reason = f"{type(why).__name__}: {' '.join(str(why).split())[:100]}"
            raise UserError(f"features.weights={weights}: not the weights of torch-fidelity's Inception ({reason}); "
                            f"{_ADVICE.format(url=_url())}") from why  # fmt: skip
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.eval().requires_grad_(False)

    @property
    def about(self) -> dict[str, Any]:
        """For protocols."""
        from importlib.metadata import version

        return {
            "features": f"Inception v3 (torch-fidelity {version('torch-fidelity')}), 2048-d",
            "extractor_sha256": self.sha256,
            "images_as": "clamped to [0, 1], 8 bits, grey repeated to three channels, 299×299",
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images to (features, logits)."""
        bytes_ = (x.clamp(0, 1) * 255).round().to(torch.uint8)
        bytes_ = bytes_.expand(-1, 3, -1, -1) if bytes_.shape[1] == 1 else bytes_
        parts = [self.net(part) for part in bytes_.split(BATCH)]
        features, logits = (torch.cat(part) for part in zip(*parts))
        return features, logits


def inception_features(generated: Generated, weights: str | None = None) -> Inception:
    """The extractor, its weights from a file or downloaded once into torch's own cache.

    Raises:
        UserError: they cannot be had.
    """
    if generated.data.x_shape[0] not in (1, 3):
        channels = generated.data.x_shape[0]
        raise UserError(f"features=inception takes 1 or 3 channels, these images have {channels}; leave it out")
    path = Path(weights).expanduser() if weights else _downloaded()
    if not path.is_file():
        raise UserError(f"features.weights={weights}: no such file; {_ADVICE.format(url=_url())}")
    return Inception(path).to(generated.device)


def _downloaded() -> Path:
    """The weights in torch's cache, where torch-fidelity and torchmetrics look for them, too."""
    url = _url()
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix="6726825d")
        except (OSError, RuntimeError) as why:  # no network, no room, a broken download
            reason = " ".join(str(why).split())[:100]
            raise UserError(f"features=inception: its weights are not in {path} and could not be downloaded "
                            f"({reason}); {_ADVICE.format(url=url)}") from why  # fmt: skip
    return path


_ADVICE = "get {url} and type features.weights=<that file>, or features=classifier"


def _url() -> str:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return URL_INCEPTION_V3
