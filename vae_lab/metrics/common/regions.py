"""How well a map of errors finds the pixels of defects: per-region overlap (PRO), from maps and masks.

PRO at a threshold is the mean over defects of the share of their pixels that lie above it, so that a small defect
counts as much as a large one. A defect is a connected part of a mask, diagonal neighbours included. Over all thresholds
it gives a curve against the share of normal pixels above the threshold, the false alarms (FPR). The score is the area
under this curve up to an FPR of 0.3, divided by 0.3 (Bergmann et al. 2020, arXiv 1911.02357, section 4.2): 1 is best,
and 0.15 is blind.
"""

import numpy as np

LIMIT = 0.3


def region_overlap(maps: np.ndarray, masks: np.ndarray, limit: float = LIMIT) -> float:
    """Return the normalised area under the curve of PRO against FPR.

    Args:
        maps: errors of the pixels [N, H, W], higher where a defect is suspected.
        masks: bool [N, H, W], true where a defect is. There must be a pixel of each kind.
        limit: the largest FPR.
    """
    of_pixel, regions = _shares(masks)
    order = np.argsort(-maps, axis=None, kind="stable")
    ranked, defect = maps.ravel()[order], masks.ravel()[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # of equal pixels, which pass the threshold together
    fpr = np.append(0.0, np.cumsum(~defect)[last] / np.count_nonzero(~masks))
    pro = np.append(0.0, np.cumsum(of_pixel.ravel()[order])[last] / regions)
    return _area(fpr, pro, limit) / limit


def _shares(masks: np.ndarray) -> tuple[np.ndarray, int]:
    """For every pixel of a defect 1 / (pixels of this defect), else 0; and the number of defects."""
    from scipy import ndimage

    shares, regions = np.zeros(masks.shape), 0
    for mask, share in zip(masks, shares):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        share[mask] = 1 / sizes[labels[mask]]
        regions += count
    return shares, regions


def _area(x: np.ndarray, y: np.ndarray, limit: float) -> float:
    """The area under a curve from 0 to a limit; x ascends, and may stay equal while y rises."""
    within = x <= limit
    x, y = np.append(x[within], limit), np.append(y[within], np.interp(limit, x, y))
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())
