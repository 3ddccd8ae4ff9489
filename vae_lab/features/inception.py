"""``features=inception``: torch-fidelity's Inception v3, with the weights that are used for published FIDs.

Images are clamped to [0, 1], rounded to bytes, repeated to three channels if they are grey, and scaled to 299×299 as
TensorFlow 1 does it (Heusel et al. 2017, Parmar et al. 2022, arXiv 2104.11222). The network returns its pool features
(2048) and unbiased logits (1008). ImageNet features say little about digits, so ``features=classifier`` is the default.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from vae_lab.config.paths import expanded
from vae_lab.data.cache import one_at_a_time
from vae_lab.errors import UserError
from vae_lab.scores import Generated
from vae_lab.system.unfinished import unfinished

BATCH = 50  # images per pass through the network


class Inception(nn.Module):
    """Inception v3, which maps images [N, 1 or 3, H, W] in [0, 1] to features [N, 2048] and logits [N, 1008].

    Args:
        weights: the file with the weights.

    Raises:
        UserError: the file is missing, damaged or holds another network.
    """

    num_features = 2048
    suffix = "_inception"

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            # torch-fidelity would run code that is hidden in the file's pickle; this load raises an error instead.
            torch.load(weights, map_location="cpu", weights_only=True)
            self.net = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(weights))
        except Exception as why:  # torch raises many kinds of errors for damaged or other files
            reason = f"{type(why).__name__}: {' '.join(str(why).split())[:100]}"
            raise UserError(f"features.weights={weights}: not the weights of torch-fidelity's Inception ({reason}); "
                            f"{_ADVICE.format(url=_url())}") from why  # fmt: skip
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.eval().requires_grad_(False)

    @property
    def about(self) -> dict[str, str]:
        """Entries for protocols."""
        from importlib.metadata import version

        return {
            "features": f"Inception v3 (torch-fidelity {version('torch-fidelity')}), 2048-d",
            "extractor_sha256": self.sha256,
            "images_as": "clamped to [0, 1], 8 bits, grey repeated to three channels, 299×299",
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to features and logits."""
        bytes_ = (x.clamp(0, 1) * 255).round().to(torch.uint8)
        bytes_ = bytes_.expand(-1, 3, -1, -1) if bytes_.shape[1] == 1 else bytes_
        parts = [self.net(part) for part in bytes_.split(BATCH)]
        features, logits = (torch.cat(part) for part in zip(*parts))
        return features, logits


def inception_features(generated: Generated, weights: str | None = None) -> Inception:
    """Return the extractor of ``features=inception``.

    Args:
        generated: the images to be scored.
        weights: the file with the weights; None: torch's cache, into which they are downloaded once.

    Raises:
        UserError: the images do not have 1 or 3 channels, or the weights are missing and cannot be downloaded.
    """
    if generated.data.x_shape[0] not in (1, 3):
        channels = generated.data.x_shape[0]
        raise UserError(f"features=inception takes 1 or 3 channels, these images have {channels}; leave it out")
    path = expanded(weights) if weights else _downloaded()
    if not path.is_file():
        raise UserError(f"features.weights={weights}: no such file; {_ADVICE.format(url=_url())}")
    return Inception(path).to(generated.device)


def _downloaded() -> Path:
    """Return the weights in torch's cache, where torch-fidelity and torchmetrics look for them, too."""
    url = _url()
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(path), unfinished(path, folder=True) as folder:
                if not path.exists():  # another process may have downloaded it meanwhile
                    torch.hub.download_url_to_file(url, str(folder / path.name), hash_prefix="6726825d")
                    (folder / path.name).replace(path)
        except (OSError, RuntimeError) as why:  # no network, no space on the disk, an incomplete download
            reason = " ".join(str(why).split())[:100]
            raise UserError(f"features=inception: its weights are not in {path} and could not be downloaded "
                            f"({reason}); {_ADVICE.format(url=url)}") from why  # fmt: skip
    return path


_ADVICE = "get {url} and type features.weights=<that file>, or features=classifier"


def _url() -> str:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return URL_INCEPTION_V3
