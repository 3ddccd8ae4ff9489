"""Which pixels are defective: AUROC of pixels and per-region overlap of reconstruction errors (``dataset=mvtec``).

The map of an image is its squared error (x − x̂)², summed over the channels, at the mean of the posterior. Errors of
pixels say how unusual a pixel is for the decoder, not how likely a defect is: sharp edges have large ones everywhere.
"""

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from vae_lab.metrics.common.auroc import auroc
from vae_lab.metrics.common.regions import LIMIT, region_overlap
from vae_lab.scores import Scores, Trained


class PixelAnomaly:
    """AUROC and PRO of all test images, good ones included.

    Args:
        blur: σ in pixels of a Gaussian that smooths the maps; 0: they stay as they are.
    """

    topic = "Robustness"
    needs = ("images", "masks")

    def __init__(self, blur: NonNegativeFloat = 0.0) -> None:
        self.blur = blur

    def __call__(self, trained: Trained) -> Scores:
        """Return ``pixel_auroc`` and ``pixel_pro``."""
        maps = np.concatenate([
            error_maps(batch.x, trained.reconstruct(batch.x, batch.y), self.blur)
            for batch in trained.data.batches("test")
        ])  # fmt: skip
        masks = trained.data.test.masks_at(torch.arange(len(maps)))[:, 0].numpy() > 0
        defect, normal = (torch.from_numpy(maps[where]) for where in (masks, ~masks))
        values = {"pixel_auroc": auroc(defect, normal), "pixel_pro": region_overlap(maps, masks)}
        protocol = {
            "images": len(maps),
            "split": "test",
            "map": "squared error, summed over channels, at the posterior's mean",
            "blur": self.blur,
            "pro": f"mean over connected defects, area up to a false-positive rate of {LIMIT}",
            "size": list(trained.data.x_shape),
        }
        meanings = {
            "pixel_auroc": "AUROC of defective pixels by squared error; 1 is best, 0.5 is blind",
            "pixel_pro": "per-region overlap by squared error; 1 is best, 0.15 is blind",
        }
        return Scores(values, {"pixel_anomaly": protocol}, meanings=meanings)


def error_maps(x: Tensor, x_hat: Tensor, blur: float = 0.0) -> np.ndarray:
    """Return the squared errors of images [n, C, H, W], summed over channels and smoothed: float64 [n, H, W]."""
    from scipy import ndimage

    maps = (x - x_hat).square().sum(1).double().cpu().numpy()
    return ndimage.gaussian_filter(maps, (0, blur, blur)) if blur else maps
